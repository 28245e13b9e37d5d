// The inside of a part, in the place of the series: what it does with the sample, with its numbers.
// Slow motion walks from part to part.

import { padded } from "../lib/axes.js";
import { lineChart } from "../lib/chart.js";
import { button, h, reducedMotion, setOff, taken, uid, undoAll } from "../lib/dom.js";
import { floats, mean, minus, percent, rows, short } from "../lib/numbers.js";
import { PARTS, upToEnd } from "./diagram.js";
import { definitions, drawing, line, noiseBars, slopes, strip } from "./drawings.js";
import { fixed, formulas } from "./formulas.js";

/** @import { Attribute, Made, Shown } from "./diagram.js" */
/** @import { Judged } from "./formulas.js" */

const STAGE_MS = 2000;
const GROWING_MS = 1500;
const GROWING_FRAMES = 24;

/**
 * What is in a part: a caption, and a drawing that is built once and then shown again and again.
 * @typedef {object} Inside
 * @property {(shown: Shown) => string} caption
 * @property {(place: HTMLElement, undo: (() => void)[]) => (shown: Shown) => void} build
 */

/**
 * One that is drawn anew each time.
 * @param {(shown: Shown) => string} caption
 * @param {(shown: Shown) => Node[]} draw
 * @returns {Inside}
 */
const plain = (caption, draw) => ({
  caption,
  build: (place) => (shown) => place.replaceChildren(...draw(shown)),
});

/** @type {Record<string, Inside>} */
const INSIDES = {
  noise: plain(
    ({ flow: { noise } }) =>
      `Noise is drawn: ${noise.attribute.length} normal numbers for the attributes, ` +
      `${noise.minmax.length} for the range, ${noise.feature[0]?.length ?? 0} fresh ones for ` +
      `each of the LSTM's ${noise.feature.length} passes. They say which sample this is.`,
    ({ flow: { noise } }) => [
      vector(noise.attribute, "for the attributes"),
      vector(noise.minmax, "for the range"),
      vector(noise.feature[0] ?? [], "for the LSTM's first pass"),
    ],
  ),
  attribute: plain(
    ({ flow: { attributes } }) =>
      attributes.length
        ? "The attribute generator turns its noise into probabilities; the largest is taken " +
          "(✓). Beside it, how often each value occurs among real and generated samples."
        : "This dataset has no attributes, so nothing is generated here.",
    ({ flow: { attributes }, ours, made }) =>
      attributes.map((one) => attributeTable(one, { ours, made })),
  ),
  minmax: plain(
    ({ flow: { series } }) =>
      series.range?.length === 2
        ? "For these attributes the min/max generator says in which range the series will lie. " +
          "The discriminators' slopes say which way to move it."
        : "Auto-normalisation is off (or this feature has none): no range is generated, and the " +
          "LSTM makes values on the scale of all data.",
    ({ flow: { series } }) => (series.range?.length === 2 ? [rangeTable(series)] : []),
  ),
  lstm: {
    caption: ({ flow: { series } }) =>
      series.feature
        ? `The LSTM makes ${series.feature}, ${series.sample_len} steps a pass, in ` +
          `${series.passes} passes: on its own scale (left), and in its unit (right).`
        : "This dataset has no feature of numbers to draw.",
    build: growing,
  },
  real: plain(
    ({ ours }) =>
      `The discriminators see batches of these ${short(ours.n)} series` +
      `${ours.held_out ? `; ${short(ours.held_out)} others are held out` : ""}. The generator ` +
      "never sees one: all it gets is the gradient of the scores.",
    ({ ours }) => {
      if (!ours.feature) return [];
      const all = rows(floats(ours.series), ours.time);
      const draw = (/** @type {number[]} */ one, /** @type {number} */ k) =>
        h(
          "figure",
          {},
          h("figcaption", {}, ours.titles[k]),
          drawing(92, `real ${ours.titles[k]}`, line(one, { className: "dgkit-real" })),
        );
      return all.slice(0, 3).map(draw);
    },
  ),
  main: plain(
    ({ flow: { batch, judged: both } }) =>
      `${scores("The discriminator", batch, both.main)} It sees whole samples: series, ` +
      "attributes and range.",
    ({ flow: { judged: both } }) => [judgedFigure("Discriminator", both.main)],
  ),
  auxiliary: plain(
    ({ flow: { batch, judged: both } }) =>
      both.auxiliary
        ? `${scores("The auxiliary one", batch, both.auxiliary)} It sees attributes and range.`
        : "The auxiliary discriminator is switched off.",
    ({ flow: { judged: both } }) =>
      both.auxiliary ? [judgedFigure("Auxiliary discriminator", both.auxiliary)] : [],
  ),
  losses: plain(
    () =>
      "From the scores come the losses: the discriminator's half step lowers its own, the " +
      "generator's half step then lowers its own.",
    ({ flow }) => [definitions(formulas(flow), "dgkit-formulas")],
  ),
  slope: plain(
    ({ flow: { series } }) =>
      series.feature
        ? `What the discriminator teaches: where ${series.feature} should be higher or lower, ` +
          "step by step, for a better score. Long arrows matter most. The generator follows them."
        : "This dataset has no feature of numbers to draw.",
    ({ flow: { series } }) => {
      if (!series.feature) return [];
      const { slope, scaled_range: range, length, slope_of_range: own } = series;
      const up = slope.slice(0, length).filter((v) => v > 0).length;
      const said = `higher at ${up} of ${length} steps, lower at ${length - up}`;
      const label = `${series.feature}, as the LSTM makes it, with the slope of the score: ${said}`;
      const way = (/** @type {number} */ v) => `${v > 0 ? "higher" : "lower"} (${fixed(v)})`;
      const range_ = own.length ? `level ${way(own[0])}, amplitude ${way(own[1])}; ` : "";
      return [
        slopes(upToEnd(series), slope, { range, height: 118, most: 200, label }),
        h("span", { class: "dgkit-hint" }, `${range_}series ${said}`),
      ];
    },
  ),
};

