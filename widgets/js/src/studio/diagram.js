// The model as a drawing: its parts are buttons, each with what passes through it now; forward
// paths and gradients are wires between them.

import { h, oncePerFrame, svg } from "../lib/dom.js";
import { floats, mean, minus, rows, short } from "../lib/numbers.js";
import {
  definitions,
  drawing,
  levelBar,
  line,
  noiseBars,
  shareBars,
  slopes,
  strip,
} from "./drawings.js";
import { fixed } from "./formulas.js";

/** @import { Judged } from "./formulas.js" */

/**
 * An attribute of the sample: a category with its probabilities, or a number.
 * @typedef {object} Attribute
 * @property {string} name
 * @property {string[]} [labels]
 * @property {number[]} shares
 * @property {number} chosen
 * @property {number} value
 * @property {string} unit
 */

/**
 * The series of the sample: `scaled` as the LSTM makes it, `raw` in its unit, and the slope of the
 * score at each of its steps.
 * @typedef {object} Made
 * @property {string} [feature]
 * @property {string} unit
 * @property {[number, number] | null} range
 * @property {number} length
 * @property {number} sample_len
 * @property {number} passes
 * @property {number[]} scaled
 * @property {(number | null)[]} raw
 * @property {[number, number]} scaled_range
 * @property {number[]} slope
 * @property {number[]} slope_of_range
 */

/**
 * A batch on its way through the networks, as Python has it; `exact` is the step whose batch it is.
 * @typedef {object} Flow
 * @property {number} step
 * @property {number} [exact]
 * @property {number} batch
 * @property {number} sample
 * @property {{ attribute: number[], minmax: number[], feature: number[][] }} noise
 * @property {Attribute[]} attributes
 * @property {Made} series
 * @property {{ main: Judged, auxiliary?: Judged }} judged
 * @property {number | null} generator_loss
 * @property {number} auxiliary_weight
 */

/**
 * @typedef {object} Shown
 * @property {Flow} flow
 * @property {any} ours the real side
 * @property {any} made the generated side
 */

/** @type {[string, string][]} */
export const PARTS = [
  ["noise", "noise"],
  ["attribute", "attribute generator"],
  ["minmax", "min/max generator"],
  ["lstm", "LSTM"],
  ["real", "real data"],
  ["main", "discriminator"],
  ["auxiliary", "auxiliary discriminator"],
  ["losses", "losses"],
  ["slope", "gradient"],
];
const LEARN = { discriminator: ["main", "auxiliary"], generator: ["attribute", "minmax", "lstm"] };

/**
 * What stands in each part.
 * @type {Record<string, (shown: Shown) => (Node | string)[]>}
 */
const INSIDE = {
  noise: ({ flow: { noise } }) =>
    [noise.attribute, noise.minmax, noise.feature[0] ?? []].map((part) => noiseBars(part, 34)),
  attribute: ({ flow: { attributes } }) => {
    if (!attributes.length) return ["this dataset has no attributes"];
    return attributes.slice(0, 3).map((attribute) => {
      const { labels, shares, chosen, value, unit } = attribute;
      const text = labels ? labels[chosen] : `${short(value)} ${unit}`;
      const bars = labels ? [shareBars(shares, chosen, 13)] : [];
      return h("div", { class: "dgkit-attribute" }, ...bars, h("span", {}, text));
    });
  },
  minmax: ({ flow: { series }, ours }) => {
    if (series.range?.length !== 2) return ["no range is generated: auto-normalisation is off"];
    const bar = levelBar(series.range, ours.values, ours.log_values, 15);
    const [low, high] = series.range;
    const unit = series.unit === "1" ? "" : series.unit;
    return [bar, h("span", {}, `${short(low)} to ${short(high)}`), h("span", {}, unit)];
  },
  lstm: ({ flow: { series } }) => {
    if (!series.feature) return ["no feature of numbers to draw"];
    const many = Math.min(series.passes, 60);
    const boxes = Array.from({ length: many }, (_, k) => {
      const place = { x: `${(100 * (k + 0.08)) / many}%`, width: `${84 / many}%` };
      return svg("rect", { ...place, y: 1, height: 9, class: "dgkit-pass" });
    });
    return [
      drawing(11, undefined, ...boxes),
      drawing(84, undefined, line(upToEnd(series), { range: series.scaled_range })),
    ];
  },
  real: ({ ours }) => {
    if (!ours.feature) return [`${short(ours.n)} series`];
    const [first] = rows(floats(ours.series), ours.time, 1);
    return [drawing(26, undefined, line(first, { className: "dgkit-real" }))];
  },
  main: ({ flow }) => judged(flow.judged.main),
  auxiliary: ({ flow: { judged: both } }) =>
    both.auxiliary ? judged(both.auxiliary) : ["switched off"],
  losses: ({ flow: { judged: both, generator_loss: generator } }) => {
    const { main, auxiliary } = both;
    const secret = main.real.length ? "" : "secret in a private run";
    const estimate = main.wasserstein;
    const difference = `${fixed(mean(main.real))} − ${less(mean(main.fake))} = ${fixed(estimate)}`;
    const sum = `${main.weight} × ${fixed(main.penalty)} − ${less(estimate)} = ${fixed(main.loss)}`;
    const own = auxiliary ? `${fixed(main.generator_loss)} + auxiliary = ` : "";
    const sums = [
      ["Wasserstein estimate: mean score of real − of generated", secret || difference],
      ["discriminator's loss: penalty − estimate", secret || sum],
      ["generator's loss: − mean score of generated", own + fixed(generator)],
    ];
    return [definitions(sums)];
  },
  slope: ({ flow: { series } }) => {
    if (!series.feature) return ["no feature of numbers to draw"];
    const { slope, scaled_range: range } = series;
    return [slopes(upToEnd(series), slope, { range, height: 31, most: 84 })];
  },
};

