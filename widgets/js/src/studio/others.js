// Another model in the place of DoppelGANger's drawing: its parts from left to right, and of flow
// matching the way from noise to a series, in slow motion.

import { button, h, uid } from "../lib/dom.js";
import { floats, short } from "../lib/numbers.js";
import { drawing, line, noiseBars } from "./drawings.js";

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {string} text
 * @property {"given" | "noise" | "net" | "made"} role
 * @property {number[]} [bars]
 * @property {DataView} [line]
 */

/**
 * The series (steps + 1, panels, time) between noise and t = 1, and the first one's own x at t.
 * @typedef {{ steps: number, series: DataView, points: DataView }} Way
 */

const FRAME_MS = 450;

/**
 * Its drawing; `show(name, made)` draws, `series()` are those of the step that is looked at.
 * @param {() => void} onmove called when that is another one
 */
export function otherModel(onmove) {
  /** @type {Way | null} */
  let way = null;
  let timer = 0;
  const parts = h("ol", { class: "dgkit-chain" });
  const back = h("p", { class: "dgkit-back" });
  const says = h("p", { class: "dgkit-hint" });
  const slider = h("input", { type: "range", min: 0, id: uid("way"), oninput: () => move() });
  const readout = h("output", {});
  const play = button("Slow motion", () => run(!timer), { "aria-pressed": "false" });
  const point = h("div", { class: "dgkit-point" });
  const field = h("label", { for: slider.id }, "From noise (t = 0) to series (t = 1)");
  const moving = h("div", { class: "dgkit-way" }, play, field, slider, readout, point);
  const root = h(
    "section",
    { class: "dgkit-other", hidden: true, "aria-label": "Another model" },
    parts,
    back,
    says,
    moving,
  );

  const place = () => Number(slider.value);

  /** A step further, once more from the noise after the last one. */
  function advance() {
    if (!way) return;
    const last = place() >= way.steps;
    slider.value = String(last ? 0 : place() + 1);
    draw();
    timer = place() < way.steps ? setTimeout(advance, FRAME_MS) : 0;
    if (!timer) run(false);
  }

  /** @param {boolean} on */
  function run(on) {
    clearTimeout(timer);
    timer = 0;
    play.setAttribute("aria-pressed", String(on));
    if (on) advance();
  }

  /** By hand: stops the slow motion. */
  function move() {
    run(false);
    draw();
  }

  function draw() {
    if (!way) return;
    readout.textContent = `t = ${short(Number((place() / way.steps).toFixed(2)))}`;
    const points = floats(way.points);
    const size = points.length / (way.steps + 1);
    const range = [-3.5, 3.5];
    const noise = line(points.slice(0, size), { range, className: "dgkit-start" });
    const x = line(points.slice(place() * size, (place() + 1) * size), { range });
    const label = `x at t: ${size} numbers, of which the first series is made; grey: the noise`;
    point.replaceChildren(drawing(64, label, noise, x), label);
    onmove();
  }

  return {
    root,
    /**
     * @param {string} name "" for none
     * @param {any} made
     */
    show(name, made) {
      run(false);
      root.hidden = !name;
      way = made?.way ?? null;
      moving.hidden = !way;
      if (!name) return;
      root.setAttribute("aria-label", `The model ${name}`);
      parts.replaceChildren(...made.parts.map(box));
      back.textContent = made.back ? `↺ and again: ${made.back}.` : "";
      says.textContent = made.says;
      if (!way) return;
      slider.max = String(way.steps);
      slider.value = String(way.steps);
      draw();
    },
    /** The series of the step that is looked at, of all panels; null where there is no way. */
    series() {
      if (!way) return null;
      const all = floats(way.series);
      const size = all.length / (way.steps + 1);
      return all.slice(place() * size, (place() + 1) * size);
    },
    /** Words for that step. */
    at: () => (way && place() < way.steps ? ` (on their way: ${readout.textContent})` : ""),
    destroy: () => clearTimeout(timer),
  };
}

/** @param {Part} part */
function box({ name, text, role, bars, line: values }) {
  const shown = h(
    "div",
    { class: `dgkit-box dgkit-box-${role}` },
    h("span", { class: "dgkit-part-title" }, name),
    h("span", {}, text),
  );
  if (bars) shown.append(noiseBars(bars, 40));
  if (values) shown.append(drawing(56, undefined, line(floats(values))));
  return h("li", {}, shown);
}