/**
 * The inside of one part at a time; `open(name)` shows one, `show(shown)` its numbers, `walk()`
 * goes through all.
 * @param {(text: string) => void} say
 * @param {(name: string) => void} onmove told the part, "" when it closes
 */
export function insidePanel(say, onmove) {
  let at = "";
  let timer = 0;
  let playing = false;
  /** @type {Shown | null} */
  let now = null;
  /** @type {(shown: Shown) => void} */
  let draw = () => {};
  /** @type {(() => void)[]} */
  const undo = [];
  const order = PARTS.map(([name]) => name);
  const heading = h("h3", { id: uid("inside") });
  const caption = h("p", { class: "dgkit-caption" });
  const stage = h("div", { class: "dgkit-stage", tabindex: "0", role: "group" });
  const previous = button("Previous", () => step(-1), { "aria-keyshortcuts": "ArrowLeft" });
  const next = button("Next", () => step(1), { "aria-keyshortcuts": "ArrowRight" });
  const auto = button("Auto-advance", () => play(!playing), { "aria-pressed": "false" });
  const close = button("Close", () => leave(), { "aria-keyshortcuts": "Escape" });
  const head = h(
    "div",
    { class: "dgkit-inside-head" },
    heading,
    h("div", { class: "dgkit-row" }, previous, next, auto, close),
  );
  const labelled = { "aria-labelledby": heading.id };
  const root = h(
    "section",
    { class: "dgkit-inside", hidden: true, ...labelled },
    head,
    caption,
    stage,
  );
  root.addEventListener("keydown", (event) => {
    if (/** @type {Element} */ (event.target).matches("input, .dgkit-chart")) return;
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "Escape") leave();
    else return;
    taken(event);
  });

  function clear() {
    undoAll(undo);
    stage.replaceChildren();
  }

  function leave() {
    play(false);
    clear();
    at = "";
    root.hidden = true;
    onmove("");
  }

  /** @param {boolean} on */
  function play(on) {
    clearTimeout(timer);
    playing = on;
    auto.setAttribute("aria-pressed", String(on));
    if (on) timer = setTimeout(advance, STAGE_MS);
  }

  function advance() {
    const last = at === order[order.length - 1];
    if (!last) move(order[order.indexOf(at) + 1]);
    play(!last);
  }

  /**
   * By hand: stops the auto-advance.
   * @param {-1 | 1} by
   */
  function step(by) {
    play(false);
    const to = order[order.indexOf(at) + by];
    if (to) move(to);
  }

  /** @param {string} name */
  function move(name) {
    at = name;
    const place = order.indexOf(name);
    clear();
    draw = INSIDES[name].build(stage, undo);
    root.hidden = false;
    setOff(previous, place === 0);
    setOff(next, place === order.length - 1);
    stage.setAttribute("aria-label", PARTS[place][1]);
    stage.className = `dgkit-stage dgkit-stage-${name}`;
    refresh();
    say(caption.textContent ?? "");
    onmove(name);
  }

  function refresh() {
    if (!now || !at) return;
    const { flow } = now;
    const place = order.indexOf(at);
    const whose = flow.exact
      ? `the batch of step ${short(flow.exact)}, before it`
      : `generated series ${flow.sample + 1} at step ${short(flow.step)}, always of the same noise`;
    heading.textContent = `${place + 1} ${PARTS[place][1]}${at === "real" ? "" : `: ${whose}`}`;
    caption.textContent = INSIDES[at].caption(now);
    draw(now);
  }

  return {
    root,
    /** @param {string} name */
    open(name) {
      play(false);
      move(name);
    },
    leave,
    /**
     * From the first part on; with the keyboard's focus where the buttons of this view have it.
     * @param {boolean} here
     */
    walk(here) {
      move(order[0]);
      play(!reducedMotion());
      if (here) next.focus({ preventScroll: true });
    },
    /** @param {Shown} shown */
    show(shown) {
      now = shown;
      refresh();
    },
    destroy() {
      play(false);
      clear();
    },
  };
}