/**
 * The series as the LSTM makes it, without what comes after its end.
 * @param {Made} series
 */
export const upToEnd = ({ scaled, length }) => scaled.map((v, t) => (t < length ? v : null));

/**
 * A number behind a minus.
 * @param {number | null} v
 */
const less = (v) => (v !== null && v < 0 ? `(${fixed(v)})` : fixed(v));

/** @param {Judged} scores */
function judged({ real, fake }) {
  const text = (/** @type {number[]} */ values) => {
    const middle = mean(values);
    const shown = Math.abs(middle) < 10 ? middle.toFixed(2) : middle.toPrecision(3);
    return minus(short(Number(shown)));
  };
  const ours = real.length ? `real ${text(real)}, ` : "";
  return [
    strip(real, fake, 30),
    h(
      "span",
      {},
      h("span", { class: "dgkit-says-real" }, ours),
      h("span", { class: "dgkit-says-made" }, `generated ${text(fake)}`),
    ),
  ];
}

/** @param {Shown} shown */
const titles = ({ flow: { series, sample, exact }, ours }) => ({
  lstm: series.feature ? `LSTM, ${series.passes} passes of ${series.sample_len}` : "LSTM",
  real: `${short(ours.n)} real series`,
  auxiliary: "auxiliary one",
  slope: `gradient of the score at ${exact ? "this sample" : `generated series ${sample + 1}`}`,
});

/**
 * The drawing; `show(shown)` draws, `open(name)` marks the part whose inside is seen,
 * `learn(which)` those that learned last.
 * @param {(name: string) => void} onopen
 */
