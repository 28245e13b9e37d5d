// The rule that keeps drawn shares at a sum of one, as in painter.py, so that a drag moves at once.
// No DOM here.

import { sum } from "../lib/numbers.js";

/** @typedef {Map<number, number>} Wishes the share wanted at a place */

/**
 * The weights in proportion, summing to `total`; equal parts where all are 0.
 * @param {number[]} weights
 * @param {number} total
 */
function scaled(weights, total) {
  const size = sum(weights);
  return weights.map((w) => (size > 0 ? (w / size) * total : total / weights.length));
}

/**
 * Set some shares; the others scale in proportion, so that all sum to `total`.
 *
 * Wishes for less than the locked ones leave come true. Those for more, or for all that is not
 * locked, are taken as proportions of what is free, and the others become 0.
 * @param {number[]} shares
 * @param {Wishes} wishes those for locked places are passed over
 * @param {boolean[]} locked
 * @param {number} [total]
 */
export function paint(shares, wishes, locked, total = 1) {
  const result = shares.slice();
  /**
   * @param {number[]} places
   * @param {number[]} values
   */
  const put = (places, values) => {
    places.forEach((k, i) => {
      result[k] = values[i];
    });
  };
  const chosen = [...wishes].filter(([k]) => !locked[k]);
  if (!chosen.length) return result;
  const free = Math.max(0, total - sum(shares.filter((_, k) => locked[k])));
  const wanted = chosen.map(([, wish]) => Math.min(free, Math.max(0, wish)));
  const others = [...shares.keys()].filter((k) => !locked[k] && !wishes.has(k));
  const rest = free - sum(wanted);
  const fits = rest >= 0 && others.length > 0;
  put(
    chosen.map(([k]) => k),
    fits ? wanted : scaled(wanted, free),
  );
  const weights = others.map((k) => shares[k]);
  put(others, fits ? scaled(weights, rest) : weights.fill(0));
  return result;
}

/**
 * Set some totals of a table's rows or columns; the cells within each keep their proportions.
 * @param {number[]} shares of all cells
 * @param {number[][]} groups the places of each row's, or column's, cells
 * @param {Wishes} wishes the total wanted of a group
 * @param {boolean[]} locked cells that stay as they are
 */
export function paintTotals(shares, groups, wishes, locked) {
  const loose = groups.map((group) => group.filter((k) => !locked[k]));
  const total = (/** @type {number[]} */ places) => sum(places.map((k) => shares[k]));
  const fixed = groups.map((group) => total(group.filter((k) => locked[k])));
  const wanted = new Map([...wishes].map(([g, wish]) => [g, Math.max(0, wish - fixed[g])]));
  const full = loose.map((group) => !group.length);
  const totals = paint(loose.map(total), wanted, full, Math.max(0, 1 - sum(fixed)));
  const result = shares.slice();
  loose.forEach((group, g) => {
    const weights = group.map((k) => shares[k]);
    scaled(weights, totals[g]).forEach((share, i) => {
      result[group[i]] = share;
    });
  });
  return result;
}
