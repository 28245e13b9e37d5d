// The DistributionPainter: bars to drag or draw, a slider each. The rule that keeps the sum lives
// in painter.py; the same in painter/rule.js lets a drag move at once, and what Python answers is
// drawn as soon as it has seen the last wish.

import "./lib/dgkit.css";
import "./painter.css";
import {
  act,
  atMost,
  button,
  h,
  isOff,
  on,
  oncePerFrame,
  setOff,
  shell,
  svg,
  taken,
  withModifier,
} from "./lib/dom.js";
import { sum, typed } from "./lib/numbers.js";
import { paint, paintTotals } from "./painter/rule.js";

/** @import { RenderProps } from "./lib/dom.js" */
/** @import { Wishes } from "./painter/rule.js" */

/**
 * A bar: of a cell (axis null), or of the total of a row (axis 0) or column (axis 1).
 * @typedef {object} Bar
 * @property {null | 0 | 1} axis
 * @property {number} place
 * @property {string} label
 * @property {HTMLElement} cell
 * @property {HTMLElement} track
 * @property {HTMLElement} fill
 * @property {HTMLElement} mark of the reference
 * @property {HTMLInputElement} input
 * @property {HTMLButtonElement | null} lock
 */

/**
 * What is drawn without letting go is one step for undo; it starts from `base`.
 * @typedef {object} Stroke
 * @property {string} id
 * @property {null | 0 | 1} axis
 * @property {number[]} base
 * @property {Wishes} wishes
 * @property {boolean} pointer held by mouse or finger
 */

const SCALES = [0.05, 0.1, 0.2, 0.5, 1]; // what a bar's full height can mean
const GRIP = 6; // pixels around a bar's top
/** @type {Record<string, number>} */
const KEY_STEPS = {
  ArrowUp: 0.01,
  ArrowRight: 0.01,
  ArrowDown: -0.01,
  ArrowLeft: -0.01,
  PageUp: 0.1,
  PageDown: -0.1,
  Home: -Infinity,
  End: Infinity,
};
const TRAITS = [
  "probabilities",
  "locked",
  "can_undo",
  "can_redo",
  "answered",
  "reference",
  "total_variation",
];
const percent = (/** @type {number} */ share) => (share * 100).toFixed(1);
const clipped = (/** @type {number} */ share) => Math.min(1, Math.max(0, share));

