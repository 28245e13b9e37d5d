// Pictures that the shared library has not: a colour map of many series, and bars of shares as a
// table.

import { h, oncePerFrame, svg } from "../lib/dom.js";
import { extent, mean, percent, short } from "../lib/numbers.js";
import { onTheme, theme } from "../lib/theme.js";

// cividis, made to look the same to colour-blind readers
const CIVIDIS = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 180, 105],
  [225, 204, 85],
  [254, 232, 56],
];

/**
 * Red, green and blue at a place of the scale.
 * @param {number} share 0 to 1; what lies outside has the colour of the end
 */
export function colour(share) {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const k = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return CIVIDIS[k].map((from, c) => Math.round(from + (CIVIDIS[k + 1][c] - from) * (at - k)));
}

/**
 * Position of a value in [low, high], 0 to 1; on a log scale what lies a million times below the
 * top is at the bottom.
 * @param {number[]} range [low, high]
 * @param {boolean} [log]
 */
export function scaler([low, high], log) {
  const floor = log ? Math.max(low, high * 1e-6, 1e-30) : low;
  const f = (/** @type {number} */ v) => (log ? Math.log10(Math.max(v, floor)) : v);
  const bottom = f(floor);
  const top = f(high);
  const share = (/** @type {number} */ v) =>
    top > bottom ? (f(v) - bottom) / (top - bottom) : 0.5;
  return { floor, share };
}

/**
 * `real` and `generated` are series of `time` steps, row behind row.
 * @typedef {object} MapState
 * @property {Float32Array} real
 * @property {Float32Array} generated
 * @property {number} time
 * @property {number[] | null} range [low, high] of the colours
 * @property {boolean} log
 * @property {string} unit
 * @property {string} feature
 */

/**
 * Rows of series as a picture, one colour scale for all; `set(state)` draws, in the next frame.
 * @param {HTMLElement} container
 */
export function colourMap(container) {
  const parts = [mapFigure("real"), mapFigure("generated")];
  const bar = h("canvas", { class: "dgkit-map-bar", "aria-hidden": "true", width: 200, height: 1 });
  const ends = [h("span"), h("span")];
  const what = h("span");
  const root = h(
    "div",
    { class: "dgkit-maps" },
    ...parts.map((part) => part.root),
    h("div", { class: "dgkit-map-scale" }, ends[0], bar, ends[1], what),
  );
  container.append(root);
  const context = /** @type {CanvasRenderingContext2D} */ (bar.getContext("2d"));
  for (let x = 0; x < 200; x++) {
    context.fillStyle = `rgb(${colour(x / 199)})`;
    context.fillRect(x, 0, 1, 1);
  }

  /** @type {MapState | null} */
  let shown = null;
  const draw = oncePerFrame(() => {
    const { time, range, log, unit, feature } = /** @type {MapState} */ (shown);
    root.hidden = !time || range?.length !== 2;
    if (root.hidden || !range) return;
    for (const part of parts) part.show(/** @type {MapState} */ (shown));
    ends[0].textContent = short(scaler(range, log).floor);
    ends[1].textContent = short(range[1]);
    what.textContent = `${feature} (${unit})${log ? ", log scale" : ""}`;
  });
  return {
    root,
    /** @param {MapState} state */
    set(state) {
      shown = state;
      draw();
    },
    destroy() {
      draw.cancel();
      root.remove();
    },
  };
}

/**
 * One picture of a colour map.
 * @param {"real" | "generated"} name
 */
function mapFigure(name) {
  const canvas = h("canvas", { role: "img", class: "dgkit-map" });
  const end = h("span", { class: "dgkit-map-end" });
  const axis = h(
    "div",
    { class: "dgkit-map-axis" },
    h("span", {}, "1"),
    h("span", {}, "time (steps)"),
    end,
  );
  const root = h("figure", {}, h("figcaption", {}, `${name}: one row a series`), canvas, axis);

  /** @param {MapState} state */
  function show({ time, range, log, unit, feature, [name]: values }) {
    const [low, high] = /** @type {number[]} */ (range);
    const count = Math.floor(values.length / time);
    root.hidden = !count;
    if (!count) return;
    const { floor, share } = scaler([low, high], log);
    canvas.width = time;
    canvas.height = count;
    const image = new ImageData(time, count);
    for (let k = 0; k < count * time; k++) {
      if (Number.isFinite(values[k])) image.data.set([...colour(share(values[k])), 255], 4 * k);
    }
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.putImageData(image, 0, 0);
    end.textContent = String(time);
    canvas.setAttribute(
      "aria-label",
      `${name}: ${count} series of ${feature} as rows of colour, ` +
        `from ${short(floor)} to ${short(high)} ${unit}`,
    );
  }
  return { root, show };
}

/**
 * @typedef {{ name: string, labels: string[], shares: number[] }} Shares of one attribute's values
 */

/** @typedef {{ real: Shares[], generated: Shares[] }} SharesState */

/**
 * Shares of each attribute's values, real beside generated; `set(state)` draws, in the next frame.
 * @param {HTMLElement} container
 */
