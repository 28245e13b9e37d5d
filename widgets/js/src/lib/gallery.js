// Small multiples on one canvas each: many short series, redrawn in place, cheap enough for every
// frame.

import { h, oncePerFrame, taken } from "./dom.js";
import { between, extent } from "./numbers.js";
import { onTheme, theme } from "./theme.js";

/** @import { Theme } from "./theme.js" */

/**
 * With `onselect` panels are buttons, one stop for the Tab key; arrows, Home and End move among
 * them.
 * @typedef {object} GalleryOptions
 * @property {[number, number]} [panel] width and height in pixels
 * @property {(k: number) => void} [onselect] told the place of the panel
 * @property {(step: -1 | 1) => void} [onpage] called by PageUp and PageDown
 */

/**
 * What all panels share.
 * @typedef {object} Frame
 * @property {number[] | null} [range] [low, high] shared by all panels; left out, each has its own
 * @property {boolean} [log] logarithmic vertical axis, on which what is not positive is a gap
 * @property {string[]} [categories] what the numbers 0, 1, ... stand for, then drawn in steps
 */

/**
 * @typedef {object} Panels
 * @property {string} [label]
 * @property {string} [name] what panels' spoken names begin with; left out, the label
 * @property {number[][]} series NaN ends one
 * @property {string[]} [titles] one each
 * @property {"real" | number} [colour] of text, or a place in the palette
 * @property {number} [selected] the place of a panel, -1 for none
 */

/** @typedef {Panels & Frame} GalleryState */

/**
 * A row of panels that wraps; `set(state)` draws, in the next frame.
 * @param {HTMLElement} container
 * @param {GalleryOptions} [options]
 */
export function gallery(container, { panel = [150, 74], onselect, onpage } = {}) {
  const label = h("div", { class: "dgkit-gallery-label" });
  const row = h("div", { class: "dgkit-gallery", role: "list" });
  const root = h("div", {}, label, row);
  container.append(root);
  /** @type {GalleryState | null} */
  let shown = null;
  let current = 0;
  /** @type {ReturnType<typeof makeCell>[]} */
  const cells = [];

  /** @param {number} k */
  function makeCell(k) {
    const canvas = h("canvas", { "aria-hidden": "true" });
    canvas.style.width = `${panel[0]}px`;
    canvas.style.height = `${panel[1]}px`;
    const title = h("div", { class: "dgkit-panel-title" });
    const pressed = { "aria-pressed": "false", onclick: () => onselect?.(k) };
    const inner = onselect
      ? h("button", { type: "button", class: "dgkit-panel", ...pressed }, title, canvas)
      : h("div", { class: "dgkit-panel", role: "img" }, title, canvas);
    inner.style.width = `${panel[0] + 8}px`;
    return { item: h("div", { role: "listitem" }, inner), inner, canvas, title };
  }

  /** @param {number} k */
  function cell(k) {
    cells[k] ??= makeCell(k);
    return cells[k];
  }

  /**
   * Make panel k the one that the Tab key reaches.
   * @param {number} k
   * @param {boolean} focus
   */
  function rove(k, focus) {
    current = Math.max(0, Math.min(row.children.length - 1, k));
    cells.forEach(({ inner }, place) => {
      inner.tabIndex = place === current ? 0 : -1;
    });
    if (focus) cells[current]?.inner.focus();
  }

  /**
   * How far a key moves among the panels; undefined for other keys.
   * @param {string} key
   * @returns {number | undefined}
   */
  function stepOf(key) {
    const tops = Array.from(row.children, (item) => /** @type {HTMLElement} */ (item).offsetTop);
    const columns = tops.filter((top) => top === tops[0]).length;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -Infinity,
      End: Infinity,
    };
    return steps[key];
  }

  if (onselect) {
    row.addEventListener("focusin", (event) => {
      const place = cells.findIndex(({ inner }) => inner === event.target);
      rove(place, false);
    });
    row.addEventListener("keydown", (event) => {
      const step = stepOf(event.key);
      if (step !== undefined) rove(current + step, true);
      else if (event.key === "PageUp" && onpage) onpage(-1);
      else if (event.key === "PageDown" && onpage) onpage(1);
      else return;
      taken(event);
    });
  }

  const draw = oncePerFrame(() => {
    if (!shown) return;
    const { series, titles = [], colour = 0, selected, categories } = shown;
    label.textContent = shown.label ?? "";
    const colours = theme(root);
    const stroke =
      colour === "real" ? colours.fg : colours.palette[colour % colours.palette.length];
    const wanted = series.map((_, k) => cell(k));
    const focused = row.contains(document.activeElement);
    // panels that stay keep the focus
    while (row.children.length > series.length) row.lastChild?.remove();
    row.append(...wanted.slice(row.children.length).map((one) => one.item));
    if (onselect) rove(current, focused && !row.contains(document.activeElement));

    for (const [k, values] of series.entries()) {
      const { inner, canvas, title } = wanted[k];
      const ends = paint(canvas, panel, values, { stroke, colours, frame: shown });
      const text = titles[k] ?? `series ${k + 1}`;
      title.textContent = text;
      title.title = text;
      const name = `${shown.name ?? shown.label ?? ""} ${text}: ${between(ends, categories)}`;
      inner.setAttribute("aria-label", name.trim());
      if (onselect) inner.setAttribute("aria-pressed", String(selected === k));
    }
  });
  const stopTheme = onTheme(draw);
  return {
    root,
    /** @param {GalleryState} state */
    set(state) {
      shown = state;
      draw();
    },
    destroy() {
      draw.cancel();
      stopTheme();
      root.remove();
    },
  };
}