/** @param {RenderProps} props */
function render({ model, el }) {
  /** @type {string[]} */
  const attributes = model.get("attributes");
  /** @type {string[][]} */
  const names = model.get("names");
  /** @type {string} */
  const from = model.get("source");
  const joint = attributes.length === 2;
  const columns = joint ? names[1].length : names[0].length;
  const what = attributes.join(" and ");
  const { root, body, say, cleanups, close } = shell(el, model, `Distribution painter: ${what}`);
  const owner = `${Math.random()}`;
  // flat, row by row
  /** @type {number[]} */
  let shares = [];
  /** @type {number[]} */
  let reference = [];
  /** @type {boolean[]} */
  let locked = [];
  /** @type {Stroke | null} */
  let stroke = null;
  let sent = "";
  let count = 0;
  /** @type {Bar[]} */
  const bars = [];

  // ---- shares of bars
  /**
   * The cells of a row (axis 0) or column (axis 1).
   * @param {0 | 1} axis
   * @param {number} place
   */
  const members = (axis, place) =>
    [...shares.keys()].filter(
      (k) => (axis === 0 ? Math.floor(k / columns) : k % columns) === place,
    );
  const cellsOf = (/** @type {Bar} */ { axis, place }) =>
    axis === null ? [place] : members(axis, place);
  /**
   * @param {Bar} bar
   * @param {number[]} values
   */
  const shareOf = (bar, values) => sum(cellsOf(bar).map((k) => values[k]));
  const isHeld = (/** @type {Bar} */ bar) => cellsOf(bar).every((k) => locked[k]);

  // ---- what the user wants
  /**
   * @param {null | 0 | 1} axis
   * @param {boolean} [pointer]
   */
  function begin(axis, pointer = false) {
    stroke = { id: `${owner}-${++count}`, axis, base: shares, wishes: new Map(), pointer };
  }
  const send = atMost(30, () => {
    if (!stroke?.wishes.size) return;
    sent = `${owner}-${++count}`;
    const { id, axis, wishes } = stroke;
    act(model, "paint", { wishes: [...wishes], axis, stroke: id, token: sent });
  });
  /**
   * @param {Bar} bar
   * @param {number} share
   */
  function wish(bar, share) {
    if (!stroke) return;
    const { axis, base, wishes } = stroke;
    wishes.set(bar.place, clipped(share));
    if (axis === null) {
      shares = paint(base, wishes, locked);
    } else {
      const groups = names[axis].map((_, place) => members(axis, place));
      shares = paintTotals(base, groups, wishes, locked);
    }
    draw();
    send();
  }
  function end() {
    if (!stroke) return;
    send.now();
    stroke = null;
    load();
  }

  // ---- drawing
  function load() {
    const flat = (/** @type {string} */ trait) => model.get(trait).flat();
    reference = flat("reference");
    locked = flat("locked");
    if (model.get("answered") === sent) sent = ""; // before another view's answer comes
    if (!stroke && !sent) shares = flat("probabilities");
    draw();
  }

  /**
   * The least scale on which these bars fit.
   * @param {Bar[]} some
   */
  function scaleFor(some) {
    const heights = some.flatMap((bar) => [shareOf(bar, shares), shareOf(bar, reference)]);
    const high = Math.max(0, ...heights);
    return SCALES.find((scale) => scale >= high * 1.05) ?? 1;
  }

  const full = { cell: 1, total: 1 }; // what a bar's full height means
  const fullOf = (/** @type {Bar} */ bar) => (bar.axis === null ? full.cell : full.total);
  const draw = oncePerFrame(() => {
    if (!stroke?.pointer) {
      full.cell = scaleFor(bars.filter(({ axis }) => axis === null));
      full.total = scaleFor(bars.filter(({ axis }) => axis !== null));
    }
    bars.forEach(drawBar);
    const distance = sum(shares.map((p, k) => Math.abs(p - reference[k]))) / 2;
    far.textContent = distance.toFixed(3);
    meterFill.style.width = `${distance * 100}%`;
    const ofTotals = joint ? `, of totals ${full.total * 100} %` : "";
    scale.textContent = `Full height: ${full.cell * 100} %${ofTotals}`;
    setOff(undo, !model.get("can_undo"));
    setOff(redo, !model.get("can_redo"));
    note.textContent = lockNote(locked.filter((one) => !one).length);
  });

  /** @param {Bar} bar */
  function drawBar(bar) {
    const share = shareOf(bar, shares);
    const usual = shareOf(bar, reference);
    const held = isHeld(bar);
    const top = fullOf(bar);
    const { track, fill, mark, input, lock } = bar;
    fill.style.height = `${Math.min(100, (share / top) * 100)}%`;
    mark.style.bottom = `calc(${Math.min(1, usual / top) * 100}% - 1px)`;
    const typing = document.activeElement === input && input.dataset.typing;
    if (!typing) input.value = percent(share);
    const text = `${percent(share)} %, ${from} ${percent(usual)} %`;
    track.classList.toggle("dgp-held", held);
    track.title = `${bar.label}: ${text}`;
    const state = {
      "aria-valuenow": percent(share),
      "aria-valuetext": held ? `${text}, locked` : text,
      "aria-disabled": String(held),
    };
    for (const [name, value] of Object.entries(state)) {
      if (track.getAttribute(name) !== value) track.setAttribute(name, value);
    }
    lock?.setAttribute("aria-pressed", String(held));
    if (!joint || bar.axis !== null) return;
    const strength = Math.round(Math.min(1, share / top) * 55);
    bar.cell.style.background = `color-mix(in srgb, #3a87b5 ${strength}%, transparent)`;
  }

  // ---- building
  /**
   * @param {string} action
   * @param {string} text said with the distance that comes of it
   */
  const ask = (action, text) => {
    end();
    act(model, action);
    requestAnimationFrame(() => say(`${text}. ${from} distance ${far.textContent}`));
  };
  const step = (/** @type {string} */ action, /** @type {string} */ text) => () => {
    if (!isOff(action === "undo" ? undo : redo)) ask(action, text);
  };
  const undo = button("Undo", step("undo", "Undone"), { title: "Ctrl+Z" });
  const redo = button("Redo", step("redo", "Done again"), { title: "Ctrl+Shift+Z" });
  const far = h("strong", { class: "dgp-distance" });
  const meterFill = h("div");
  const meter = h("div", { class: "dgkit-bar", "aria-hidden": "true" }, meterFill);
  const scale = h("span", { class: "dgkit-hint" });
  const note = h("div", { class: "dgp-note", role: "status" });

  /**
   * Make a bar; returns its cell.
   * @param {null | 0 | 1} axis
   * @param {number} place
   * @param {string} label
   */
  function addBar(axis, place, label) {
    const fill = h("div", { class: "dgp-fill" });
    const mark = h("div", { class: "dgp-mark" });
    const slider = { role: "slider", tabindex: "0", "aria-orientation": "vertical" };
    const limits = { "aria-valuemin": "0", "aria-valuemax": "100" };
    const attributes = { class: "dgp-track", "aria-label": label, ...slider, ...limits };
    const track = h("div", attributes, fill, mark);
    const input = h("input", {
      type: "text",
      inputmode: "decimal",
      tabindex: "-1",
      "aria-label": `${label}, percent`,
      autocomplete: "off",
    });
    const lock = axis === null ? lockButton(place, label) : null;
    // names break after their points
    const text = label.replaceAll(".", ".\u200b");
    const under =
      axis === null && !joint
        ? h("div", { class: "dgp-label", "aria-hidden": "true" }, text)
        : null;
    const cell = h("div", { class: "dgp-cell" }, input, track, under, lock);
    const one = { axis, place, label, cell, track, fill, mark, input, lock };

    track.addEventListener("keydown", (event) => key(one, event));
    // a key or the focus that goes while the pointer holds a bar does not end its stroke
    const letGo = () => {
      if (!stroke?.pointer) end();
    };
    track.addEventListener("keyup", letGo);
    track.addEventListener("blur", letGo);
    input.addEventListener("input", () => {
      input.dataset.typing = "1";
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        delete input.dataset.typing;
        draw();
        track.focus();
      }
      if (event.key === "Enter") {
        take(one);
        track.focus();
      }
    });
    input.addEventListener("blur", () => take(one));
    bars.push(one);
    return cell;
  }

  /**
   * @param {number} place
   * @param {string} label
   */
  function lockButton(place, label) {
    const toggle = () => act(model, "lock", { place, on: !locked[place] });
    return button(padlock(), toggle, {
      class: "dgkit-button dgp-lock",
      "aria-label": `Lock ${label}`,
      title: "Keep as it is (L)",
    });
  }

  /**
   * Take what was typed into a bar's field.
   * @param {Bar} bar
   */
  function take(bar) {
    const { input } = bar;
    if (!input.dataset.typing) return;
    delete input.dataset.typing;
    const value = typed(input.value.replace("%", ""));
    if (value >= 0 && value <= 100) {
      end();
      begin(bar.axis);
      wish(bar, value / 100);
      end();
    } else {
      draw();
      say(`${input.value} is not a number from 0 to 100`);
    }
  }

  /**
   * @param {Bar} bar
   * @param {KeyboardEvent} event
   */
  function key(bar, event) {
    if (withModifier(event)) return;
    if (/^[0-9.,]$/.test(event.key)) {
      bar.input.focus(); // the digit goes into the field
      return;
    }
    if (event.key.toLowerCase() === "l" && bar.lock) {
      bar.lock.click();
      return;
    }
    const change = KEY_STEPS[event.key];
    if (change === undefined) return;
    event.preventDefault();
    if (isHeld(bar)) {
      say(`${bar.label} is locked`);
      return;
    }
    const goesOn = stroke && !stroke.pointer && stroke.axis === bar.axis;
    if (!goesOn || !stroke?.wishes.has(bar.place)) {
      end();
      begin(bar.axis);
    }
    wish(bar, shareOf(bar, shares) + change);
  }

  // ---- the pointer: at a bar's top it drags that bar, elsewhere it draws across all bars of its
  // line
  /** @type {Bar | null} */
  let grip = null;
  /** @type {Bar[]} */
  let line = [];
  let last = { x: 0, y: 0 };
  /**
   * The share at a height of the screen.
   * @param {Bar} bar
   * @param {number} y
   */
  function valueAt(bar, y) {
    const box = bar.track.getBoundingClientRect();
    return ((box.bottom - y) / box.height) * fullOf(bar);
  }
  /** @param {PointerEvent} event */
  function down(event) {
    const track = /** @type {Element} */ (event.target).closest?.(".dgp-track");
    const one = bars.find((other) => other.track === track);
    if (!one || event.button > 0 || !event.isPrimary) return;
    event.preventDefault();
    one.track.focus({ preventScroll: true });
    if (isHeld(one)) {
      say(`${one.label} is locked`);
      return;
    }
    end();
    begin(one.axis, true);
    const topOf = (/** @type {Element} */ element) => element.getBoundingClientRect().top;
    grip = Math.abs(topOf(one.fill) - event.clientY) <= GRIP ? one : null;
    line = bars.filter(
      (other) => other.axis === one.axis && Math.abs(topOf(other.track) - topOf(one.track)) < 3,
    );
    last = { x: event.clientX, y: event.clientY };
    area.setPointerCapture(event.pointerId);
    wish(one, valueAt(one, event.clientY));
  }
  /** @param {PointerEvent} event */
  function move(event) {
    if (!stroke?.pointer || !event.isPrimary) return;
    const here = { x: event.clientX, y: event.clientY };
    if (grip) wish(grip, valueAt(grip, here.y));
    else for (const one of line) drawOver(one, here);
    last = here;
  }
  /**
   * A bar under the pointer gets its height; one jumped over, the height where the pointer's way
   * crosses its middle.
   * @param {Bar} bar
   * @param {{ x: number, y: number }} here
   */
  function drawOver(bar, here) {
    const { left, right } = bar.track.getBoundingClientRect();
    const middle = (left + right) / 2;
    const inside = here.x >= left && here.x <= right;
    const crossed = (middle - last.x) * (middle - here.x) < 0;
    if (isHeld(bar) || !(inside || crossed)) return;
    const slope = (here.y - last.y) / (here.x - last.x);
    wish(bar, valueAt(bar, inside ? here.y : last.y + (middle - last.x) * slope));
  }
  /** @param {PointerEvent} event */
  const up = (event) => {
    if (stroke?.pointer && event.isPrimary) end();
  };

  const area = h("div", {
    class: joint ? "dgp-scroll" : "dgp-grid",
    onpointerdown: down,
    onpointermove: move,
    onpointerup: up,
    onpointercancel: up,
  });
  if (joint) {
    area.append(jointTable());
  } else {
    area.style.maxWidth = `${120 * columns}px`;
    area.append(...names[0].map((name, k) => addBar(null, k, name)));
  }

  /** Bars of all pairs, with totals at the right and below. */
  function jointTable() {
    const [first, second] = names;
    const total = (/** @type {HTMLElement} */ bar) => h("td", { class: "dgp-total" }, bar);
    const corner = h("span", { class: "dgkit-hint" }, `${attributes[0]} \\ ${attributes[1]}`);
    const titles = [...second, "total"].map((name) => h("th", { scope: "col" }, name));
    const head = h("tr", {}, h("td", {}, corner), ...titles);
    const rows = first.map((a, i) => {
      const cells = second.map((b, j) => h("td", {}, addBar(null, i * columns + j, `${a}, ${b}`)));
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, a),
        ...cells,
        total(addBar(0, i, `${a}, total`)),
      );
    });
    const totals = second.map((b, j) => total(addBar(1, j, `${b}, total`)));
    const foot = h("tr", {}, h("th", { scope: "row" }, "total"), ...totals, h("td"));
    const table = h("table", { class: "dgp-table" }, head, ...rows, foot);
    table.style.minWidth = `${64 + 46 * (columns + 1)}px`;
    return table;
  }

  const buttons = [
    undo,
    redo,
    button(`As the ${from}`, () => ask("reset", `As the ${from}`)),
    button("Uniform", () => ask("uniform", "Uniform")),
  ];
  const facts = [
    h("span", {}, `Total variation distance to the ${from}: `, far),
    meter,
    h("span", { class: "dgp-key" }, h("i"), "target"),
    h("span", { class: "dgp-key" }, h("b"), from),
    scale,
  ];
  const keys =
    "Drag a bar's top, or draw across bars. Keys: arrows 1 %, Page Up and Down 10 %, Home, End, " +
    "a number and Enter, L locks, Ctrl+Z undoes.";
  body.append(
    h("h3", {}, `Target distribution of ${what}, in % of the samples`),
    h("div", { class: "dgkit-row" }, ...buttons),
    h("div", { class: "dgp-facts" }, ...facts),
    area,
    note,
    h("div", { class: "dgkit-hint" }, keys),
  );
  root.addEventListener("keydown", (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!isUndo || /** @type {HTMLElement} */ (event.target).dataset.typing) return;
    taken(event); // JupyterLab's would undo in the notebook, too
    (event.shiftKey ? redo : undo).click();
  });
  for (const trait of TRAITS) cleanups.push(on(model, trait, load));
  cleanups.push(draw.cancel, send.cancel);
  load();
  return close;
}

/**
 * Why nothing can move.
 * @param {number} free how many are not locked
 */
function lockNote(free) {
  if (free > 1) return "";
  if (free) return "All but one are locked, so nothing can move: unlock another.";
  return "All are locked: unlock two to draw.";
}

/** Its bow stands in the body on both sides, or swung out on one: as the button is pressed. */
function padlock() {
  const body = { x: 1, y: 6, width: 10, height: 7.5, rx: 1.2, fill: "currentColor" };
  const bow = { fill: "none", stroke: "currentColor", "stroke-width": 1.6 };
  return svg(
    "svg",
    { viewBox: "0 0 16 14", width: 15, height: 13, "aria-hidden": "true" },
    svg("path", { class: "dgp-closed", d: "M3 6V4a3 3 0 0 1 6 0v2", ...bow }),
    svg("path", { class: "dgp-open", d: "M8.6 6V3.9a3 3 0 0 1 6 0v1.8", ...bow }),
    svg("rect", body),
  );
}

export default { render };