export function diagram(onopen) {
  const wires = svg("svg", { class: "dgkit-wires", "aria-hidden": "true" });
  /** @type {Record<string, { root: HTMLButtonElement, title: HTMLElement, body: HTMLElement }>} */
  const parts = {};
  const group = { role: "group", "aria-label": "The model; a part opens its inside" };
  const root = h("div", { class: "dgkit-diagram", ...group }, wires);
  for (const [name, text] of PARTS) {
    const title = h("span", { class: "dgkit-part-title" }, text);
    const body = h("span", { class: "dgkit-part-body" });
    const knob = h(
      "button",
      {
        type: "button",
        class: `dgkit-part dgkit-part-${name}`,
        "aria-pressed": "false",
        onclick: () => onopen(name),
      },
      title,
      body,
    );
    parts[name] = { root: knob, title, body };
    root.append(knob);
  }

  const rewire = oncePerFrame(() => {
    if (!root.offsetWidth) return;
    const narrow = getComputedStyle(root).getPropertyValue("--dgkit-narrow").trim() === "1";
    /** @type {Record<string, Box>} */
    const boxes = {};
    for (const [name, { root: knob }] of Object.entries(parts)) boxes[name] = boxOf(knob);
    const drawn = (narrow ? narrowWires : wideWires)(boxes);
    const lines = drawn.flatMap(([kind, points]) => {
      const d = points.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`);
      const [[x0, y0], [x1, y1]] = points.slice(-2);
      const turned = (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI;
      const place = `translate(${x1} ${y1}) rotate(${turned})`;
      const head = { d: "M-6 -3.5L0 0L-6 3.5z", transform: place, class: `dgkit-${kind}-head` };
      return [
        svg("path", { d: d.join(""), class: `dgkit-wire dgkit-${kind}-wire` }),
        svg("path", head),
      ];
    });
    wires.replaceChildren(...lines);
  });
  const resize = new ResizeObserver(rewire);
  resize.observe(root);

  return {
    root,
    /** @param {Shown} shown */
    show(shown) {
      if (!shown.flow) return;
      const named = /** @type {Record<string, string>} */ (titles(shown));
      for (const [name, text] of PARTS) {
        const { title, body } = parts[name];
        title.textContent = named[name] ?? text;
        title.title = title.textContent;
        body.replaceChildren(...INSIDE[name](shown));
      }
    },
    /** @param {string} open */
    open(open) {
      for (const [name, { root: knob }] of Object.entries(parts)) {
        knob.setAttribute("aria-pressed", String(name === open));
      }
    },
    /** @param {string} which */
    learn(which) {
      const learning = /** @type {Record<string, string[]>} */ (LEARN)[which] ?? [];
      for (const [name, { root: knob }] of Object.entries(parts)) {
        knob.classList.toggle("dgkit-learns", learning.includes(name));
      }
    },
    /** @param {string} name */
    focus: (name) => parts[name].root.focus({ preventScroll: true }),
    destroy() {
      rewire.cancel();
      resize.disconnect();
    },
  };
}

/** @typedef {{ l: number, r: number, t: number, b: number, x: number, y: number }} Box */
/** @typedef {[kind: string, points: number[][]]} Wire */

/** @param {HTMLElement} element */
function boxOf({ offsetLeft: l, offsetTop: t, offsetWidth: w, offsetHeight: h }) {
  return { l, r: l + w, t, b: t + h, x: l + w / 2, y: t + h / 2 };
}

/**
 * A wire of straight pieces, across and down in turn, from a point to the places that follow.
 * @param {boolean} across whether the first piece is
 * @returns {(kind: string, x: number, y: number, ...to: number[]) => Wire}
 */
const wire =
  (across) =>
  (kind, x, y, ...to) => {
    const points = [[x, y]];
    for (const [k, place] of to.entries()) {
      const [x0, y0] = points[k];
      points.push((k % 2 === 0) === across ? [place, y0] : [x0, place]);
    }
    return [kind, points];
  };
const across = wire(true);
const down = wire(false);

/**
 * The whole model from left to right.
 * @param {Record<string, Box>} boxes
 * @returns {Wire[]}
 */
function wideWires({ noise, attribute, minmax, lstm, real, main, auxiliary, losses, slope }) {
  const above = lstm.t - 7;
  const below = (minmax.b + slope.t) / 2;
  const [inMain, outMain] = [main.y - 8, main.y + 12];
  const [inAuxiliary, outAuxiliary] = [auxiliary.y - 8, auxiliary.y + 12];
  const back = main.l - 22;
  return [
    // what is made
    across("made", noise.r, attribute.y, attribute.l),
    across("made", noise.r, minmax.y, minmax.l),
    down("made", noise.x, noise.t, above, lstm.x, lstm.t),
    down("made", attribute.x, attribute.b, minmax.t),
    across("made", attribute.r, attribute.y, lstm.l),
    across("made", minmax.r, minmax.y, lstm.l),
    across("made", lstm.r, inMain, main.l),
    down("made", minmax.x, minmax.b, below, main.l - 14, inAuxiliary, auxiliary.l),
    across("made", main.r, inMain, losses.l),
    across("made", auxiliary.r, inAuxiliary, losses.l),
    // real samples
    down("real", real.x, real.t, auxiliary.b),
    across("real", real.l, real.y, main.l - 7, main.y + 4, main.l),
    // gradients back
    across("slope", losses.l, outMain, main.r),
    across("slope", losses.l, outAuxiliary, auxiliary.r),
    across("slope", main.l, outMain + 4, back, slope.y, slope.r),
    across("slope", auxiliary.l, outAuxiliary, back, slope.y, slope.r),
    down("slope", lstm.x, slope.t, lstm.b),
    down("slope", minmax.x - 16, slope.t, minmax.b),
    across("slope", slope.l, slope.y, attribute.l - 12, attribute.y + 12, attribute.l),
  ];
}

/**
 * The generator above, the discriminators below.
 * @param {Record<string, Box>} boxes
 * @returns {Wire[]}
 */
function narrowWires({ noise, attribute, minmax, lstm, real, main, auxiliary, losses, slope }) {
  return [
    across("made", noise.r, noise.y, attribute.l),
    across("made", attribute.r, minmax.y, minmax.l),
    down("made", noise.x, noise.b, lstm.t),
    down("made", attribute.x, attribute.b, lstm.t),
    down("made", minmax.x, minmax.b, lstm.t),
    down("made", main.x, lstm.b, main.t),
    across("made", minmax.r, minmax.y, lstm.r + 7, auxiliary.y, auxiliary.r),
    down("made", auxiliary.x, auxiliary.b, losses.t),
    down("made", main.x, main.b, losses.t),
    across("real", real.l, real.y, main.r),
    across("real", real.r, real.y, auxiliary.l),
    down("slope", slope.x, losses.b, slope.t),
    across("slope", slope.l, slope.y, lstm.l - 7, lstm.y, lstm.l),
  ];
}