/**
 * A range whose powers of ten have a digit less: "5.04e7 to 1.00e9" becomes "5.0e7 to 1.0e9".
 * @param {string} text
 */
const shorter = (text) => text.replaceAll(/(\.\d)\de(?=\d)/g, "$1e");

/**
 * Draw one series; returns its lowest and highest value.
 * @param {HTMLCanvasElement} canvas
 * @param {[number, number]} size
 * @param {number[]} values
 * @param {{ stroke: string, colours: Theme, frame: Frame }} how
 * @returns {[number, number]}
 */
function paint(canvas, [width, height], values, { stroke, colours, frame }) {
  const { range, log, categories } = frame;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);

  // from values to pixels: a line for the text above, a little room below
  const { low, high, leastPositive } = extent(values);
  const f = log ? Math.log10 : (/** @type {number} */ v) => v;
  let [bottom, top] = (range ?? [log ? leastPositive : low, high]).map(f);
  if (!(top > bottom)) {
    bottom -= 0.5;
    top += 0.5;
  }
  const highest = 14;
  const lowest = height - 4;
  const y = (/** @type {number} */ v) =>
    lowest - ((f(v) - bottom) / (top - bottom)) * (lowest - highest);
  const x = (/** @type {number} */ t) => 2 + (t / Math.max(1, values.length - 1)) * (width - 4);
  const drawn = (/** @type {number} */ t) => t in values && Number.isFinite(f(values[t]));

  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.strokeRect(0.5, highest - 2.5, width - 1, lowest - highest + 5);

  // values outside a shared range stay in their frame
  context.save();
  context.beginPath();
  context.rect(0, highest - 3, width, lowest - highest + 6);
  context.clip();
  context.strokeStyle = stroke;
  context.fillStyle = stroke;
  context.lineWidth = 1.2;
  context.beginPath();
  for (const [t, v] of values.entries()) {
    if (!drawn(t)) continue;
    if (drawn(t - 1)) {
      if (categories) context.lineTo(x(t), y(values[t - 1]));
      context.lineTo(x(t), y(v));
    } else {
      context.moveTo(x(t), y(v));
      const alone = !drawn(t + 1);
      if (alone) context.fillRect(x(t) - 1, y(v) - 1, 3, 3);
    }
  }
  context.stroke();
  context.restore();

  context.fillStyle = colours.muted;
  context.font = "10px system-ui, sans-serif";
  const text = between([low, high], categories);
  const fits = context.measureText(text).width <= width - 4;
  context.fillText(fits ? text : shorter(text), 2, 9, width - 4);
  return [low, high];
}
