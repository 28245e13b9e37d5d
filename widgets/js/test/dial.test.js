import assert from "node:assert/strict";
import { test } from "node:test";
import { wishList } from "../src/dial/wishes.js";

/** A Python that answers when the test says so, and wishes that it is sent. */
function python(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = [];
  let answered = "";
  const told = [];
  let broken = false;
  const model = {
    get: () => answered,
    on: (_, callback) => told.push(callback),
    send: ({ action, values }) => {
      if (broken) throw new Error("no connection");
      sent.push({ action, ...values });
    },
  };
  const fail = (value) => {
    broken = value;
  };
  const wishes = wishList(model);
  const answer = (token = sent.at(-1).token ?? "") => {
    answered = token;
    for (const callback of told) callback();
  };
  const drag = (value) => {
    wishes.beginStroke();
    wishes.change({ noise_multiplier: value });
  };
  const letGo = () => {
    wishes.send.now();
    wishes.endStroke();
  };
  const strokes = () => new Set(sent.map(({ stroke }) => stroke)).size;
  return { wishes, sent, answer, drag, letGo, strokes, fail, tick: (ms) => t.mock.timers.tick(ms) };
}

test("a drag is one stroke, however late Python answers in between", (t) => {
  const { sent, answer, drag, letGo, strokes, tick } = python(t);
  drag(1);
  for (const value of [2, 3, 4]) {
    drag(value);
    tick(100);
    answer();
    tick(100);
  }
  drag(5);
  letGo(); // before the last wish is answered
  answer();
  tick(100);
  answer();
  assert.equal(sent.at(-1).noise_multiplier, 5);
  assert.ok(sent.length > 2);
  assert.equal(strokes(), 1);
});

test("the next drag is another stroke, also where the first ended without a change", (t) => {
  const { wishes, answer, drag, letGo, strokes, tick } = python(t);
  drag(1);
  tick(100);
  answer();
  wishes.endStroke(); // the pointer goes down again
  drag(2);
  letGo();
  tick(100);
  answer();
  assert.equal(strokes(), 2);
});

test("what still waits is dropped for another action", (t) => {
  const { wishes, sent, answer, drag, tick } = python(t);
  drag(1);
  drag(2);
  wishes.ask("undo");
  answer();
  tick(100);
  assert.deepEqual(
    sent.map(({ action }) => action),
    ["change", "undo"],
  );
});

test("an answer to another view, or to a cell, after one's own stops nothing", (t) => {
  const { wishes, sent, answer, drag, tick } = python(t);
  drag(1);
  answer();
  tick(100);
  answer("another view's");
  assert.ok(wishes.settled());
  drag(2);
  tick(100);
  assert.equal(sent.at(-1).noise_multiplier, 2);
  answer("another view's"); // before one's own
  assert.ok(!wishes.settled());
});

test("a wish that could not be sent is sent with the next", (t) => {
  const { wishes, sent, drag, tick, fail } = python(t);
  fail(true);
  drag(1);
  assert.ok(wishes.settled() && wishes.waiting());
  fail(false);
  tick(100);
  wishes.change({ epochs: 2 });
  tick(100);
  assert.deepEqual([sent.at(-1).noise_multiplier, sent.at(-1).epochs], [1, 2]);
});
