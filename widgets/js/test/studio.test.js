import assert from "node:assert/strict";
import { test } from "node:test";
import { downwards } from "../src/studio/drawings.js";
import { formulas } from "../src/studio/formulas.js";
import { halfStep, halfStepsApart, progressText } from "../src/studio/halves.js";

test("values are placed from the top, on a log scale by their powers", () => {
  const plain = downwards([10, 20]);
  assert.deepEqual([10, 15, 20].map(plain), [1, 0.5, 0]);
  const log = downwards([1, 10000], true);
  assert.ok(Math.abs(log(100) - 0.5) < 1e-12);
  assert.equal(downwards([0, 1000], true)(0), 1);
  assert.equal(downwards([3, 3])(3), 0.5);
});

test("a training past its steps says so", () => {
  assert.equal(progressText(12, 1000), "step 12 of 1,000");
  assert.equal(progressText(820, 170), "step 820, past the 170 set");
});

test("a half step is said with its numbers", () => {
  const half = { which: "generator", generator_loss: -0.25, generator_gradient: 1234 };
  assert.equal(halfStep(half), "Generator half step: loss -0.25, gradient norm 1,234.");
  assert.equal(halfStep(null), "");
});

test("a private discriminator half step says its gradient only", () => {
  const half = { which: "discriminator", discriminator_loss: null, discriminator_gradient: 2 };
  assert.match(halfStep(half), /gradient norm 2, with its noise\./);
  assert.doesNotMatch(halfStep(half), /loss|Wasserstein|–/);
});

test("half steps outside full steps are counted where there are some", () => {
  assert.equal(halfStepsApart({ discriminator: 0, generator: 0 }), "");
  const some = halfStepsApart({ discriminator: 2, generator: 0 });
  assert.equal(some, "Half steps apart: discriminator 2.");
  const both = halfStepsApart({ discriminator: 2, generator: 1 });
  assert.equal(both, "Half steps apart: discriminator 2, generator 1.");
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
