// Below the studio's buttons: slow motion, charts, series, and the state as text.

import { padded } from "../lib/axes.js";
import { lineChart } from "../lib/chart.js";
import { act, checkField, field, h, on, select, setOptions, uid, undoAll } from "../lib/dom.js";
import { gallery } from "../lib/gallery.js";
import { floats, rows, short } from "../lib/numbers.js";
import { colourMap, shareTables } from "./pictures.js";
import { stateBox } from "./state.js";
import { walkPanel } from "./walk.js";

/** @import { Series } from "../lib/axes.js" */
/** @import { ChartOptions } from "../lib/chart.js" */
/** @import { Model } from "../lib/dom.js" */
/** @typedef {(traits: string[], draw: () => void) => void} Listen */

/** @type {Record<string, string>} */
const OF = { mid_range: "mid-range", half_range: "half-range", value: "value", length: "length" };
const CHART_HEIGHT = 170;
/** @type {[number, number]} */
const PANEL = [136, 70];

/** @type {Record<string, number>} */
const COLOURS = { discriminator: 0, generator: 1, auxiliary: 2 };
/** @type {Record<string, [string, string][]>} */
const CURVES = {
  loss: [
    ["discriminator", "discriminator_loss"],
    ["generator", "generator_loss"],
    ["auxiliary", "auxiliary_loss"],
  ],
  wasserstein: [
    ["discriminator", "wasserstein"],
    ["auxiliary", "auxiliary_wasserstein"],
  ],
  gradient: [
    ["discriminator", "discriminator_gradient"],
    ["generator", "generator_gradient"],
  ],
};

/**
 * @param {Model} model
 * @param {(text: string) => void} say
 */
export function panels(model, say) {
  /** @type {(() => void)[]} */
  const undo = [];
  /** @type {Listen} */
  const listen = (traits, draw) => {
    for (const trait of traits) undo.push(on(model, trait, draw));
    draw();
  };
  const grid = h("div", { class: "dgkit-grid dgkit-charts" });
  const chart = (/** @type {ChartOptions} */ options) => {
    const made = lineChart(grid, { height: CHART_HEIGHT, ...options });
    undo.push(made.destroy);
    return made;
  };

  const walk = walkPanel(say, () => {
    const studio = walk.root.parentElement?.closest(".dgkit");
    /** @type {HTMLElement} */ (studio).focus({ preventScroll: true });
  });
  undo.push(
    walk.destroy,
    on(model, "walk", () => walk.show(model.get("walk"))),
  );

  const sync = uid("steps");
  const x = { label: "step" };
  /** @type {Record<string, ReturnType<typeof lineChart>>} */
  const history = {
    loss: chart({ title: "Losses", x, y: { label: "loss (1)" }, sync }),
    wasserstein: chart({ title: "Wasserstein estimate", x, y: { label: "estimate (1)" }, sync }),
    gradient: chart({ title: "Gradient norms", x, y: { label: "norm (1)" }, sync }),
  };
  const thinned = h("div", { class: "dgkit-hint" });
  listen(["frame", "ranges"], () => {
    const frame = model.get("frame");
    const ranges = model.get("ranges");
    const steps = floats(frame.x);
    for (const [name, lines] of Object.entries(CURVES)) {
      const series = lines
        .map(([label, key]) => ({ name: label, y: floats(frame[key]), colour: COLOURS[label] }))
        .filter(({ name: who, y }) => who !== "auxiliary" || y.some(Number.isFinite));
      const range = ranges[name]?.length === 2 ? padded(ranges[name]) : undefined;
      history[name].set({ x: steps, series, range, xRange: ranges.step });
    }
    thinned.textContent =
      frame.per > 1
        ? `Each point of the first three charts is the mean of ${frame.per} steps.`
        : "";
  });

  const acf = chart({
    title: "Autocorrelation",
    x: { label: "lag (steps)" },
    y: { label: "correlation (1)", range: [-1, 1.02] },
  });
  const cdf = cdfChart();
  const numbers = h("div", { class: "dgkit-quality" });
  const look = lookForm(model);
  grid.append(cdf.root, h("div", { class: "dgkit-measures" }, look.root, numbers));
  const shares = shareTables(h("div"));
  const real = gallery(h("div"), { panel: PANEL });
  const generated = gallery(h("div"), { panel: PANEL });
  const maps = colourMap(h("div"));
  undo.push(cdf.destroy, shares.destroy, real.destroy, generated.destroy, maps.destroy);

  listen(["reference", "picture", "ranges", "status"], () => {
    const ours = model.get("reference");
    const made = model.get("picture");
    const ranges = model.get("ranges");
    const sameScale = model.get("status").same_scale;
    look.show(ours, sameScale);
    const lags = Float32Array.from({ length: ours.lags }, (_, k) => k + 1);
    if (ours.feature) acf.set({ x: lags, series: compared("acf", ours, made) });
    cdf.show(ours, made);
    shares.set({ real: ours.bars, generated: made.bars });
    numbers.textContent = ours.feature ? quality(ours, made) : "";

    const { time, feature, unit, log_values: log } = ours;
    const all = { real: floats(ours.series), generated: floats(made.series) };
    const range = ranges.series?.length === 2 ? ranges.series : null;
    const frame = sameScale ? { range, log } : {};
    const label = `${feature} (${unit}) over ${time} steps`;
    real.set({
      label: `Real: ${label}`,
      series: rows(all.real, time, ours.titles.length),
      titles: ours.titles,
      colour: "real",
      ...frame,
    });
    generated.set({
      label: `Generated, always from the same noise: ${label}`,
      series: rows(all.generated, time, ours.titles.length),
      titles: made.titles,
      colour: 0,
      ...frame,
    });
    maps.set({ ...all, time: feature ? time : 0, range, log, unit, feature });
  });

  const state = stateBox(model, listen);
  const pictures = [shares.root, real.root, generated.root, maps.root];
  const root = h("div", {}, walk.root, grid, thinned, ...pictures, state);
  return { root, destroy: () => undoAll(undo) };
}