/**
 * @param {string} who
 * @param {number} batch
 * @param {Judged} judged
 */
function scores(who, batch, { real, fake }) {
  if (!real.length) {
    return (
      `${who} scores ${batch} generated samples, mean ${fixed(mean(fake))}; what it makes of ` +
      "real ones a private run keeps secret."
    );
  }
  return (
    `${who} scores ${batch} generated samples and ${real.length} real ones: mean ` +
    `${fixed(mean(real))} for real, ${fixed(mean(fake))} for generated.`
  );
}

/**
 * @param {string} title
 * @param {Judged} judged
 */
function judgedFigure(title, { real, fake }) {
  const all = [...real, ...fake];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const means = `mean ${real.length ? `${short(mean(real))} for real, ` : ""}${short(mean(fake))}`;
  const label = `${title}: ${means} for generated samples; from ${short(low)} to ${short(high)}`;
  const ends = [short(low), "score D(x); line: mean; above real, below generated", short(high)];
  return h(
    "figure",
    { class: "dgkit-judged" },
    strip(real, fake, 84, label),
    h("div", { class: "dgkit-ends" }, ...ends.map((text) => h("span", {}, text))),
  );
}

/**
 * Bars of a few signed numbers, with the numbers.
 * @param {number[]} values
 * @param {string} label
 */
function vector(values, label) {
  return h(
    "figure",
    {},
    h("figcaption", {}, label),
    noiseBars(values, 64),
    h("div", { class: "dgkit-ends" }, ...values.map((v) => h("span", {}, minus(v.toFixed(2))))),
  );
}

/** @param {Made} series */
function rangeTable({ range, unit, slope_of_range: [level, amplitude] }) {
  const [low, high] = /** @type {number[]} */ (range);
  const of = unit === "1" ? "" : ` ${unit}`;
  const way = (/** @type {number} */ v) => `${v > 0 ? "higher" : "lower"} (slope ${fixed(v)})`;
  return definitions([
    ["smallest", `${short(low)}${of}`],
    ["largest", `${short(high)}${of}`],
    ["level: mid-range", `${short((low + high) / 2)}${of}`],
    ["amplitude: half-range", `${short((high - low) / 2)}${of}`],
    ["a better score: level", way(level)],
    ["a better score: amplitude", way(amplitude)],
  ]);
}

