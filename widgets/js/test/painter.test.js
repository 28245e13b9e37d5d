import assert from "node:assert/strict";
import { test } from "node:test";
import { paint, paintTotals } from "../src/painter/rule.js";

const FREE = [false, false, false];

function near(found, wanted) {
  assert.equal(found.length, wanted.length);
  found.forEach((value, k) => {
    assert.ok(Math.abs(value - wanted[k]) < 1e-12, `${found} is not ${wanted}`);
  });
}

// the examples of dgkit_widgets.painter.paint
test("a wish comes true and the others keep their ratio", () => {
  near(paint([0.5, 0.3, 0.2], new Map([[0, 0.75]]), FREE), [0.75, 0.15, 0.1]);
});

test("a wish for more than the locked ones leave takes all that is free", () => {
  near(paint([0.5, 0.3, 0.2], new Map([[0, 0.9]]), [false, false, true]), [0.8, 0, 0.2]);
});

test("wishes that are too much together are proportions of what is free", () => {
  const wishes = new Map([
    [0, 0.9],
    [1, 0.6],
  ]);
  near(paint([0.5, 0.3, 0.2], wishes, FREE), [0.6, 0.4, 0]);
});

test("others that were all zero share the rest equally", () => {
  near(paint([1, 0, 0], new Map([[0, 0.4]]), FREE), [0.4, 0.3, 0.3]);
});

test("a wish for a locked share changes nothing", () => {
  near(paint([0.5, 0.3, 0.2], new Map([[2, 1]]), [false, false, true]), [0.5, 0.3, 0.2]);
});

test("the shares given are left as they are", () => {
  const shares = [0.5, 0.3, 0.2];
  paint(shares, new Map([[0, 0.9]]), FREE);
  assert.deepEqual(shares, [0.5, 0.3, 0.2]);
});

// the example of dgkit_widgets.painter.paint_margin, flat
const TABLE = [0.1, 0.3, 0.6, 0];
const ROWS = [
  [0, 1],
  [2, 3],
];

test("a row's total comes true and its cells keep their ratio", () => {
  near(paintTotals(TABLE, ROWS, new Map([[0, 0.8]]), Array(4).fill(false)), [0.2, 0.6, 0.2, 0]);
});

test("a locked cell stays, and its row's total cannot fall below it", () => {
  const locked = [false, true, false, false];
  near(paintTotals(TABLE, ROWS, new Map([[0, 0.1]]), locked), [0, 0.3, 0.7, 0]);
});
