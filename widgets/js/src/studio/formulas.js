// The losses of a batch as sums with their numbers. No DOM here.

import { mean, minus } from "../lib/numbers.js";

/**
 * Scores that a discriminator gives, and what comes of them.
 * @typedef {object} Judged
 * @property {number[]} real
 * @property {number[]} fake
 * @property {number | null} wasserstein
 * @property {number | null} penalty
 * @property {number} weight of the penalty
 * @property {number | null} loss
 * @property {number | null} generator_loss
 */

/**
 * @typedef {object} Losses
 * @property {{ main: Judged, auxiliary?: Judged }} judged
 * @property {number | null} generator_loss
 * @property {number} auxiliary_weight
 */

/**
 * Three digits after the point, with a minus sign; a dash where there is no number.
 * @param {number | null} v
 */
export const fixed = (v) => (v === null ? "–" : minus(v.toFixed(3)));

/**
 * The losses as sums with their numbers.
 * @param {Losses} walk
 */
export function formulas({ judged: { main, auxiliary }, generator_loss, auxiliary_weight }) {
  const rows = discriminatorFormulas("discriminator", main);
  let generator = `−mean D(generated) = ${fixed(main.generator_loss)}`;
  if (auxiliary) {
    rows.push(...discriminatorFormulas("auxiliary discriminator", auxiliary));
    generator +=
      `; with the auxiliary one's ${auxiliary_weight} × (${fixed(auxiliary.generator_loss)})` +
      ` = ${fixed(generator_loss)}`;
  }
  return [...rows, ["loss, generator", generator]];
}

/**
 * @param {string} name
 * @param {Judged} judged
 */
function discriminatorFormulas(name, { real, fake, wasserstein, weight, penalty, loss }) {
  const estimate =
    `mean D(real) − mean D(generated) = ${fixed(mean(real))} − (${fixed(mean(fake))})` +
    ` = ${fixed(wasserstein)}`;
  const sum =
    `${weight} × penalty − estimate = ${weight} × ${fixed(penalty)} − (${fixed(wasserstein)})` +
    ` = ${fixed(loss)}`;
  return [
    [`Wasserstein estimate, ${name}`, estimate],
    [`loss, ${name}`, sum],
  ];
}
