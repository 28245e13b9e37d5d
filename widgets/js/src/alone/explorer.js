// The Explorer's answers without a kernel, as dgkit_widgets/explorer.py gives them: choices are
// completed, dims are sliced, seeds become median and range. A test holds both against each other.

import { bytes, floats, short } from "../lib/numbers.js";

/** @import { Answers } from "../alone.js" */

/**
 * @typedef {object} Place
 * @property {number[]} numbers
 * @property {string[]} texts
 * @property {string[]} told the same where values are compared
 * @property {boolean} numeric
 * @property {boolean} positive
 * @property {boolean} asks whether a logarithmic axis suits
 * @property {string} label
 */

/** @typedef {{ dims: string[], shape: number[], values: Float32Array }} Part */

/**
 * @typedef {Part & {
 *   label: string, name: string, table: boolean, bound: boolean, positive: boolean, asks: boolean,
 *   range: [number, number] | null,
 *   references: (Part & { title: string })[] }} Variable
 */

/** @typedef {Record<string, any>} Chosen places stand for values */

const LONG = 32; // as in explorer.py
const LINES = 8;

/**
 * @param {any} data
 * @returns {Answers}
 */
export function explorerAnswers({ places, variables, seed, start }) {
  /** @type {Record<string, Variable>} */
  const all = {};
  const part = (/** @type {any} */ one) => ({ ...one, values: floats(one.values) });
  for (const [name, one] of Object.entries(variables)) {
    all[name] = { ...part(one), references: one.references.map(part) };
  }
  /** @type {Chosen} */
  let chosen = start;
  const shown = () => ({ selection: chosen, frame: frameOf(chosen, all, places, seed) });
  return {
    start: shown,
    choose({ token: _, ...changes }) {
      chosen = completed(chosen, changes, all, places, seed);
      return shown();
    },
  };
}

/**
 * What was chosen with some of it changed: dims that do not go together make way.
 * @param {Chosen} old
 * @param {Record<string, any>} changes
 * @param {Record<string, Variable>} all
 * @param {Record<string, Place>} places
 * @param {string} seed
 */
function completed(old, { index, ...changes }, all, places, seed) {
  /** @type {Chosen} */
  const result = { ...old, ...changes, at: { ...old.at, ...index } };
  const own = all[result.variable].dims;
  const size = (/** @type {string} */ dim) => places[dim].texts.length;
  const loose = own.filter((dim) => dim !== seed);
  let { x, overlay } = result;
  if (overlay && overlay === x) [overlay, x] = changes.overlay ? [overlay, null] : [null, x];
  if (!own.includes(overlay)) overlay = null;
  const free = loose.filter((dim) => dim !== overlay);
  const longest = free.find((dim) => free.every((other) => size(other) <= size(dim))) ?? null;
  const isCurve = longest !== null && size(longest) > LONG && !changes.x;
  if (!loose.includes(x) || (isCurve && result.variable !== old.variable)) x = longest;
  let compare = result.compare;
  if (!overlay) compare = [];
  else if (!changes.compare && overlay !== old.overlay) compare = spreadOut(size(overlay));
  return { ...result, x, overlay, compare };
}

/**
 * At most LINES places from the first to the last of n.
 * @param {number} n
 */
function spreadOut(n) {
  const count = Math.min(n, LINES);
  const found = Array.from({ length: count }, (_, k) =>
    Math.round((k * (n - 1)) / (count - 1 || 1)),
  );
  return [...new Set(found)];
}

/**
 * @param {Chosen} chosen
 * @param {Record<string, Variable>} all
 * @param {Record<string, Place>} places
 * @param {string} seed
 */