/**
 * What is shown: the feature, what the CDF is of, one scale for all.
 * @param {Model} model
 */
function lookForm(model) {
  const look = (/** @type {object} */ choice) => act(model, "look", choice);
  const feature = select([], "", (value) => look({ feature: value }), { id: uid("feature") });
  const of = select(Object.entries(OF), "mid_range", (value) => look({ of: value }), {
    id: uid("of"),
  });
  const same = h("input", {
    type: "checkbox",
    id: uid("same"),
    onchange: () => look({ same_scale: same.checked }),
  });
  const featureField = field("Feature shown", feature);
  const root = h(
    "div",
    { class: "dgkit-row dgkit-look" },
    featureField,
    field("CDF of", of),
    checkField("One scale for all series", same),
  );
  return {
    root,
    /**
     * @param {any} ours
     * @param {boolean} sameScale
     */
    show(ours, sameScale) {
      const features = ours.features ?? [];
      setOptions(feature, features);
      feature.value = ours.feature;
      featureField.hidden = features.length < 2;
      of.value = ours.of;
      same.checked = sameScale;
    },
  };
}

/** A chart that is made anew when it is of something else. */
function cdfChart() {
  const root = h("div");
  /** @type {ReturnType<typeof lineChart> | null} */
  let chart = null;
  let shape = "";
  return {
    root,
    destroy: () => chart?.destroy(),
    /**
     * @param {any} ours
     * @param {any} made
     */
    show(ours, made) {
      const { of, of_unit: unit, log } = ours;
      const now = JSON.stringify([of, unit, log]);
      if (now !== shape && (ours.feature || of === "length")) {
        chart?.destroy();
        const what = of === "value" ? "values" : "series";
        chart = lineChart(root, {
          title: `CDF: ${OF[of]}`,
          x: { label: `${OF[of]} (${unit})`, log },
          y: { label: `share of ${what} (1)`, range: [0, 1.02] },
          height: CHART_HEIGHT,
        });
        shape = now;
      }
      chart?.set({ x: floats(ours.grid), series: compared("cdf", ours, made) });
    },
  };
}

/**
 * A curve of the real data, of held-out real data where there are some, and of generated ones.
 * @param {string} key
 * @param {any} ours
 * @param {any} made
 */
function compared(key, ours, made) {
  const held = ours[`held_${key}`];
  /** @type {Series[]} */
  const lines = [{ name: "real", y: floats(ours[key]), real: true }];
  if (held) lines.push({ name: "held-out real", y: floats(held), colour: 2 });
  lines.push({ name: "generated", y: floats(made[key]), colour: 0 });
  return lines;
}

/**
 * How far the generated data are from the real ones, and held-out real ones beside.
 * @param {any} ours
 * @param {any} made
 */
function quality(ours, made) {
  /**
   * @param {string} key
   * @param {string} unit
   */
  const measure = (key, unit) => {
    const text = (/** @type {number | null | undefined} */ value) =>
      value === null || value === undefined ? "–" : short(Number(value.toPrecision(3))) + unit;
    const held = ours[key] === undefined ? "" : ` (held-out real: ${text(ours[key])})`;
    return text(made[key]) + held;
  };
  const unit = ours.log ? " decades" : ` ${ours.of_unit}`;
  return (
    `Against the real data: autocorrelation mean squared error ${measure("acf_mse", "")}; ` +
    `distance of the CDFs ${measure("distance", unit)}. Lower is nearer.`
  );
}
