// The SeriesBrowser's answers without a kernel, as dgkit_widgets/browser.py gives them: series are
// filtered, ordered and paged here; their nearest were found by Python.

import { bytes, extent, floats } from "../lib/numbers.js";

/** @import { Answers } from "../alone.js" */

/**
 * A set of series: by feature their values, by attribute what is known, and for each what it lies
 * nearest to. Series behind `count` are neighbours only.
 * @typedef {object} Series
 * @property {string} name
 * @property {number} count
 * @property {number[]} samples positions in Python's set
 * @property {string[]} titles
 * @property {Record<string, any>} values
 * @property {Record<string, any[]>} known
 * @property {string[]} texts of attributes, by attribute
 * @property {Record<string, number[]>} mid_range
 * @property {any[]} nearest
 */

/**
 * @param {any} data
 * @returns {Answers}
 */
export function browserAnswers({ sets, steps, features, attributes, start }) {
  /** @type {Record<string, any>} */
  const now = { ...start };
  for (const set of sets) {
    for (const [name, values] of Object.entries(set.values)) set.values[name] = floats(values);
  }

  /**
   * Which of a set pass the filters.
   * @param {any} set
   * @param {string} [leftOut] a filter that does not count
   */
  function kept(set, leftOut) {
    const wanted = Object.entries(now.filters).filter(([name]) => name !== leftOut);
    const passes = (/** @type {number} */ k) =>
      wanted.every(([name, value]) => {
        const own = set.known[name][k];
        return attributes[name] ? own === value : own >= value[0] && own <= value[1];
      });
    return Array.from({ length: set.count }, (_, k) => k).filter(passes);
  }

  /** @param {any} set */
  function ordered(set) {
    const remain = kept(set);
    if (now.order === "random") return shuffled(remain, now.seed);
    const key = now.order === "length" ? set.lengths : set.mid_range[now.feature];
    if (now.order === "stored" || !key) return remain;
    return remain.sort((a, b) => key[a] - key[b]);
  }

  /**
   * @param {any} set
   * @param {number} k
   */
  const valuesOf = (set, k) => set.values[now.feature].subarray(k * steps, (k + 1) * steps);

  function frame() {
    const orders = sets.map(ordered);
    const most = Math.max(...orders.map((/** @type {number[]} */ one) => one.length));
    const pages = Math.max(1, Math.ceil(most / now.page_size));
    now.page = Math.max(0, Math.min(now.page, pages - 1));
    const from = now.page * now.page_size;
    /** @type {number[]} */
    const met = [];
    const blocks = sets.map((/** @type {any} */ set, /** @type {number} */ which) => {
      const drawn = orders[which].slice(from, from + now.page_size);
      const values = drawn.flatMap((/** @type {number} */ k) => Array.from(valuesOf(set, k)));
      for (const v of values) if (Number.isFinite(v)) met.push(v);
      return {
        remain: orders[which].length,
        first: Math.min(from, orders[which].length),
        samples: drawn.map((/** @type {number} */ k) => set.samples[k]),
        titles: drawn.map((/** @type {number} */ k) => set.titles[k]),
        values: bytes(values),
      };
    });
    const { categories, may_log } = features[now.feature];
    const shown = now.log ? met.filter((v) => v > 0) : met;
    const { low, high } = extent(shown);
    const ends = shown.length ? [low, high] : null;
    const limits = categories ? [-0.5, categories - 0.5] : ends;
    const { feature, page, page_size, order, seed, shared, log, filters } = now;
    return {
      ...{ feature, page, pages, page_size, order, seed, shared, log, filters, may_log, steps },
      sets: blocks,
      range: shared || categories ? limits : null,
      counts: counts(),
    };
  }

  /** For each category, series of each set that would remain if it were chosen. */
  function counts() {
    /** @type {Record<string, number[][]>} */
    const found = {};
    for (const [name, options] of Object.entries(attributes)) {
      if (!options) continue;
      const remain = sets.map((/** @type {any} */ set) =>
        kept(set, name).map((k) => set.known[name][k]),
      );
      found[name] = options.map((/** @type {any} */ option) =>
        remain.map((/** @type {any[]} */ own) => own.filter((one) => one === option).length),
      );
    }
    return found;
  }

  function detail() {
    if (!now.selected) return {};
    const [which, k] = now.selected;
    const { neighbours, text } = sets[which].nearest[k];
    const ones = [now.selected, ...neighbours.map((/** @type {any} */ one) => one.place)];
    const all = ones.map(([at, place]) => ({ set: sets[at], place }));
    return {
      feature: now.feature,
      set: sets[which].name,
      sample: sets[which].samples[k],
      searching: false,
      values: all.map(({ set, place }) => bytes(valuesOf(set, place))),
      attributes: Object.fromEntries(
        Object.keys(attributes).map((name) => [
          name,
          all.map(({ set, place }) => set.texts[name][place]),
        ]),
      ),
      neighbours: neighbours.map((/** @type {any} */ { place: _, ...one }) => one),
      text,
    };
  }

  return {
    start: () => ({ frame: frame() }),
    show(settings) {
      if (settings.feature) now.log = features[settings.feature].wants_log;
      if (["page_size", "order", "seed", "filters"].some((name) => name in settings)) now.page = 0;
      Object.assign(now, settings);
      return settings.feature ? { frame: frame(), detail: detail() } : { frame: frame() };
    },
    select({ set: name, sample }) {
      const which = sets.findIndex((/** @type {any} */ set) => set.name === name);
      const place = which < 0 ? -1 : sets[which].samples.indexOf(sample);
      if (which >= 0 && (place < 0 || place >= sets[which].count)) {
        throw new Error(`${name} ${sample} is not among the series that this page can select.`);
      }
      now.selected = which < 0 ? null : [which, place];
      return { detail: detail() };
    },
  };
}

/**
 * In an order that the seed decides (not NumPy's), by Fisher and Yates with mulberry32.
 * @param {number[]} items
 * @param {number} seed
 */
function shuffled(items, seed) {
  let state = seed + 0x6d2b79f5;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let k = items.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1));
    [items[k], items[other]] = [items[other], items[k]];
  }
  return items;
}
