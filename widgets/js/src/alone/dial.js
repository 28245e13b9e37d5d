// The PrivacyDial's answers without a kernel: those that Python gave at every place of three
// sliders, looked up. No arithmetic of privacy here either.

import { written } from "../lib/numbers.js";

/** @import { Answers } from "../alone.js" */

const SLIDERS = ["noise_multiplier", "epochs", "batch_size"];

/**
 * @param {any} data
 * @returns {Answers}
 */
export function dialAnswers({ grids, parts, answers, start, measure: first }) {
  const places = { ...start };
  /** @type {number | null} */
  let target = null;
  let measure = first;
  /** @type {Record<string, number>[]} */
  const past = [];
  let stroke = "";

  /** @param {Record<string, number>} at */
  const known = (at) => answers[SLIDERS.map((name) => at[name]).join()];
  /** A trait of which each field is one of the parts, since most are the same at many places. */
  const whole = (/** @type {Record<string, number>} */ fields) =>
    Object.fromEntries(Object.entries(fields).map(([name, k]) => [name, parts[k]]));
  const settings = (/** @type {Record<string, number>} */ at) => ({
    ...whole(known(at).settings),
    target,
  });
  const shown = () => {
    const { record, beside, frame } = known(places);
    const drawn = whole(frame);
    if (target !== null && drawn.n) drawn.lines = [...drawn.lines, [`target ${target}`, target]];
    return {
      settings: settings(places),
      frame: drawn,
      record: whole(record),
      beside: whole(beside[measure] ?? {}),
      can_undo: past.length > 0,
    };
  };

  /**
   * @param {string} name
   * @param {any} value
   */
  function placeOf(name, value) {
    const place = grids[name].indexOf(value);
    if (place >= 0) return place;
    const all = grids[name].map(written).join(", ");
    throw new Error(`This page has ${name} ${all}; with a kernel there is any value.`);
  }

  /** @param {Record<string, number>} changes */
  function move(changes) {
    past.push({ ...places });
    Object.assign(places, changes);
    return shown();
  }
  return {
    start: shown,
    change({ stroke: now, token: _, ...wanted }) {
      const changes = Object.fromEntries(
        Object.entries(wanted).map(([name, value]) => [name, placeOf(name, value)]),
      );
      if (now && now === stroke) Object.assign(places, past.pop());
      stroke = now ?? "";
      return move(changes);
    },
    /** The least noise of the page with which epsilon is within the target. */
    solve({ target: wanted }) {
      if (!(wanted > 0)) throw new Error(`target=${wanted} must be a number above 0.`);
      const enough = grids.noise_multiplier.findIndex(
        (/** @type {number} */ _, /** @type {number} */ k) => {
          const { at, n } = whole(known({ ...places, noise_multiplier: k }).frame);
          return n > 0 && at[1] !== null && at[1] <= wanted;
        },
      );
      if (enough < 0) throw new Error(`No noise of this page keeps epsilon within ${wanted}.`);
      target = wanted;
      return move({ noise_multiplier: enough });
    },
    undo() {
      Object.assign(places, past.pop());
      return shown();
    },
    reset() {
      target = null;
      return move(start);
    },
    look({ measure: wanted }) {
      measure = wanted;
      return shown();
    },
  };
}
