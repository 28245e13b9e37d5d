// What a line chart computes before it draws: data for uPlot, ranges, ticks, readings as text. No
// DOM here.

import uPlot from "uplot";
import { extent, short } from "./numbers.js";

/**
 * One line of a chart. `y` has null (or NaN) for gaps.
 * @typedef {object} Series
 * @property {string} name
 * @property {ArrayLike<number | null>} y
 * @property {boolean} [real] drawn in the colour of text, solid
 * @property {number} [colour] its place in the palette; left out, the next one
 * @property {[ArrayLike<number>, ArrayLike<number>] | null} [band] its lower and upper edge
 * @property {number} [width] of the stroke
 * @property {boolean} [points] shows its points (a dot in the legend)
 * @property {boolean} [joined] is drawn through gaps, from point to point
 * @property {boolean} [apart] stands at each x by itself, its band an upright bar: their order says
 * nothing
 * @property {boolean} [mark] is there for comparison, such as a level: its values need not be read
 * out
 */

/**
 * What a chart shows: `x` ascending; `range` and `xRange` fix the [low, high] of the axes.
 * @typedef {object} ChartState
 * @property {ArrayLike<number>} x
 * @property {Series[]} series
 * @property {number[] | null} [range] vertical
 * @property {number[] | null} [xRange] horizontal
 */

/**
 * @typedef {object} Axis
 * @property {string} label
 * @property {boolean} [log]
 * @property {boolean} [up] numbers are bounds: they are rounded up
 * @property {string[]} [labels] texts for x = 0, 1, ...
 * @property {number[]} [range] fixed [low, high] of a vertical axis
 * @property {string[]} [categories] what y = 0, 1, ... stand for, drawn in steps
 */

/** @typedef {(value: number | null) => string} Text */

/**
 * uPlot's columns: x, then y of each line with its band's two edges; null where nothing is to be
 * drawn.
 * @param {ChartState} state
 * @param {boolean} [log] the vertical axis is logarithmic, so that what is not positive is a gap
 * @returns {(number | null)[][]}
 */
export function columns({ x, series }, log) {
  /** @param {ArrayLike<number | null>} values */
  const clean = (values) =>
    Array.from(values, (v) => {
      const drawn = v !== null && Number.isFinite(v) && !(log && v <= 0);
      return drawn ? v : null;
    });
  const lines = series.flatMap(({ y, band, apart }) => [y, ...((!apart && band) || [])]);
  return [Array.from(x), ...lines.map(clean)];
}

/**
 * Whether a line is seen: two values side by side, or points joined through gaps.
 * @param {Series} series
 */
export function isJoined({ y, apart, joined, points }) {
  if (!points && !apart) return true;
  const known = Array.from(y, (v) => v !== null && Number.isFinite(v));
  const pair = joined
    ? known.filter(Boolean).length > 1
    : known.some((is, k) => is && known[k + 1]);
  return !apart && pair;
}

/**
 * The horizontal [low, high]: the fixed one where that can be used, else the data's ends.
 * @param {number[] | null | undefined} fixed
 * @param {number | null} low null where there are no data
 * @param {number} high
 * @param {boolean} [log]
 * @returns {uPlot.Range.MinMax}
 */
export function xRange(fixed, low, high, log) {
  if (isRange(fixed)) return fixed;
  if (low === null) return [log ? 0.1 : 0, 1];
  if (log) return uPlot.rangeLog(low, high, 10, true);
  return low === high ? [low - 0.5, low + 0.5] : [low, high];
}

/**
 * The vertical [low, high]: of categories, the fixed one where that can be used, else a little more
 * than the data's.
 * @param {number[] | null | undefined} fixed
 * @param {number | null} low null where there are no data
 * @param {number} high
 * @param {Axis} axis
 * @returns {uPlot.Range.MinMax}
 */
export function yRange(fixed, low, high, { log, categories }) {
  if (categories) return [-0.5, categories.length - 0.5];
  if (isRange(fixed)) return fixed;
  if (low === null) return [log ? 0.1 : 0, 1];
  return log ? uPlot.rangeLog(low, high, 10, true) : uPlot.rangeNum(low, high, 0.1, true);
}

/**
 * @param {number[] | null | undefined} range
 * @returns {range is [number, number]}
 */
function isRange(range) {
  return range?.length === 2 && range.every(Number.isFinite) && range[1] > range[0];
}

/**
 * A little room above and below, in the axis' own scale.
 * @param {number[]} range [low, high]
 * @param {boolean} [log]
 * @returns {[number, number]}
 */
export function padded([low, high], log) {
  if (log) {
    const room = (high / low) ** 0.05 || 1.1;
    return low === high ? [low / 2, high * 2] : [low / room, high * room];
  }
  const room = (high - low) * 0.05 || Math.abs(low) * 0.1 || 0.5;
  return [low - room, high + room];
}

/**
 * The text of a number at an axis.
 * @param {number} value
 */
export function tick(value) {
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(6));
  const far = size >= 1e5 || (size !== 0 && size < 1e-3);
  return far ? rounded.toExponential().replace("e+", "e") : String(rounded);
}

