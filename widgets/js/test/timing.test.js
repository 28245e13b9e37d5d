import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost, oncePerFrame, undoAll } from "../src/lib/dom.js";

/** Frames that come when the test says so. */
function frames(t) {
  const waiting = new Map();
  let id = 0;
  globalThis.requestAnimationFrame = (draw) => {
    waiting.set(++id, draw);
    return id;
  };
  globalThis.cancelAnimationFrame = (which) => waiting.delete(which);
  t.after(() => {
    delete globalThis.requestAnimationFrame;
    delete globalThis.cancelAnimationFrame;
  });
  return () => {
    const due = [...waiting.values()];
    waiting.clear();
    for (const draw of due) draw();
  };
}

/** A function that is called at most ten times a second, and what it was called with. */
function throttled(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const calls = [];
  let value = 0;
  const ask = atMost(10, () => calls.push(value));
  const change = (now) => {
    value = now;
    ask();
  };
  return { ask, change, calls, tick: (ms) => t.mock.timers.tick(ms) };
}

test("the first call runs at once", (t) => {
  const { change, calls } = throttled(t);
  change(1);
  assert.deepEqual(calls, [1]);
});

test("of many calls the last one runs, after the pause", (t) => {
  const { change, calls, tick } = throttled(t);
  for (const value of [1, 2, 3, 4]) change(value);
  tick(99);
  assert.deepEqual(calls, [1]);
  tick(1);
  assert.deepEqual(calls, [1, 4]);
});

test("a lone call is not repeated, and after the pause the next one runs at once", (t) => {
  const { change, calls, tick } = throttled(t);
  change(1);
  tick(500);
  assert.deepEqual(calls, [1]);
  change(2);
  assert.deepEqual(calls, [1, 2]);
});

test("a second of calls is ten runs and the first", (t) => {
  const { change, calls, tick } = throttled(t);
  for (let ms = 0; ms <= 1000; ms += 5) {
    change(ms);
    tick(5);
  }
  assert.equal(calls.length, 11);
});

test("now() runs what waits, and nothing where nothing waits", (t) => {
  const { ask, change, calls } = throttled(t);
  change(1);
  ask.now();
  assert.deepEqual(calls, [1]);
  change(2);
  ask.now();
  assert.deepEqual(calls, [1, 2]);
});

test("a cancelled call does not run", (t) => {
  const { ask, change, calls, tick } = throttled(t);
  change(1);
  change(2);
  ask.cancel();
  tick(1000);
  assert.deepEqual(calls, [1]);
});

test("however often it is asked, it draws once a frame", (t) => {
  const frame = frames(t);
  let drawn = 0;
  const draw = oncePerFrame(() => {
    drawn++;
  });
  draw();
  draw();
  assert.equal(drawn, 0);
  frame();
  frame();
  assert.equal(drawn, 1);
  draw();
  frame();
  assert.equal(drawn, 2);
});

test("what is asked for while drawing is drawn in the next frame", (t) => {
  const frame = frames(t);
  let drawn = 0;
  const draw = oncePerFrame(() => {
    drawn++;
    if (drawn === 1) draw();
  });
  draw();
  frame();
  assert.equal(drawn, 1);
  frame();
  assert.equal(drawn, 2);
});

test("a cancelled drawing does not happen, and can be asked for again", (t) => {
  const frame = frames(t);
  let drawn = 0;
  const draw = oncePerFrame(() => {
    drawn++;
  });
  draw();
  draw.cancel();
  frame();
  assert.equal(drawn, 0);
  draw();
  frame();
  assert.equal(drawn, 1);
});

test("each cleanup runs once, in order", () => {
  const done = [];
  const list = [() => done.push("a"), () => done.push("b")];
  undoAll(list);
  undoAll(list);
  assert.deepEqual(done, ["a", "b"]);
});