export function shareTables(container) {
  const root = h("div", { class: "dgkit-shares" });
  container.append(root);
  let shape = "";
  /**
   * @type {{ fill: HTMLElement, text: HTMLElement }[][][]} bars and texts: by table, row, real or
   * generated
   */
  let cells = [];
  /** @type {SharesState | null} */
  let shown = null;

  /** @param {Shares} table */
  function build({ name, labels }) {
    const made = labels.map((label) => {
      const pair = ["real", "generated"].map((who) => ({
        fill: h("div", { class: `dgkit-share dgkit-share-${who}` }),
        text: h("span"),
      }));
      const row = h("tr", {}, h("th", { scope: "row", title: label }, label));
      for (const { fill, text } of pair) {
        row.append(h("td", {}, h("div", { class: "dgkit-share-track" }, fill), text));
      }
      return { pair, row };
    });
    const heads = ["value", "real", "generated"].map((text) => h("th", { scope: "col" }, text));
    const table = h(
      "table",
      {},
      h("caption", {}, `${name}: share of samples (%)`),
      h("thead", {}, h("tr", {}, ...heads)),
      h("tbody", {}, ...made.map(({ row }) => row)),
    );
    return { table, pairs: made.map(({ pair }) => pair) };
  }

  const draw = oncePerFrame(() => {
    if (!shown) return;
    const { real, generated } = shown;
    const now = JSON.stringify(real.map(({ name, labels }) => [name, labels]));
    if (now !== shape) {
      const made = real.map(build);
      cells = made.map(({ pairs }) => pairs);
      root.replaceChildren(...made.map(({ table }) => table));
    }
    shape = now;
    const { fg, palette } = theme(root);
    for (const [t, { shares }] of real.entries()) {
      for (const [row, share] of shares.entries()) {
        const both = [share, generated[t]?.shares[row] ?? 0];
        cells[t][row].forEach(({ fill, text }, who) => {
          fill.style.width = `${100 * both[who]}%`;
          fill.style.background = who === 0 ? fg : palette[0];
          text.textContent = percent(both[who]);
        });
      }
    }
  });
  const stopTheme = onTheme(draw);
  return {
    root,
    /** @param {SharesState} state */
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
 * Bars of a few signed numbers, with the numbers: for a vector of noise.
 * @param {number[]} values
 * @param {string} label
 */
export function vector(values, label) {
  const most = Math.max(1, ...values.map(Math.abs));
  const bars = values.map((v) => {
    const bar = h("div", { class: "dgkit-vector-bar" });
    bar.style.height = `${(50 * Math.abs(v)) / most}%`;
    bar.style.setProperty(v < 0 ? "top" : "bottom", "50%");
    const track = h("div", { class: "dgkit-vector-track" }, bar);
    return h("div", { class: "dgkit-vector-cell" }, track, h("span", {}, v.toFixed(2)));
  });
  return h(
    "div",
    { class: "dgkit-vector" },
    h("div", { class: "dgkit-hint" }, label),
    h("div", { class: "dgkit-vector-bars" }, ...bars),
  );
}

/**
 * Two rows of dots on one axis: a critic's scores of real and generated samples.
 * @param {Element} container where it will stand, for its colours
 * @param {string} title
 * @param {number[]} real
 * @param {number[]} fake
 */
export function strip(container, title, real, fake) {
  const { fg, muted, palette } = theme(container);
  const width = 420;
  const left = 78;
  const right = width - 20;
  const { low, high } = extent([...real, ...fake]);
  const x = (/** @type {number} */ v) => left + ((v - low) / (high - low || 1)) * (right - left);

  const picture = svg("svg", {
    viewBox: `0 0 ${width} 92`,
    role: "img",
    class: "dgkit-strip",
    "aria-label":
      `${title}: mean score ${short(mean(real))} for real, ${short(mean(fake))} for generated ` +
      `samples; from ${short(low)} to ${short(high)}`,
  });
  /**
   * @param {string} name
   * @param {number[]} values
   * @param {number} y
   * @param {string} stroke
   */
  const addRow = (name, values, y, stroke) => {
    const dots = values.map((v, k) => {
      const cy = y + ((k % 5) - 2) * 2;
      return svg("circle", { cx: x(v), cy, r: 2.4, fill: stroke, "fill-opacity": 0.45 });
    });
    const middle = { x1: x(mean(values)), x2: x(mean(values)) };
    picture.append(
      svg("text", { x: 0, y: y + 4, fill: fg, "font-size": 12 }, name),
      ...dots,
      svg("line", { ...middle, y1: y - 10, y2: y + 10, stroke, "stroke-width": 2.5 }),
    );
  };
  addRow("real", real, 20, fg);
  addRow("generated", fake, 46, palette[0]);

  const under = { y: 80, fill: fg, "font-size": 11, "text-anchor": "middle" };
  const label = "score D(x), dimensionless; line: mean";
  picture.append(
    svg("line", { x1: left, x2: right, y1: 64, y2: 64, stroke: muted }),
    svg("text", { x: left, ...under }, short(low)),
    svg("text", { x: right, ...under }, short(high)),
    svg("text", { x: (left + right) / 2, ...under }, label),
  );
  return h("figure", {}, h("figcaption", {}, title), picture);
}
