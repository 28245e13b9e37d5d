// Level and amplitude of many series as points, real and generated, and where the discriminators
// push.

import { tick, withAlpha } from "../lib/axes.js";
import { h, oncePerFrame } from "../lib/dom.js";
import { extent, floats, rows, short } from "../lib/numbers.js";
import { onTheme, theme } from "../lib/theme.js";

const EDGE = { left: 48, right: 8, top: 20, bottom: 30 };

/** A picture of two clouds; `set(ours, made)` draws, in the next frame. */
export function cloud() {
  const canvas = h("canvas", { role: "img", class: "dgkit-cloud" });
  const root = h("div", { class: "dgkit-cloud-place" }, canvas);
  /** @type {any} */
  let ours = null;
  /** @type {any} */
  let made = null;

  const draw = oncePerFrame(() => {
    root.hidden = !ours?.feature;
    if (root.hidden || !made || !root.clientWidth) return;
    const real = rows(floats(ours.cloud), 2);
    const fake = rows(floats(made.cloud), 2);
    const tips = rows(floats(made.pushed), 2);
    const names = axisNames(ours);
    canvas.setAttribute("aria-label", inWords(names, real, fake));
    canvas.title = names.join("; ");
    paint(canvas, root, { real, fake, tips, names, log: ours.log_values });
  });
  const resize = new ResizeObserver(draw);
  resize.observe(root);
  const stopTheme = onTheme(draw);
  return {
    root,
    /**
     * @param {any} reference
     * @param {any} picture
     */
    set(reference, picture) {
      ours = reference;
      made = picture;
      draw();
    },
    destroy() {
      draw.cancel();
      resize.disconnect();
      stopTheme();
    },
  };
}

/** @param {{ unit: string, log_values: boolean }} ours */
function axisNames({ unit, log_values: log }) {
  const of = unit === "1" ? "" : ` (${unit})`;
  return [`level: mid-range${of}`, log ? "swing: half-range / level" : `half-range${of}`];
}

/**
 * @param {string[]} names
 * @param {number[][]} real
 * @param {number[][]} fake
 */
function inWords(names, real, fake) {
  const middle = (/** @type {number[][]} */ points, /** @type {number} */ axis) => {
    const values = points.map((point) => point[axis]).filter(Number.isFinite);
    return short(values.sort((a, b) => a - b)[Math.floor(values.length / 2)]);
  };
  const of = (/** @type {number} */ axis) =>
    `${names[axis]}: median ${middle(real, axis)} of real series, ` +
    `${middle(fake, axis)} of generated ones`;
  return `Cloud of ${real.length} real and ${fake.length} generated series. ${of(0)}. ${of(1)}.`;
}

/**
 * The ends of an axis: the real points' and a quarter more, so that it stands still.
 * @param {number[][]} points
 * @param {number} axis
 * @param {boolean} log
 */
function axisEnds(points, axis, log) {
  const values = points.map((point) => point[axis]);
  const { low, high, leastPositive } = extent(values);
  if (log) {
    const room = (high / leastPositive) ** 0.2 || 2;
    return [leastPositive / room, high * room];
  }
  const room = 0.15 * (high - low) || 1;
  return [Math.max(low - room, low >= 0 ? Math.min(0, low) : -Infinity), high + room];
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLElement} root
 * @param {{ real: number[][], fake: number[][], tips: number[][], names: string[], log: boolean }}
 * shown
 */
