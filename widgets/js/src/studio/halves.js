// Half steps in words.

import { short } from "../lib/numbers.js";

/**
 * The last half step, as Python reports it. A private run does not say the discriminator's loss.
 * @typedef {object} Half
 * @property {string} which
 * @property {number | null} [generator_loss]
 * @property {number | null} [generator_gradient]
 * @property {number | null} [discriminator_loss]
 * @property {number | null} [discriminator_gradient]
 * @property {number | null} [wasserstein]
 */

/** @param {Half | null | undefined} half */
export function halfStep(half) {
  if (!half) return "";
  if (half.which === "generator") {
    const { generator_loss: loss, generator_gradient: gradient } = half;
    return `Generator half step: loss ${short(loss)}, gradient norm ${short(gradient)}.`;
  }
  const { discriminator_loss: loss, discriminator_gradient: gradient, wasserstein } = half;
  const numbers =
    loss === null
      ? `gradient norm ${short(gradient)}, with its noise`
      : `loss ${short(loss)}, estimate ${short(wasserstein)}, ` +
        `gradient norm ${short(gradient)}`;
  return `Discriminator half step: ${numbers}.`;
}

/**
 * How far a training is; more steps may be taken than are asked for now.
 * @param {number} step
 * @param {number} steps
 */
export const progressText = (step, steps) =>
  step > steps
    ? `step ${short(step)}, past the ${short(steps)} set`
    : `step ${short(step)} of ${short(steps)}`;

/**
 * How many half steps of each there were that belong to no full step.
 * @param {{ discriminator?: number, generator?: number }} extra
 */
export function halfStepsApart({ discriminator, generator }) {
  const found = [];
  if (discriminator) found.push(`discriminator ${discriminator}`);
  if (generator) found.push(`generator ${generator}`);
  return found.length ? `Half steps apart: ${found.join(", ")}.` : "";
}
