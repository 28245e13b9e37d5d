import assert from "node:assert/strict";
import { test } from "node:test";
import {
  columns,
  cursorAfter,
  decades,
  describe,
  isJoined,
  named,
  padded,
  reading,
  texts,
  tick,
  tickRoom,
  ticksOf,
  withAlpha,
  xRange,
  yRange,
} from "../src/lib/axes.js";
import { short } from "../src/lib/numbers.js";

test("what is not finite is a gap, and so is what a logarithm has not", () => {
  const y = [1, 0, -1, Number.NaN, null, Infinity];
  const state = { x: [0, 1, 2, 3, 4, 5], series: [{ name: "a", y }] };
  assert.deepEqual(columns(state)[1], [1, 0, -1, null, null, null]);
  assert.deepEqual(columns(state, true)[1], [1, null, null, null, null, null]);
});

test("the edges of a band follow its line, in front of the next line", () => {
  const banded = { name: "a", y: [5], band: [[4], [6]] };
  const data = columns({ x: [1], series: [banded, { name: "b", y: [9], band: null }] });
  assert.deepEqual(data, [[1], [5], [4], [6], [9]]);
});

test("a fixed range holds where it is one, otherwise the data count", () => {
  assert.deepEqual(xRange([2, 7], 0, 10), [2, 7]);
  for (const no of [
    null,
    undefined,
    [],
    [1],
    [7, 2],
    [3, 3],
    [0, 5, 9],
    [0, Number.NaN],
    [0, Infinity],
  ]) {
    assert.deepEqual(xRange(no, 0, 10), [0, 10], `fixed ${no}`);
  }
});

test("one point stands in the middle of its axis", () => {
  assert.deepEqual(xRange(null, 4, 4), [3.5, 4.5]);
});

test("an axis without data has a range that it can draw", () => {
  assert.deepEqual(xRange(null, null, null), [0, 1]);
  assert.deepEqual(xRange(null, null, null, true), [0.1, 1]);
  assert.deepEqual(yRange(null, null, null, { label: "y" }), [0, 1]);
  assert.deepEqual(yRange(null, null, null, { label: "y", log: true }), [0.1, 1]);
});

test("a logarithmic axis ends at powers of ten around its data", () => {
  assert.deepEqual(xRange(null, 3, 450, true), [1, 1000]);
  assert.deepEqual(yRange(null, 0.02, 0.7, { label: "y", log: true }), [0.01, 1]);
});

test("a vertical axis leaves room above and below its data", () => {
  const [low, high] = yRange(null, 10, 20, { label: "y" });
  assert.ok(low < 10 && low > 5, `${low}`);
  assert.ok(high > 20 && high < 25, `${high}`);
});

test("categories fill their axis, whatever was fixed", () => {
  assert.deepEqual(yRange([0, 9], 0, 2, { label: "y", categories: ["a", "b", "c"] }), [-0.5, 2.5]);
});

test("room around a range is a twentieth of it, and some where it is a single number", () => {
  assert.deepEqual(padded([0, 20]), [-1, 21]);
  assert.deepEqual(padded([-50, -50]), [-55, -45]);
  assert.deepEqual(padded([0, 0]), [-0.5, 0.5]);
});

test("room on a logarithmic axis is the same factor at both ends", () => {
  const [low, high] = padded([1, 1e20], true);
  assert.ok(Math.abs(low * 10 - 1) < 1e-9);
  assert.ok(Math.abs(high / 1e21 - 1) < 1e-9);
  assert.deepEqual(padded([8, 8], true), [4, 16]);
});

test("ticks are short: no digits that rounding made, powers of ten far from one", () => {
  const wanted = [
    [0, "0"],
    [0.1 + 0.2, "0.3"],
    [-12.5, "-12.5"],
    [99999, "99999"],
    [100000, "1e5"],
    [150000, "1.5e5"],
    [250000.0000001, "2.5e5"],
    [-3e7, "-3e7"],
    [0.00015, "1.5e-4"],
    [0.0005, "5e-4"],
    [0.001, "0.001"],
  ];
  for (const [value, text] of wanted) assert.equal(tick(value), text);
});

test("a logarithmic axis has ticks at 1, 2, ... 9 times the powers of ten in view", () => {
  assert.deepEqual(
    decades(0.5, 30),
    [0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30],
  );
  assert.deepEqual(decades(2e-3, 4e-3), [0.002, 0.003, 0.004]);
});

test("a logarithmic axis has as many texts as there is room for", () => {
  const within = [200, 300, 400, 500, 600, 700, 800, 900, 1000];
  const shown = (decade) => texts(within, decade, 40).filter((tick) => tick !== null);
  assert.deepEqual(shown(1000), within);
  assert.deepEqual(shown(300), [200, 300, 500, 700, 1000]);
  assert.deepEqual(shown(150), [200, 500, 1000]);
  assert.deepEqual(shown(60), [1000]);
  const wide = [0.1, 1, 10, 100, 1000, 2000];
  assert.deepEqual(texts(wide, 30, 40), [0.1, null, 10, null, 1000, null]);
});

