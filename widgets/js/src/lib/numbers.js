// Numbers as people read and type them, and the arrays that Python sends. No DOM here, so that Node
// can test it.

const SIGNIFICANT = 4;

/** @param {number[]} values */
export const sum = (values) => values.reduce((a, b) => a + b, 0);

/** @param {number[]} values */
export const mean = (values) => sum(values) / values.length;

/**
 * A number as people read it: 4 significant digits, thousands spelled out, very large and small
 * ones in powers of ten. A text, such as a sign for infinity, as it is.
 * @param {number | string | null | undefined} value
 */
export function short(value) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace("e+", "e");
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(SIGNIFICANT));
  return Math.abs(rounded) >= 1000 ? rounded.toLocaleString("en") : String(rounded);
}

/**
 * The same of a bound, such as epsilon: rounded up, never down.
 * @param {number | string | null | undefined} value
 */
export function shortUp(value) {
  if (typeof value !== "number" || !Number.isFinite(value) || value === 0) return short(value);
  const size = Math.abs(value);
  const digits = size < 1e-3 || size >= 1e6 ? 3 : SIGNIFICANT;
  const nearest = Number(value.toPrecision(digits));
  if (nearest >= value) return short(nearest);
  const step = 10 ** (Math.floor(Math.log10(size)) + 1 - digits);
  return short(Number((nearest + step).toPrecision(digits)));
}

/**
 * The text of a number with a minus in the place of a hyphen.
 * @param {string} text
 */
export const minus = (text) => text.replace(/^-/, "−");

/**
 * A number as one types it: whole ones as they are, others with 6 significant digits, small ones in
 * powers of ten, no signs between thousands.
 * @param {number} value
 */
export function written(value) {
  if (Number.isSafeInteger(value)) return String(value);
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential();
  return String(Number(value.toPrecision(6)));
}

/**
 * What was typed into a field, as a number: a comma counts as a point. NaN where it is none, or
 * nothing.
 * @param {string} text
 */
export function typed(text) {
  const trimmed = text.trim();
  return trimmed ? Number(trimmed.replace(",", ".")) : Number.NaN;
}

/**
 * A share in percent; small ones with a digit more.
 * @param {number} share
 */
export const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

/**
 * A time as people say it: "42 s", "3 min 5 s", "2 h 7 min".
 * @param {number} seconds
 */
export function duration(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/**
 * Smallest and largest of the finite values, and the smallest of the positive ones; infinite where
 * there are none.
 * @param {Iterable<number | null>} values
 */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  let leastPositive = Infinity;
  for (const v of values) {
    if (v === null || !Number.isFinite(v)) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
    if (v > 0) leastPositive = Math.min(leastPositive, v);
  }
  return { low, high, leastPositive };
}

/**
 * "3 to 12", or the names of the categories met.
 * @param {[number, number]} ends
 * @param {string[]} [categories]
 */
export function between([low, high], categories) {
  if (!(low <= high)) return "no values";
  const name = (/** @type {number} */ v) => categories?.[Math.round(v)] ?? short(v);
  return low === high ? `${name(low)} throughout` : `${name(low)} to ${name(high)}`;
}

/**
 * float32 numbers of a trait that Python sent as bytes: a DataView, maybe at an odd offset.
 * @param {DataView | null | undefined} view
 */
export function floats(view) {
  if (!view?.byteLength) return new Float32Array(0);
  const end = view.byteOffset + view.byteLength;
  return new Float32Array(/** @type {ArrayBuffer} */ (view.buffer).slice(view.byteOffset, end));
}

/**
 * Numbers that stand row behind row, cut into their rows; what is left over at the end is dropped.
 * @param {Float32Array} values
 * @param {number} length of a row
 * @param {number} [most] at most so many rows
 * @returns {number[][]}
 */
export function rows(values, length, most = Infinity) {
  const count = Math.min(most, Math.floor(values.length / length));
  return Array.from({ length: count }, (_, k) =>
    Array.from(values.subarray(k * length, (k + 1) * length)),
  );
}

/**
 * Numbers as Python sends them, for those who answer in its place.
 * @param {ArrayLike<number>} values
 */
export const bytes = (values) => new DataView(Float32Array.from(values).buffer);
