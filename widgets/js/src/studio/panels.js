// Below the diagram: six real and six generated series with the cloud, or the inside of a part;
// curves of the training, the memory, and how near the generated data are.

import { padded } from "../lib/axes.js";
import { lineChart } from "../lib/chart.js";
import { act, checkField, h, on, select, setOptions, uid, undoAll } from "../lib/dom.js";
import { gallery } from "../lib/gallery.js";
import { floats, rows, short } from "../lib/numbers.js";
import { cloud } from "./cloud.js";
import { diagram } from "./diagram.js";
import { insidePanel } from "./inside.js";
import { otherModel } from "./others.js";

/** @import { Series } from "../lib/axes.js" */
/** @import { ChartOptions } from "../lib/chart.js" */
/** @import { Model } from "../lib/dom.js" */
/** @import { Shown } from "./diagram.js" */
/** @typedef {(traits: string[], draw: () => void) => void} Listen */

/** @type {Record<string, string>} */
const OF = { mid_range: "mid-range", half_range: "half-range", value: "value", length: "length" };
const OWN = "DoppelGANger, in training";
const CHART_HEIGHT = 126;
/** @type {[number, number]} */
const PANEL = [79, 52];
const FEW = 60; // points of a curve that are drawn as points too: half steps may stand alone

/**
 * A chart of the training.
 * @typedef {object} History
 * @property {string} title
 * @property {string} label of the vertical axis
 * @property {[string, string, number][]} lines name, column, place in the palette
 */

/** @type {Record<string, History>} */
const HISTORY = {
  game: {
    title: "Estimate and generator's loss",
    label: "value",
    lines: [
      ["Wasserstein estimate", "wasserstein", 0],
      ["generator's loss", "generator_loss", 1],
    ],
  },
  loss: {
    title: "Losses",
    label: "loss",
    lines: [
      ["discriminator", "discriminator_loss", 0],
      ["generator", "generator_loss", 1],
      ["auxiliary", "auxiliary_loss", 2],
    ],
  },
  wasserstein: {
    title: "Wasserstein estimates",
    label: "estimate",
    lines: [
      ["discriminator", "wasserstein", 0],
      ["auxiliary", "auxiliary_wasserstein", 2],
    ],
  },
  gradient: {
    title: "Gradient norms",
    label: "norm",
    lines: [
      ["discriminator", "discriminator_gradient", 0],
      ["generator", "generator_gradient", 1],
    ],
  },
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

  // the model, its series, and what is inside a part
  const real = gallery(h("div"), { panel: PANEL });
  const generated = gallery(h("div"), {
    panel: PANEL,
    onselect: (sample) => act(model, "look", { sample }),
  });
  const points = cloud();
  const outside = h(
    "div",
    { class: "dgkit-outside" },
    h("div", { class: "dgkit-galleries" }, real.root, generated.root),
    points.root,
  );
  let open = "";
  const inside = insidePanel(say, (name) => {
    if (!name) drawn.focus(open);
    open = name;
    outside.hidden = name !== "";
    drawn.open(name);
  });
  const drawn = diagram((name) => (name === open ? inside.leave() : inside.open(name)));
  undo.push(real.destroy, generated.destroy, points.destroy, inside.destroy, drawn.destroy);
  const middle = h("div", { class: "dgkit-middle" }, outside, inside.root);
  const summary = h("summary", {}, "The model, part by part");
  const folded = h("details", { class: "dgkit-model", open: "" }, summary, drawn.root);

  // another model in the place of the one in training
  const whose = select([OWN], OWN, chosen, { id: uid("whose") });
  const named = h("label", { for: whose.id }, "Model shown");
  const choice = h("div", { class: "dgkit-whose", hidden: true }, named, whose);
  const other = otherModel(() => draw());
  undo.push(other.destroy);

  function chosen() {
    const made = model.get("others")[whose.value];
    if (made && open) inside.leave();
    folded.hidden = made !== undefined;
    other.show(made ? whose.value : "", made);
    history.other(made?.losses, made ? whose.value : "");
    draw();
  }
  listen(["others"], () => {
    const names = [OWN, ...Object.keys(model.get("others"))];
    const before = whose.value;
    if (names.join() === Array.from(whose.options, (option) => option.value).join()) return;
    setOptions(whose, names);
    whose.value = names.includes(before) ? before : OWN;
    choice.hidden = names.length < 2;
  });

  listen(["reference", "picture", "walk"], () => {
    const ours = model.get("reference");
    const made = model.get("picture");
    const walk = model.get("walk");
    /** @type {Shown} */
    const shown = { flow: walk.batch ? walk : made.flow, ours, made };
    drawn.show(shown);
    inside.show(shown);
  });
  undo.push(
    on(model, "walk", () => {
      const here = root.closest(".dgkit")?.contains(document.activeElement) ?? false;
      if (model.get("walk").batch) inside.walk(here);
    }),
  );
  let beside = false;
  listen(["status"], () => {
    const { half, state, beside: now } = model.get("status");
    if (now !== beside) {
      beside = now;
      folded.open = !beside;
      folded.classList.toggle("dgkit-folds", beside);
    }
    drawn.learn(state === "running" ? "" : (half?.which ?? ""));
  });

  const charts = h("div", { class: "dgkit-charts" });
  const history = historyChart();
  const measure = measureChart(model);
  const near = scores(model);
  charts.append(history.root, measure.root, near.root);
  undo.push(history.destroy, measure.destroy);
  listen(["frame", "ranges"], () => history.show(model.get("frame"), model.get("ranges")));

  const draw = () => {
    const ours = model.get("reference");
    const another = model.get("others")[whose.value];
    const made = another ?? model.get("picture");
    const ranges = model.get("ranges");
    const { same_scale: sameScale } = model.get("status");
    measure.show(ours, made);
    near.show(ours, made, sameScale);
    points.set(ours, made);

    const { time, feature, unit, log_values: log } = ours;
    const range = ranges.series?.length === 2 ? ranges.series : null;
    const frame = sameScale ? { range, log } : {};
    const label = `${feature}${unit === "1" ? "" : ` (${unit})`}, ${time} steps`;
    real.set({
      label: `Real: ${label}`,
      name: "Real:",
      series: rows(floats(ours.series), time, ours.titles.length),
      titles: ours.titles,
      colour: "real",
      ...frame,
    });
    generated.set({
      label: another
        ? `Made by ${whose.value}, which is not in training here${other.at()}`
        : `Generated, always of the same noise${beside ? "" : ": choose the one followed above"}`,
      name: "Generated:",
      series: rows(other.series() ?? floats(made.series), time, made.titles?.length),
      titles: made.titles,
      colour: 0,
      selected: made.flow?.sample ?? -1,
      ...frame,
    });
  };
  listen(["reference", "picture", "ranges", "status"], draw);
  listen(["others"], chosen);

  const root = h("div", {}, choice, folded, other.root, middle, charts);
  return { root, listen, destroy: () => undoAll(undo) };
}

