import assert from "node:assert/strict";
import { test } from "node:test";
import {
  between,
  duration,
  extent,
  floats,
  percent,
  rows,
  short,
  shortUp,
  typed,
  written,
} from "../src/lib/numbers.js";

const pairs = (f, table) => {
  for (const [given, wanted] of table) assert.equal(f(given), wanted, `of ${given}`);
};

test("a number is read with four significant digits and its thousands apart", () => {
  pairs(short, [
    [0, "0"],
    [42, "42"],
    [-0.5, "-0.5"],
    [2.71649, "2.716"],
    [999.96, "1,000"],
    [1234, "1,234"],
    [123456, "123,456"],
    [1234.56, "1,235"],
    [-98765.4, "-98,770"],
  ]);
});

test("very large and very small numbers are read in powers of ten", () => {
  pairs(short, [
    [1e6, "1.00e6"],
    [-2345678, "-2.35e6"],
    [0.00099, "9.90e-4"],
    [-1e-9, "-1.00e-9"],
    [0.001, "0.001"],
    [999999, "999,999"],
  ]);
});

test("where there is no number a dash stands", () => {
  pairs(short, [
    [null, "–"],
    [undefined, "–"],
    [Number.NaN, "–"],
    [Infinity, "∞"],
    [-Infinity, "−∞"],
    ["∞", "∞"],
  ]);
});

test("a bound is rounded up", () => {
  pairs(shortUp, [
    [1.99605, "1.997"],
    [1.9996, "2"],
    [2, "2"],
    [1234.56, "1,235"],
    [0.00012345, "1.24e-4"],
    [9.9961, "9.997"],
    [Infinity, "∞"],
    [Number.NaN, "–"],
  ]);
});

test("a number in a field can be read back: no thousands, six digits", () => {
  pairs(written, [
    [1234567, "1234567"],
    [1234567.5, "1234570"],
    [0.1 + 0.2, "0.3"],
    [0, "0"],
    [1e-5, "1e-5"],
    [2.5, "2.5"],
  ]);
  for (const value of [1e-5, 0.01, 3, 123456]) assert.equal(typed(written(value)), value);
});

test("a typed comma is a point, and what is no number is none", () => {
  assert.equal(typed(" 2,5 "), 2.5);
  assert.equal(typed("1e-5"), 1e-5);
  assert.equal(typed("0"), 0);
  for (const text of ["", "   ", "five", "1,2,3"]) assert.ok(Number.isNaN(typed(text)), text);
});

test("small shares have a digit after the point, and never 10.0 %", () => {
  pairs(percent, [
    [0, "0.0 %"],
    [0.034, "3.4 %"],
    [0.0994, "9.9 %"],
    [0.0996, "10 %"],
    [0.5, "50 %"],
    [1, "100 %"],
  ]);
});

test("a time is said in its two largest units", () => {
  pairs(duration, [
    [0.4, "0 s"],
    [59.4, "59 s"],
    [59.6, "1 min 0 s"],
    [185, "3 min 5 s"],
    [3599.4, "59 min 59 s"],
    [3600, "1 h 0 min"],
    [7620, "2 h 7 min"],
  ]);
});

test("gaps do not count for the smallest and largest value", () => {
  const found = extent([Number.NaN, 3, null, -2, Infinity, 0.5]);
  assert.deepEqual(found, { low: -2, high: 3, leastPositive: 0.5 });
});

test("of nothing the ends are infinite, and said to be no values", () => {
  const { low, high, leastPositive } = extent([Number.NaN, null]);
  assert.deepEqual([low, high, leastPositive], [Infinity, -Infinity, Infinity]);
  assert.equal(between([low, high]), "no values");
});

test("a range is said by its ends, a constant once, categories by their names", () => {
  assert.equal(between([3, 1200]), "3 to 1,200");
  assert.equal(between([7, 7]), "7 throughout");
  assert.equal(between([0, 2], ["a", "b", "c"]), "a to c");
  assert.equal(between([1, 1], ["a", "b"]), "b throughout");
});

test("bytes are read as float32 at any offset", () => {
  const bytes = new Uint8Array(1 + 2 * 4);
  const view = new DataView(bytes.buffer, 1, 8);
  view.setFloat32(0, 1.5, true);
  view.setFloat32(4, -2, true);
  assert.deepEqual([...floats(view)], [1.5, -2]);
  for (const none of [null, undefined, new DataView(new ArrayBuffer(0))]) {
    assert.equal(floats(none).length, 0);
  }
});

test("a flat array is cut into whole rows, no more than are wanted", () => {
  const values = Float32Array.of(1, 2, 3, 4, 5, 6, 7);
  assert.deepEqual(rows(values, 3), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  assert.deepEqual(rows(values, 3, 1), [[1, 2, 3]]);
  for (const length of [8, 0, undefined]) {
    assert.deepEqual(rows(new Float32Array(0), length), [], `rows of ${length}`);
  }
});
