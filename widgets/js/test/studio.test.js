import assert from "node:assert/strict";
import { test } from "node:test";
import { formulas } from "../src/studio/formulas.js";
import { halfStep, halfStepsApart } from "../src/studio/halves.js";
import { colour, scaler } from "../src/studio/pictures.js";

test("the colours of a map begin and end with those of cividis, also beyond", () => {
  assert.deepEqual(colour(0), [0, 34, 78]);
  assert.deepEqual(colour(1), [254, 232, 56]);
  assert.deepEqual(colour(-3), colour(0));
  assert.deepEqual(colour(7), colour(1));
});

test("a map gets brighter from the bottom to the top", () => {
  const light = Array.from({ length: 101 }, (_, k) => {
    const [r, g, b] = colour(k / 100);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  for (let k = 1; k <= 100; k++) assert.ok(light[k] >= light[k - 1], `${k} %`);
});

test("values are placed in proportion, on a log scale by their powers", () => {
  const plain = scaler([10, 20], false);
  assert.deepEqual([10, 15, 20].map(plain.share), [0, 0.5, 1]);
  const log = scaler([1, 10000], true);
  assert.ok(Math.abs(log.share(100) - 0.5) < 1e-12);
});

test("a log scale reaches a million times down at most, and takes zero for its bottom", () => {
  const { floor, share } = scaler([0, 1000], true);
  assert.ok(Math.abs(floor / 1e-3 - 1) < 1e-12);
  assert.equal(share(0), 0);
});

test("a range of one value is drawn in the middle", () => {
  assert.equal(scaler([3, 3], false).share(3), 0.5);
});

test("a half step is said with its numbers", () => {
  const half = { which: "generator", generator_loss: -0.25, generator_gradient: 1234 };
  assert.equal(halfStep(half), "Generator half step: loss -0.25, gradient norm 1,234.");
  assert.equal(halfStep(null), "");
});

test("a private discriminator half step says its gradient only", () => {
  const half = { which: "discriminator", discriminator_loss: null, discriminator_gradient: 2 };
  assert.match(halfStep(half), /gradient norm 2, with its noise\. A generator half step now/);
  assert.doesNotMatch(halfStep(half), /loss|Wasserstein|–/);
});

test("half steps outside full steps are counted where there are some", () => {
  assert.equal(halfStepsApart({ discriminator: 0, generator: 0 }), "");
  const some = halfStepsApart({ discriminator: 2, generator: 0 });
  assert.equal(some, "Half steps outside full steps: discriminator 2.");
  const both = halfStepsApart({ discriminator: 2, generator: 1 });
  assert.equal(both, "Half steps outside full steps: discriminator 2, generator 1.");
});

const MAIN = {
  real: [1, 2],
  fake: [-1, 0],
  wasserstein: 2,
  penalty: 0.1,
  weight: 10,
  loss: -1,
  generator_loss: 0.5,
};

test("the losses are written as sums of the numbers shown", () => {
  const rows = formulas({ judged: { main: MAIN }, generator_loss: 0.5, auxiliary_weight: 1 });
  assert.deepEqual(Object.fromEntries(rows), {
    "Wasserstein estimate, discriminator":
      "mean D(real) − mean D(generated) = 1.500 − (−0.500) = 2.000",
    "loss, discriminator": "10 × penalty − estimate = 10 × 0.100 − (2.000) = −1.000",
    "loss, generator": "−mean D(generated) = 0.500",
  });
});

test("an auxiliary discriminator adds its rows, and its part of the generator's loss", () => {
  const judged = { main: MAIN, auxiliary: { ...MAIN, generator_loss: null } };
  const rows = formulas({ judged, generator_loss: 0.7, auxiliary_weight: 2 });
  assert.equal(rows.length, 5);
  assert.equal(rows[4][1], "−mean D(generated) = 0.500; with the auxiliary one's 2 × (–) = 0.700");
});