function paint(canvas, root, { real, fake, tips, names, log }) {
  const width = root.clientWidth;
  const height = root.clientHeight;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const { fg, muted, grid, palette } = theme(root);
  const [left, right] = [EDGE.left, width - EDGE.right];
  const [top, bottom] = [EDGE.top, height - EDGE.bottom];

  // axes, on which the real points stand still
  const xs = axisEnds(real, 0, log);
  const ys = log ? [0, 1.03] : axisEnds(real, 1, false);
  const share = (/** @type {number} */ v, /** @type {number[]} */ [low, high], asLog = false) => {
    const f = (/** @type {number} */ one) => (asLog ? Math.log(Math.max(one, low * 1e-3)) : one);
    return Math.min(1, Math.max(0, (f(v) - f(low)) / (f(high) - f(low))));
  };
  const x = (/** @type {number} */ v) => left + share(v, xs, log) * (right - left);
  const y = (/** @type {number} */ v) => bottom - share(v, ys) * (bottom - top);
  context.strokeStyle = grid;
  context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
  context.fillStyle = fg;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  let end = right;
  /** @type {[string, string][]} */
  const legend = [
    ["→ a better score", palette[1]],
    ["× generated", palette[0]],
    ["● real", fg],
  ];
  for (const [text, colour] of tips.length ? legend : legend.slice(1)) {
    context.fillStyle = colour;
    context.fillText(text, end, 12);
    end -= context.measureText(text).width + 8;
  }
  context.fillStyle = fg;
  context.textAlign = "center";
  context.save();
  context.translate(11, (top + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(names[1], 0, 0);
  context.restore();
  context.fillText(names[0], (left + right) / 2, height - 3);
  context.fillStyle = muted;
  context.font = "10px system-ui, sans-serif";
  for (const v of ticks(xs, log)) {
    context.fillText(tick(v), x(v), bottom + 12);
    context.fillRect(x(v), bottom, 1, 3);
  }
  context.textAlign = "right";
  for (const v of ticks(ys, false)) {
    context.fillText(tick(v), left - 5, y(v) + 3);
    context.fillRect(left - 3, y(v), 3, 1);
  }

  // real points as dots, generated ones as crosses, which also without colour are apart
  context.fillStyle = withAlpha(fg, 0.45);
  for (const point of real) {
    if (!point.every(Number.isFinite)) continue;
    context.beginPath();
    context.arc(x(point[0]), y(point[1]), 2, 0, 7);
    context.fill();
  }
  context.lineWidth = 1.3;
  context.strokeStyle = withAlpha(palette[0], 0.85);
  context.beginPath();
  for (const point of fake) {
    if (!point.every(Number.isFinite)) continue;
    const [a, b] = [x(point[0]), y(point[1])];
    context.moveTo(a - 2.5, b - 2.5);
    context.lineTo(a + 2.5, b + 2.5);
    context.moveTo(a - 2.5, b + 2.5);
    context.lineTo(a + 2.5, b - 2.5);
  }
  context.stroke();
  context.strokeStyle = palette[1];
  context.fillStyle = palette[1];
  for (const [k, tip] of tips.entries()) {
    if ([...fake[k], ...tip].every(Number.isFinite)) {
      arrow(context, [x(fake[k][0]), y(fake[k][1])], [x(tip[0]), y(tip[1])]);
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} from
 * @param {number[]} to
 */
function arrow(context, [x0, y0], [x1, y1]) {
  const long = Math.hypot(x1 - x0, y1 - y0);
  if (long < 2) return;
  const [u, v] = [(x1 - x0) / long, (y1 - y0) / long];
  const head = Math.min(5, long / 2);
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x1 - head * u - 0.6 * head * v, y1 - head * v + 0.6 * head * u);
  context.lineTo(x1 - head * u + 0.6 * head * v, y1 - head * v - 0.6 * head * u);
  context.fill();
}

/**
 * Two to five round numbers of an axis.
 * @param {number[]} ends
 * @param {boolean} log
 */
function ticks([low, high], log) {
  if (log) {
    const powers = Math.floor(Math.log10(high)) - Math.ceil(Math.log10(low));
    const each = Math.max(1, Math.ceil(powers / 3));
    const first = Math.ceil(Math.log10(low));
    return Array.from(
      { length: Math.floor(powers / each) + 1 },
      (_, k) => 10 ** (first + k * each),
    );
  }
  const rough = (high - low) / 3;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 5, 10].find((m) => m * unit >= rough) ?? 10);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push(v);
  return found;
}