/**
 * Ticks of a logarithmic axis: 1, 2, ... 9 times each power of ten in view.
 * @param {number} low
 * @param {number} high
 */
export function decades(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (let digit = 1; digit < 10; digit++) ticks.push(Number(`${digit}e${power}`));
  }
  return ticks.filter((v) => v >= low && v <= high);
}

/**
 * Which ticks of a logarithmic axis have a text; null for the others. All where there is room, else
 * those at 1, 2, 3, 5 and 7, at 1, 2 and 5, or at 1, and of these some. (What uPlot chooses is the
 * powers of ten alone wherever an axis is horizontal.)
 * @param {number[]} ticks
 * @param {number} decade pixels from 1 to 10
 * @param {number} room pixels that a text takes
 * @returns {(number | null)[]}
 */
export function texts(ticks, decade, room) {
  const upToTen = (/** @type {string} */ digits) => decade * Math.log10(10 / Number(digits.at(-1)));
  const some = ["123456789", "12357", "125"].find((digits) => upToTen(digits) >= room) ?? "1";
  const power = (/** @type {number} */ tick) => Math.floor(Math.log10(tick) + 1e-9);
  const every = Math.max(1, Math.ceil(room / decade));
  const top = power(ticks[ticks.length - 1]);
  return ticks.map((tick) => {
    const named = some.includes(tick.toExponential()[0]);
    return named && (top - power(tick)) % every === 0 ? tick : null;
  });
}

/**
 * Pixels between the ticks of a vertical axis, at least: on a low chart they come closer, since one
 * tick alone is no scale.
 * @param {number} height of what is drawn in
 */
export const tickRoom = (height) => Math.min(30, Math.max(14, height / 4));

const MOST_SLANTED = 24; // texts; of more, such as days, some are left out
const SLANT = 35; // degrees

/**
 * uPlot's settings for a text at each whole number: upright where they fit, else slanted, and of
 * many some.
 * @param {string[]} labels
 */
export function named(labels) {
  const longest = Math.max(...labels.map((text) => text.length)) * 6;
  const room = Math.max(40, longest + 8);
  const slants = (/** @type {number} */ width) =>
    labels.length <= MOST_SLANTED && (width - 90) / labels.length < room;
  return {
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e4, 1e5],
    space: (/** @type {{ width: number }} */ { width }) => (slants(width) ? 10 : room),
    rotate: (/** @type {{ width: number }} */ { width }) => (slants(width) ? SLANT : 0),
    size: (/** @type {{ width: number }} */ { width }) =>
      slants(width) ? 26 + Math.round(longest * Math.sin((SLANT * Math.PI) / 180)) : 30,
    values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) =>
      ticks.map((v) => labels[v] ?? ""),
  };
}

const DAYS = [1, 7, 14, 28, 56, 84, 168, 364, 1820];

/**
 * Where ticks may be on an axis: days are counted in weeks. Nothing: uPlot chooses.
 * @param {Axis} axis
 */
export const ticksOf = ({ label, log }) => (/\bdays\b/.test(label) && !log ? { incrs: DAYS } : {});

/**
 * Where a key moves the cursor on a chart of `length` points; undefined for other keys.
 * @param {string} key
 * @param {number | null} at null where there was no cursor: it comes in from the side
 * @param {number} length
 */
export function cursorAfter(key, at, length) {
  /** @type {Record<string, number>} */
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    PageUp: -10,
    PageDown: 10,
    Home: -Infinity,
    End: Infinity,
  };
  const step = steps[key];
  if (step === undefined) return undefined;
  const from = at ?? (step > 0 ? -1 : length);
  return Math.min(length - 1, Math.max(0, from + step));
}

/**
 * A line's entry in the legend: its name, with its value and band where the cursor is.
 * @param {Series} line
 * @param {number | null} at the cursor's place
 * @param {Text} text
 */
export function reading({ name, y, band, mark }, at, text) {
  if (at === null || mark) return name;
  const value = `${name} ${text(y[at])}`;
  return band ? `${value} (${short(band[0][at])} to ${short(band[1][at])})` : value;
}

/**
 * The chart in words, for who does not see it.
 * @param {string} title
 * @param {Axis} xAxis
 * @param {Axis} yAxis
 * @param {ChartState} state
 * @param {Text} text
 */
export function describe(title, xAxis, yAxis, { x, series }, text) {
  const lines = series
    .filter((one) => !one.mark)
    .map(({ name, y }) => {
      const values = Array.from(y).filter((v) => v !== null && Number.isFinite(v));
      if (!values.length) return `${name}: no values`;
      const { low, high } = extent(values);
      const last = values[values.length - 1];
      return `${name}: from ${text(low)} to ${text(high)}, last ${text(last)}`;
    });
  const keys = x.length ? "Left and right arrow keys read values." : "";
  return `${title}. ${yAxis.label} against ${xAxis.label}. ${lines.join(". ")}. ${keys}`;
}

/**
 * A colour of the palette, see-through.
 * @param {string} colour as #rrggbb
 * @param {number} alpha
 */
export function withAlpha(colour, alpha) {
  const parts = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
  return `rgba(${parts.join(",")},${alpha})`;
}