/**
 * A category's values: this sample's probabilities, and the shares of generated and real samples.
 * Of a number its value.
 * @param {Attribute} attribute
 * @param {{ ours: any, made: any }} sides
 */
function attributeTable({ name, labels, shares, chosen, value, unit }, { ours, made }) {
  if (!labels) return definitions([[name, `${short(value)}${unit === "1" ? "" : ` ${unit}`}`]]);
  const find = (/** @type {any} */ side) =>
    side.bars.find((/** @type {{ name: string }} */ one) => one.name === name);
  const bars = find(ours);
  const texts = (/** @type {any} */ side, /** @type {string} */ label) => {
    const share = side?.shares[side.labels.indexOf(label)];
    return share === undefined ? "–" : percent(share);
  };
  const order = labels.map((_, k) => k).sort((a, b) => shares[b] - shares[a]);
  const lines = order.slice(0, 7).map((k) => {
    const fill = h("div", { class: "dgkit-share" });
    fill.style.width = `${100 * shares[k]}%`;
    return h(
      "tr",
      {},
      h("th", { scope: "row", title: labels[k] }, (k === chosen ? "✓ " : "") + labels[k]),
      h(
        "td",
        {},
        h("div", { class: "dgkit-share-track" }, fill),
        h("span", {}, percent(shares[k])),
      ),
      h("td", {}, texts(find(made), labels[k])),
      h("td", {}, texts(bars, labels[k])),
    );
  });
  const heads = [name, "here", "generated", "real"];
  const top = h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)));
  return h("table", { class: "dgkit-shares" }, h("thead", {}, top), h("tbody", {}, ...lines));
}

/**
 * The series, pass by pass: by itself, or by a slider.
 * @param {HTMLElement} place
 * @param {(() => void)[]} undo
 */
function growing(place, undo) {
  /** @type {Made | null} */
  let made = null;
  /** @type {ReturnType<typeof lineChart>[]} */
  let charts = [];
  let timer = 0;
  const readout = h("output", {});
  const slider = h("input", {
    type: "range",
    min: 1,
    id: uid("pass"),
    oninput: () => {
      clearInterval(timer);
      fill();
    },
  });
  const sides = [h("div"), h("div")];

  function fill() {
    if (!made) return;
    const { raw, sample_len, passes } = made;
    const scaled = upToEnd(made);
    const done = Number(slider.value) * sample_len;
    const steps = scaled.map((_, t) => t + 1);
    for (const [k, values] of [scaled, raw].entries()) {
      const y = values.map((v, t) => (t < done ? v : null));
      charts[k].set({ x: steps, series: [{ name: "generated", y }] });
    }
    readout.textContent = `${slider.value} of ${passes}`;
  }

  /** @param {Made} first */
  function begin({ feature, unit, passes, scaled_range }) {
    const x = { label: "time (steps)" };
    const height = 112;
    const own = { label: "scaled", range: padded(scaled_range) };
    const label = unit === "1" ? (feature ?? "") : unit;
    charts = [
      lineChart(sides[0], { title: "As the LSTM makes it", x, y: own, height }),
      lineChart(sides[1], { title: "In its unit", x, y: { label }, height }),
    ];
    undo.push(...charts.map((chart) => chart.destroy), () => clearInterval(timer));
    slider.max = String(passes);
    slider.value = reducedMotion() ? String(passes) : "1";
    const grow = () => {
      const to = Number(slider.value) + Math.ceil(passes / GROWING_FRAMES);
      slider.value = String(Math.min(passes, to));
      if (to >= passes) clearInterval(timer);
      fill();
    };
    timer = setInterval(grow, Math.max(40, GROWING_MS / Math.min(GROWING_FRAMES, passes)));
    if (reducedMotion()) clearInterval(timer);
    const name = h("label", { for: slider.id }, "LSTM pass");
    place.append(h("div", { class: "dgkit-pass-field" }, name, slider, readout), ...sides);
  }

  return (/** @type {Shown} */ { flow: { series } }) => {
    if (!series.feature) return;
    made = series;
    if (!charts.length) begin(series);
    fill();
  };
}
