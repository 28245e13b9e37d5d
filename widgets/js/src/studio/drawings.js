// Small drawings in SVG: bars, a strip of scores, a series and the slopes on it. They stretch with
// their place, and their colours are the style sheet's, so that a change of theme needs no drawing.

import { h, svg } from "../lib/dom.js";
import { extent, mean } from "../lib/numbers.js";

/** @typedef {(number | null)[] | Float32Array} Values */

/**
 * An empty drawing, as wide as its place.
 * @param {number} height
 * @param {string} [label] what it shows, in words; left out, it is decoration beside a text
 * @param {...Node} children
 */
export function drawing(height, label, ...children) {
  const spoken = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return svg("svg", { class: "dgkit-drawing", height, ...spoken }, ...children);
}

const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(2)}%`;

/**
 * A function from values to shares of the height, from 0 at the top.
 * @param {number[]} range [low, high]
 * @param {boolean} [log]
 */
export function downwards([low, high], log) {
  const floor = log ? Math.max(low, high * 1e-6, 1e-30) : low;
  const f = (/** @type {number} */ v) => (log ? Math.log10(Math.max(v, floor)) : v);
  const span = f(high) - f(floor);
  return (/** @type {number} */ v) => (span > 0 ? (f(high) - f(v)) / span : 0.5);
}

/**
 * A line through values that fills a nested drawing; gaps where there is no number.
 * @param {Values} values
 * @param {{ range?: number[], log?: boolean, className?: string, most?: number }} [how] `most`: so
 * many values are the whole width
 */
export function line(values, { range, log, className = "dgkit-made", most } = {}) {
  const { low, high } = extent(values);
  const y = downwards(range ?? [low, high], log);
  const last = Math.max(1, (most ?? values.length) - 1);
  let path = "";
  let pen = "M";
  for (const [k, v] of Array.from(values).entries()) {
    if (v === null || !Number.isFinite(v)) {
      pen = "M";
      continue;
    }
    const across = ((100 * k) / last).toFixed(2);
    path += `${pen}${across} ${(100 * Math.min(1, Math.max(0, y(v)))).toFixed(2)}`;
    pen = "L";
  }
  const fill = { viewBox: "-1 -4 102 108", preserveAspectRatio: "none" };
  const all = { width: "100%", height: "100%" };
  const stroke = { class: `dgkit-line ${className}`, "vector-effect": "non-scaling-stroke" };
  return svg("svg", { ...fill, ...all }, svg("path", { d: path, ...stroke }));
}

/**
 * Bars up and down of a few signed numbers.
 * @param {number[]} values
 * @param {number} height
 */
export function noiseBars(values, height) {
  const most = Math.max(2, ...values.map(Math.abs));
  const wide = 1 / Math.max(1, values.length);
  const bars = values.map((v, k) => {
    const tall = (0.5 * Math.abs(v)) / most;
    const place = { x: percent((k + 0.2) * wide), width: percent(0.6 * wide) };
    const up = { y: percent(v > 0 ? 0.5 - tall : 0.5), height: percent(tall) };
    return svg("rect", { class: "dgkit-made", ...place, ...up });
  });
  const zero = { x1: 0, x2: "100%", y1: "50%", y2: "50%", class: "dgkit-axis" };
  return drawing(height, undefined, svg("line", zero), ...bars);
}

/**
 * Bars of probabilities, the chosen one strong.
 * @param {number[]} shares
 * @param {number} chosen
 * @param {number} height
 */
export function shareBars(shares, chosen, height) {
  const wide = 1 / Math.max(4, shares.length);
  const bars = shares.map((share, k) => {
    const place = { x: percent((k + 0.1) * wide), width: percent(0.8 * wide) };
    const up = { y: percent(0.97 * (1 - share)), height: percent(0.03 + 0.97 * share) };
    const look = `dgkit-made${k === chosen ? "" : " dgkit-faint"}`;
    return svg("rect", { class: look, ...place, ...up });
  });
  return drawing(height, undefined, ...bars);
}

/**
 * Where a range lies within all that is possible.
 * @param {number[]} range
 * @param {number[]} whole
 * @param {boolean} log
 * @param {number} height
 */
export function levelBar(range, whole, log, height) {
  const y = downwards(whole, log);
  const at = (/** @type {number} */ v) => Math.min(1, Math.max(0, 1 - y(v)));
  const [low, high] = range.map(at);
  const axis = { x1: 0, x2: "100%", y1: "50%", y2: "50%", class: "dgkit-axis" };
  const bar = { x: percent(low), width: percent(Math.max(0.01, high - low)) };
  const box = svg("rect", { ...bar, y: "20%", height: "60%", class: "dgkit-made" });
  return drawing(height, undefined, svg("line", axis), box);
}

/**
 * Two rows of dots on one axis, with their means: a critic's scores of real and generated samples.
 * @param {number[]} real none in a private run
 * @param {number[]} fake
 * @param {number} height
 * @param {string} [label]
 */
export function strip(real, fake, height, label) {
  const { low, high } = extent([...real, ...fake]);
  const x = (/** @type {number} */ v) => percent(0.02 + (0.96 * (v - low)) / (high - low || 1));
  const parts = [];
  /** @type {[number[], string, number][]} */
  const drawn = [
    [real, "dgkit-real", 0.28],
    [fake, "dgkit-made", 0.72],
  ];
  for (const [values, look, middle] of drawn) {
    if (!values.length) continue;
    for (const [k, v] of values.entries()) {
      const cy = percent(middle + ((k % 5) - 2) * 0.05);
      parts.push(svg("circle", { cx: x(v), cy, r: 1.8, class: `${look} dgkit-dotted` }));
    }
    const at = { x1: x(mean(values)), x2: x(mean(values)) };
    const tall = { y1: percent(middle - 0.25), y2: percent(middle + 0.25) };
    parts.push(svg("line", { ...at, ...tall, class: `${look} dgkit-mean` }));
  }
  return drawing(height, label, ...parts);
}

/**
 * A series with what would raise the score at each step: a stroke up where higher, down where
 * lower. More than `most` steps are gathered, neighbours together.
 * @param {Values} values
 * @param {number[]} slopes
 * @param {{ range: number[], height: number, most: number, label?: string }} how
 */
export function slopes(values, slopes, { range, height, most, label }) {
  const y = downwards(range);
  const length = Array.from(values).filter((v) => v !== null && Number.isFinite(v)).length;
  const each = Math.ceil(length / most) || 1;
  const strongest = Math.max(1e-12, ...slopes.slice(0, length).map(Math.abs));
  const marks = [];
  for (let from = 0; from < length; from += each) {
    const part = slopes.slice(from, Math.min(length, from + each));
    const slope = mean(part) / strongest;
    const step = from + (part.length - 1) / 2;
    const across = percent((1 + (100 * step) / Math.max(1, values.length - 1)) / 102);
    const down = (4 + 100 * y(values[Math.round(step)] ?? 0)) / 108;
    const tip = Math.min(1, Math.max(0, down - 0.4 * slope));
    const ends = { x1: across, x2: across, y1: percent(down), y2: percent(tip) };
    marks.push(svg("line", { ...ends, class: "dgkit-slope" }));
    if (Math.abs(slope) < 0.12) continue;
    const head = svg("path", { d: slope > 0 ? "M-2.5 4L0 0L2.5 4z" : "M-2.5 -4L0 0L2.5 -4z" });
    head.setAttribute("class", "dgkit-slope-head");
    marks.push(svg("svg", { x: across, y: percent(tip), overflow: "visible" }, head));
  }
  return drawing(height, label, line(values, { range }), ...marks);
}

/**
 * Names with their values, below one another.
 * @param {string[][]} list
 * @param {string} [more] a further class
 */
export function definitions(list, more = "") {
  const pairs = list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return h("dl", { class: `dgkit-numbers ${more}`.trim() }, ...pairs);
}