test("a low chart has ticks closer together than a tall one, but not on top of each other", () => {
  assert.equal(tickRoom(200), 30);
  assert.ok(tickRoom(56) <= 56 / 4);
  assert.ok(tickRoom(10) >= 11); // the height of a text
});

test("an axis of texts names whole numbers only, upright where they fit and else slanted", () => {
  const { incrs, rotate, size, values } = named(["Monday", "Tuesday"]);
  assert.deepEqual(values(null, [0, 0.5, 1, 2]), ["Monday", "", "Tuesday", ""]);
  assert.ok(incrs.every(Number.isInteger));
  assert.equal(rotate({ width: 400 }), 0);
  assert.ok(rotate({ width: 160 }) > 0);
  assert.ok(size({ width: 160 }) > size({ width: 400 }));
});

test("a dozen models have their names on a narrow chart; of many days some are named", () => {
  const models = named(Array(12).fill("recurrent network"));
  const days = named(Array(500).fill("2020-01-01"));
  const narrow = { width: 640 };
  assert.ok(models.space(narrow) < (narrow.width - 90) / 12);
  assert.equal(days.rotate(narrow), 0);
  assert.ok(days.space(narrow) > 60);
});

test("days are counted in weeks", () => {
  assert.ok(
    ticksOf({ label: "lag (days)" })
      .incrs.slice(1)
      .every((days) => days % 7 === 0),
  );
  assert.deepEqual(ticksOf({ label: "lag (steps)" }), {});
});

test("a legend shows the dash of a line that is seen, and a dot for single points", () => {
  assert.ok(isJoined({ name: "a", y: [1, null, 3] }));
  assert.ok(isJoined({ name: "a", y: [1, 2, null], points: true }));
  assert.ok(!isJoined({ name: "a", y: [1, null, 3], points: true }));
  assert.ok(isJoined({ name: "a", y: [1, null, 3], points: true, joined: true }));
  assert.ok(!isJoined({ name: "a", y: [1, 2, 3], apart: true }));
});

test("what stands apart has no band that joins it", () => {
  const series = [
    {
      name: "a",
      y: [1, 2],
      apart: true,
      band: [
        [0, 1],
        [2, 3],
      ],
    },
  ];
  assert.deepEqual(columns({ x: [0, 1], series }), [
    [0, 1],
    [1, 2],
  ]);
});

test("arrow keys move the cursor by a point, and stop at the ends", () => {
  assert.equal(cursorAfter("ArrowRight", 3, 10), 4);
  assert.equal(cursorAfter("ArrowLeft", 3, 10), 2);
  assert.equal(cursorAfter("ArrowRight", 9, 10), 9);
  assert.equal(cursorAfter("ArrowLeft", 0, 10), 0);
});

test("page keys move the cursor by ten points, Home and End to the ends", () => {
  assert.equal(cursorAfter("PageDown", 3, 100), 13);
  assert.equal(cursorAfter("PageUp", 3, 100), 0);
  assert.equal(cursorAfter("Home", 50, 100), 0);
  assert.equal(cursorAfter("End", 50, 100), 99);
});

test("a cursor that was not there comes in from the side", () => {
  assert.equal(cursorAfter("ArrowRight", null, 10), 0);
  assert.equal(cursorAfter("ArrowLeft", null, 10), 9);
});

test("other keys are not the chart's", () => {
  for (const key of ["a", "Enter", "ArrowUp", "Tab"])
    assert.equal(cursorAfter(key, 3, 10), undefined);
});

test("the legend tells the value at the cursor, with its band", () => {
  const line = {
    name: "a",
    y: [1, 2000],
    band: [
      [0, 1500],
      [2, 2500],
    ],
  };
  assert.equal(reading(line, 1, short), "a 2,000 (1,500 to 2,500)");
  assert.equal(reading({ name: "b", y: [null] }, 0, short), "b –");
});

test("without a cursor, and of a line for comparison, the legend tells the name alone", () => {
  assert.equal(reading({ name: "a", y: [1] }, null, short), "a");
  assert.equal(reading({ name: "level", y: [1], mark: true }, 0, short), "level");
});

test("a chart in words names its axes and each line's range and last value", () => {
  const series = [
    { name: "a", y: [3, Number.NaN, 1, 2, null] },
    { name: "b", y: [null] },
    { name: "level", y: [9], mark: true },
  ];
  const axes = [{ label: "step" }, { label: "loss (1)" }];
  const words = describe("Losses", ...axes, { x: [0, 1, 2, 3, 4], series }, short);
  assert.equal(
    words,
    "Losses. loss (1) against step. a: from 1 to 3, last 2. b: no values. " +
      "Left and right arrow keys read values.",
  );
});

test("an empty chart does not speak of keys", () => {
  const words = describe("T", { label: "x" }, { label: "y" }, { x: [], series: [] }, short);
  assert.doesNotMatch(words, /keys/);
});

test("a band has its line's colour, see-through", () => {
  assert.equal(withAlpha("#0072b2", 0.22), "rgba(0,114,178,0.22)");
});