/** The training so far: one of several charts. */
function historyChart() {
  const place = h("div");
  const titles = Object.entries(HISTORY).map(([key, { title }]) => [key, title]);
  const choice = select(titles, "game", build, { "aria-label": "Chart of the training" });
  const root = h("div", { class: "dgkit-chart-place" }, h("div", {}, choice), place);
  /** @type {ReturnType<typeof lineChart>} */
  let chart;
  let step = "step";
  /** @type {any[] | null} */
  let shown = null;
  /** @type {{ name: string, losses: any } | null} */
  let another = null;
  const heading = h("span", { class: "dgkit-losses", hidden: true });
  const none = h("p", { class: "dgkit-hint", hidden: true });
  choice.after(heading);
  root.append(none);

  function build() {
    chart?.destroy();
    const { title, label } = another
      ? { title: `Losses of ${another.name}`, label: "loss" }
      : HISTORY[choice.value];
    chart = lineChart(place, { title, x: { label: step }, y: { label }, height: CHART_HEIGHT });
    draw();
  }

  function drawAnother() {
    const { x, ...curves } = another?.losses ?? {};
    place.hidden = !x;
    none.hidden = Boolean(x);
    none.textContent = `No losses: ${another?.name} was not trained by steps.`;
    if (!x) return;
    const series = Object.entries(curves).map(([name, y], colour) => ({
      name,
      y: floats(y),
      colour,
    }));
    chart.set({ x: floats(x), series });
  }

  function draw() {
    if (another) {
      drawAnother();
      return;
    }
    if (!shown) return;
    const [frame, ranges] = shown;
    const x = floats(frame.x);
    const means = frame.per > 1 ? `step (means of ${frame.per})` : "";
    const now = means || (x.some((at) => at % 1) ? "step (a half step: half)" : "step");
    if (now !== step) {
      step = now;
      build();
      return;
    }
    const series = HISTORY[choice.value].lines
      .map(([name, key, colour]) => ({ name, y: floats(frame[key]), colour, points: few(x) }))
      .filter(({ name, y }) => name !== "auxiliary" || y.some(Number.isFinite));
    const own = ranges[choice.value];
    const range = own?.length === 2 ? padded(own) : undefined;
    chart.set({ x, series, range, xRange: ranges.step });
  }

  build();
  return {
    root,
    destroy: () => chart.destroy(),
    /**
     * The losses of another model in the place of the training's; of "" none.
     * @param {any} losses
     * @param {string} name
     */
    other(losses, name) {
      another = name ? { name, losses } : null;
      choice.hidden = another !== null;
      heading.hidden = another === null;
      heading.textContent = `Losses of ${name}`;
      place.hidden = false;
      none.hidden = true;
      step = "step";
      build();
    },
    /**
     * @param {any} frame
     * @param {any} ranges
     */
    show(frame, ranges) {
      shown = [frame, ranges];
      draw();
    },
  };
}