function frameOf(chosen, all, places, seed) {
  const { variable: name, x, overlay, at } = chosen;
  const one = all[name];
  const along = x ? places[x] : null;
  const numbers = along?.numbers ?? [0];
  const order = numbers.map((_, k) => k).sort((a, b) => numbers[a] - numbers[b]);
  const seeds = one.dims.includes(seed) ? one.shape[one.dims.indexOf(seed)] : 0;
  const band = seeds > 1 && overlay !== seed;
  /** @type {number[]} */
  const lines = [];
  /** @param {Part} drawn @param {Record<string, number>} fixed */
  const add = (drawn, fixed) => {
    const ends = order.map((k) => spread(drawn, x ? { ...fixed, [x]: k } : fixed, seed));
    for (const which of [0, 1, 2]) lines.push(...ends.map((three) => three[which]));
  };
  const told = (/** @type {number} */ k) => places[overlay].told[k];
  for (const k of overlay ? chosen.compare : [null]) {
    add(one, overlay ? { ...at, [overlay]: k } : at);
  }
  for (const reference of one.references) add(reference, at);

  const possible = [!!along?.numeric && along.positive && numbers.length > 1, one.positive];
  const asks = [!!along?.asks, one.asks];
  const log = [chosen.log_x, chosen.log_y].map((wish, k) => possible[k] && (wish ?? asks[k]));
  const mine = overlay ? chosen.compare.map(told) : [band ? "median" : one.name];
  return {
    variable: name,
    label: one.label,
    x_label: along?.label ?? "",
    labels: along && !along.numeric ? along.texts : null,
    n: x ? numbers.length : 0,
    x: bytes(order.map((k) => numbers[k])),
    lines: bytes(lines),
    names: [...mine, ...one.references.map(({ title }) => title)],
    real: [...mine.map(() => false), ...one.references.map(() => true)],
    band,
    seed_dim: seed,
    seeds,
    log,
    possible,
    range: chosen.same_y ? one.range : null,
    sliders: turned(chosen, all, places, seed),
    own: one.dims,
    at,
    compare: chosen.compare,
    ...table(chosen, all, places, seed),
  };
}

/**
 * Dims with a slider: what the chart and the table need a value of.
 * @param {Chosen} chosen
 * @param {Record<string, Variable>} all
 * @param {Record<string, Place>} places
 * @param {string} seed
 */
function turned({ variable, x, overlay }, all, places, seed) {
  const chart = all[variable].dims.filter((dim) => dim !== x);
  const metrics = Object.values(all).filter((one) => one.table);
  const needed = new Set([...chart, ...metrics.flatMap(({ dims }) => dims)]);
  return Object.keys(places).filter(
    (dim) => needed.has(dim) && dim !== overlay && dim !== seed && places[dim].texts.length > 1,
  );
}

/**
 * All variables without a long dim, at the sliders' places.
 * @param {Chosen} chosen
 * @param {Record<string, Variable>} all
 * @param {Record<string, Place>} places
 * @param {string} seed
 */
function table({ overlay, compare, at }, all, places, seed) {
  const over = overlay && overlay !== seed ? overlay : null;
  /** @type {(number | null)[]} */
  const cells = over ? compare : [null];
  const told = (/** @type {number} */ value) => {
    if (Number.isNaN(value)) return null;
    return Number.isFinite(value) ? value : short(value);
  };
  const metrics = Object.values(all).filter((one) => one.table);
  const rows = metrics.map((one) => [
    one.label,
    ...cells.map((k) => spread(one, over ? { ...at, [over]: k } : at, seed).map(told)),
  ]);
  return {
    rows,
    bounds: Object.values(all)
      .filter((one) => one.bound)
      .map((one) => one.label),
    heads: over ? compare.map((/** @type {number} */ k) => places[over].told[k]) : [],
  };
}

/**
 * Median, smallest and largest over the seeds, NaN left out, at places of all other dims; at a
 * place of the seeds, its value three times.
 * @param {Part} part
 * @param {Record<string, any>} fixed
 * @param {string} seed
 */
function spread({ dims, shape, values }, fixed, seed) {
  let offset = 0;
  let stride = 1;
  let [count, step] = [1, 0];
  for (let d = dims.length - 1; d >= 0; d--) {
    if (dims[d] === seed && fixed[seed] === undefined) [count, step] = [shape[d], stride];
    else offset += fixed[dims[d]] * stride;
    stride *= shape[d];
  }
  const found = Array.from({ length: count }, (_, k) => values[offset + k * step]);
  const known = found.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  if (!known.length) return [Number.NaN, Number.NaN, Number.NaN];
  const middle = (known[(known.length - 1) >> 1] + known[known.length >> 1]) / 2;
  return [middle, known[0], known[known.length - 1]];
}