/** @param {ArrayLike<number>} x */
const few = (x) => x.length > 1 && x.length <= FEW;

/**
 * The autocorrelation, or the CDF of a quantity; made anew when it is of something else.
 * @param {Model} model
 */
function measureChart(model) {
  const place = h("div");
  const cdfs = Object.entries(OF).map(([key, name]) => [key, `CDF: ${name}`]);
  const choice = select(
    [["acf", "Autocorrelation"], ...cdfs],
    "acf",
    (value) => {
      if (value !== "acf") act(model, "look", { of: value });
      draw();
    },
    { "aria-label": "Measure shown" },
  );
  const root = h("div", { class: "dgkit-chart-place" }, h("div", {}, choice), place);
  /** @type {ReturnType<typeof lineChart> | null} */
  let chart = null;
  let shape = "";
  /** @type {any[] | null} */
  let shown = null;

  function draw() {
    if (!shown) return;
    const [ours, made] = shown;
    const { of, of_unit: unit, log, feature } = ours;
    const isAcf = choice.value === "acf";
    if (!isAcf) choice.value = of;
    const length = choice.querySelector('[value="length"]');
    /** @type {HTMLOptionElement} */ (length).disabled = !ours.varies; // all are as long
    const now = JSON.stringify([isAcf || of, unit, log]);
    if (!feature && (isAcf || of !== "length")) {
      chart?.destroy();
      chart = null;
      shape = "";
      return;
    }
    if (now !== shape) {
      chart?.destroy();
      chart = lineChart(place, isAcf ? acfOptions : cdfOptions(of, unit, log));
      shape = now;
    }
    const x = isAcf ? Float32Array.from({ length: ours.lags }, (_, k) => k + 1) : floats(ours.grid);
    chart?.set({ x, series: compared(isAcf ? "acf" : "cdf", ours, made) });
  }
  return {
    root,
    destroy: () => chart?.destroy(),
    /**
     * @param {any} ours
     * @param {any} made
     */
    show(ours, made) {
      shown = [ours, made];
      draw();
    },
  };
}

/** @type {ChartOptions} */
const acfOptions = {
  title: "Autocorrelation",
  x: { label: "lag (steps)" },
  y: { label: "correlation", range: [-1, 1.02] },
  height: CHART_HEIGHT,
};

/**
 * @param {string} of
 * @param {string} unit
 * @param {boolean} log
 * @returns {ChartOptions}
 */
const cdfOptions = (of, unit, log) => ({
  title: `CDF: ${OF[of]}`,
  x: { label: unit === "1" ? OF[of] : `${OF[of]} (${unit})`, log },
  y: { label: `share of ${of === "value" ? "values" : "series"}`, range: [0, 1.02] },
  height: CHART_HEIGHT,
});

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
 * How far the generated data are from the real ones, with held-out real ones beside, on how many
 * series that is measured, and what is shown.
 * @param {Model} model
 */
function scores(model) {
  const look = (/** @type {object} */ choice) => act(model, "look", choice);
  const feature = select([], "", (value) => look({ feature: value }), {
    "aria-label": "Feature shown",
  });
  const same = h("input", {
    type: "checkbox",
    onchange: () => look({ same_scale: same.checked }),
  });
  const rows = h("tbody");
  const heads = ["lower is nearer", "generated", "held out"];
  const top = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  const table = h("table", { class: "dgkit-near" }, h("thead", {}, top), rows);
  const count = h("p", { class: "dgkit-hint" });
  const scale = checkField("One scale for all", same);
  const choices = h("div", { class: "dgkit-row" }, feature, scale);
  const root = h("div", { class: "dgkit-quality" }, table, count, choices);

  return {
    root,
    /**
     * @param {any} ours
     * @param {any} made
     * @param {boolean} sameScale
     */
    show(ours, made, sameScale) {
      const features = ours.features ?? [];
      const known = Array.from(feature.options, (option) => option.value);
      if (known.join() !== features.join()) setOptions(feature, features);
      feature.value = ours.feature;
      feature.hidden = features.length < 2;
      same.checked = sameScale;
      table.hidden = !ours.feature;
      const unit = ours.log ? "decades" : ours.of_unit.replace(/^1$/, "");
      rows.replaceChildren(
        ...[
          ["autocorrelation MSE", "acf_mse"],
          [`${OF[ours.of]}s, CDF distance${unit && ` (${unit})`}`, "distance"],
        ].map(([name, key]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            h("td", {}, three(made[key])),
            h("td", {}, three(ours[key])),
          ),
        ),
      );
      count.textContent =
        `Measured on all ${short(ours.n)} real series, ${short(made.n)} generated` +
        `${ours.held_out ? ` and ${short(ours.held_out)} held out` : ""}.`;
    },
  };
}

/** @param {number | null | undefined} value */
const three = (value) =>
  value === null || value === undefined ? "–" : short(Number(value.toPrecision(3)));
