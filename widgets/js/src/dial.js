// The PrivacyDial: sliders and fields, epsilon now and what it promises, its growth, the recorded
// run nearest to it, and all ways on one axis of epsilon. No arithmetic of privacy here: Python
// gives sliders their values, and every number and sentence.

import "./lib/dgkit.css";
import "./dial.css";
import { wishList } from "./dial/wishes.js";
import { lineChart } from "./lib/chart.js";
import {
  button,
  field,
  h,
  isOff,
  on,
  oncePerFrame,
  select,
  setOff,
  setOptions,
  shell,
  taken,
  uid,
} from "./lib/dom.js";
import { gallery } from "./lib/gallery.js";
import { floats, rows, typed, written } from "./lib/numbers.js";

/** @import { Series } from "./lib/axes.js" */
/** @import { Wishes } from "./dial/wishes.js" */
/** @import { Model, RenderProps } from "./lib/dom.js" */

/**
 * A setting as Python describes it: "slide" has a slider and a field, "number" a field, "choice"
 * options.
 * @typedef {{ name: string, label: string, kind: string, options: string[] }} Control
 */

/**
 * A setting in the page; `place` is that on the slider.
 * @typedef {object} Shown
 * @property {HTMLElement} root
 * @property {(value: any, hint: string | undefined, place: number) => void} show
 */

const CHART_HEIGHT = 240;

/** @param {RenderProps} props */
function render({ model, el }) {
  const { root, body, say, cleanups, close } = shell(el, model, "Privacy dial");
  root.classList.add("dgd");
  const wishes = wishList(model);
  const settings = settingsForm(model, wishes, () => draw());
  const undo = button("Undo", () => !isOff(undo) && wishes.ask("undo"), { title: "Ctrl+Z" });
  const reset = button("Start values", () => wishes.ask("reset"));
  const target = targetForm(wishes);
  const now = nowPanel(model.get("guarantee"));
  const growth = growthChart();
  const record = recordPanel();
  const beside = besidePanel(wishes);
  const left = h(
    "div",
    {},
    h("div", { class: "dgd-sliders" }, ...settings.roots("slide")),
    target.root,
    h("div", { class: "dgkit-row" }, undo, reset),
    h("div", { class: "dgd-numbers" }, ...settings.roots("number", "choice")),
  );
  const columns = [
    h("div", { class: "dgd-side" }, left, growth.root),
    h("div", { class: "dgd-side" }, now.root, record.root),
  ];
  body.append(h("div", { class: "dgd-columns" }, ...columns), beside.root);

  let spoken = "";
  const draw = oncePerFrame(() => {
    const frame = model.get("frame");
    setOff(undo, !model.get("can_undo"));
    now.show(frame);
    growth.show(frame);
    if (wishes.settled() && !wishes.waiting()) {
      settings.show(model.get("settings"), frame);
      target.show(model.get("settings").target);
    }
    if (!wishes.settled()) return;
    const text = frame.problem ? "" : `epsilon ${frame.big}, ${frame.tier}`;
    if (text && text !== spoken) say(text);
    spoken = text;
  });
  const drawRecord = () => record.show(model.get("record"));
  const drawBeside = () => beside.show(model.get("beside"));

  for (const trait of ["frame", "grids", "can_undo", "answered"]) {
    cleanups.push(on(model, trait, draw));
  }
  cleanups.push(wishes.stop, on(model, "record", drawRecord));
  cleanups.push(on(model, "beside", drawBeside));
  root.addEventListener("keydown", (event) => {
    const isUndo = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
    if (!isUndo || /** @type {Element} */ (event.target).matches("input[type=text]")) return;
    taken(event); // JupyterLab's would undo in the notebook, too
    undo.click();
  });
  cleanups.push(draw.cancel, wishes.send.cancel, growth.destroy, record.destroy, beside.destroy);
  draw();
  drawRecord();
  drawBeside();
  return close;
}

/**
 * @param {Model} model
 * @param {Wishes} wishes
 * @param {() => void} draw
 */
function settingsForm(model, wishes, draw) {
  /** @type {Control[]} */
  const controls = model.get("controls");
  const make = (/** @type {Control} */ control) => {
    if (control.kind === "choice") return choice(control, wishes);
    if (control.kind === "number") return number(control, wishes, draw);
    return slide(control, model, wishes, draw);
  };
  const fields = controls.map((control) => ({ ...control, ...make(control) }));
  return {
    roots: (/** @type {string[]} */ ...kinds) =>
      fields.filter(({ kind }) => kinds.includes(kind)).map((one) => one.root),
    /**
     * @param {Record<string, any>} settings
     * @param {any} frame
     */
    show(settings, { hints, places }) {
      for (const { name, show } of fields) show(settings[name], hints[name], places[name]);
    },
  };
}

const hintFor = (/** @type {string} */ name) =>
  h("span", { class: "dgkit-hint", id: uid(`${name}-hint`) });

/**
 * @param {Control} control
 * @param {Wishes} wishes
 * @returns {Shown}
 */
function choice({ name, label, options }, wishes) {
  const hint = hintFor(name);
  const take = (/** @type {string} */ value) => {
    wishes.endStroke();
    wishes.change({ [name]: value });
  };
  const element = select(options, "", take, { "aria-describedby": hint.id, "data-name": name });
  const root = field(label, element);
  root.append(hint);
  root.classList.add("dgd-field");
  return {
    root,
    show(value, text) {
      element.value = value;
      hint.textContent = text ?? "";
    },
  };
}

/**
 * @param {Control} control
 * @param {Wishes} wishes
 * @param {() => void} draw
 * @returns {Shown}
 */
function number({ name, label }, wishes, draw) {
  const hint = hintFor(name);
  const { input, show } = numberInput(name, hint.id, wishes, draw);
  const title = h("label", { for: input.id }, label);
  return {
    root: h("div", { class: "dgd-field" }, title, input, hint),
    show(value, text) {
      show(value);
      hint.textContent = text ?? "";
    },
  };
}

/**
 * A slider with its field. Python gives it its values, in `grids`.
 * @param {Control} control
 * @param {Model} model
 * @param {Wishes} wishes
 * @param {() => void} draw
 * @returns {Shown}
 */
function slide({ name, label }, model, wishes, draw) {
  const hint = hintFor(name);
  const number = numberInput(name, hint.id, wishes, draw);
  number.input.setAttribute("aria-label", `${label}, number`);
  const slider = h("input", {
    type: "range",
    id: uid(name),
    min: "0",
    step: "1",
    "aria-describedby": hint.id,
    "data-slider": name,
  });
  // a drag back to where it began ends without a "change" in some browsers
  slider.addEventListener("pointerdown", wishes.endStroke);
  slider.addEventListener("input", () => {
    const value = model.get("grids")[name][Number(slider.value)];
    wishes.beginStroke();
    number.replace(value);
    slider.setAttribute("aria-valuetext", written(value));
    wishes.change({ [name]: value });
  });
  // the pointer, or a key, was let go
  slider.addEventListener("change", () => {
    wishes.send.now();
    wishes.endStroke();
  });
  const title = h("label", { for: slider.id }, label);
  const line = h("div", { class: "dgd-line" }, slider, number.input);
  return {
    root: h("div", { class: "dgd-field" }, title, line, hint),
    show(value, text, place) {
      const last = String(model.get("grids")[name].length - 1);
      if (slider.max !== last) slider.max = last;
      slider.value = String(place);
      slider.setAttribute("aria-valuetext", written(value));
      number.show(value);
      hint.textContent = text ?? "";
    },
  };
}

/**
 * A text field for a number: what is being typed, or was refused, stays until it is changed.
 * @param {string} name
 * @param {string} described id of the hint
 * @param {Wishes} wishes
 * @param {() => void} draw
 */
function numberInput(name, described, wishes, draw) {
  const input = h("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    spellcheck: "false",
    id: uid(name),
    "data-name": name,
    "aria-describedby": described,
  });
  let typing = false;
  /** @type {string | null} */
  let pending = null; // what was asked for
  const take = () => {
    if (!typing) return;
    typing = false;
    if (!input.value.trim()) {
      draw();
      return;
    }
    wishes.endStroke();
    pending = input.value;
    wishes.change({ [name]: numberOrText(input.value) });
  };
  input.addEventListener("input", () => {
    typing = true;
    pending = null;
  });
  input.addEventListener("change", take);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") take();
    if (event.key === "Escape") {
      typing = false;
      pending = null;
      draw();
    }
  });
  return {
    input,
    /** @param {number} value */
    show(value) {
      if (typing) return;
      const refused = pending !== null && typed(pending) !== value;
      input.setAttribute("aria-invalid", String(refused));
      if (refused) return;
      pending = null;
      input.value = written(value);
    },
    /**
     * The slider was moved: what was refused is over.
     * @param {number} value
     */
    replace(value) {
      pending = null;
      if (!typing) input.value = written(value);
    },
  };
}

/**
 * What was typed, for Python: what is no number as it is, so that Python says what is wrong with
 * it.
 * @param {string} text
 */
function numberOrText(text) {
  const value = typed(text);
  return Number.isFinite(value) ? value : text;
}

/**
 * The noise for an epsilon.
 * @param {Wishes} wishes
 */
function targetForm(wishes) {
  const aim = h("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    "data-name": "target",
  });
  const solving = h("span", { class: "dgkit-hint", role: "status" });
  const find = () => {
    if (!aim.value.trim()) return;
    solving.textContent = " searching";
    wishes.askAndWait("solve", { target: numberOrText(aim.value) });
  };
  aim.addEventListener("keydown", (event) => {
    if (event.key === "Enter") find();
  });
  const root = h(
    "div",
    { class: "dgkit-row dgd-target" },
    field("Noise for epsilon =", aim),
    button("Set the noise", find),
    solving,
  );
  return {
    root,
    /** @param {number | null} target */
    show(target) {
      solving.textContent = "";
      if (target !== null && document.activeElement !== aim) aim.value = written(target);
    },
  };
}

/**
 * Epsilon now, and what it promises.
 * @param {string[]} guarantee what it covers, and what not
 */
function nowPanel(guarantee) {
  const paragraph = (/** @type {string} */ text) => h("p", {}, text);
  const big = h("span");
  const tier = h("span", { class: "dgd-tier" });
  const head = h("div", { class: "dgkit-hint" });
  const note = h("p", { class: "dgd-note" });
  const words = h("div");
  const attack = attackMeter();
  const promise = h("div", { class: "dgd-guarantee" }, ...guarantee.map(paragraph));
  const number = h("div", { class: "dgd-big" }, h("small", {}, "epsilon "), big, tier);
  const root = h("div", { class: "dgd-now" }, number, head, note, words, attack.root, promise);
  return {
    root,
    /** @param {any} frame */
    show(frame) {
      big.textContent = frame.big;
      tier.textContent = frame.tier;
      head.textContent = frame.head;
      note.textContent = frame.note ?? "";
      note.hidden = !frame.note;
      words.replaceChildren(...frame.words.map(paragraph));
      attack.show(frame.accuracy);
      promise.hidden = frame.n > 0 && frame.at[1] === null; // an infinite epsilon covers nothing
    },
  };
}

/** How often the best attack is right. */
function attackMeter() {
  const title = "Right answers of the best membership attack, at most";
  const fill = h("div");
  const limits = { "aria-valuemin": "0", "aria-valuemax": "100" };
  const meter = h(
    "div",
    { class: "dgd-meter", role: "meter", "aria-label": title, ...limits },
    fill,
  );
  const marks = ["0 %", "guessing: 50 %", "100 %"].map((text) => h("span", {}, text));
  const root = h(
    "div",
    {},
    h("div", { class: "dgkit-hint", "aria-hidden": "true" }, title),
    meter,
    h("div", { class: "dgd-scale", "aria-hidden": "true" }, ...marks),
  );
  return {
    root,
    /** @param {number | null} accuracy */
    show(accuracy) {
      root.hidden = accuracy === null;
      if (accuracy === null) return;
      fill.style.width = `${accuracy * 100}%`;
      meter.setAttribute("aria-valuenow", (Math.ceil(accuracy * 1000) / 10).toFixed(1));
    },
  };
}

/** How epsilon grows, with a point for now and lines for comparison. */
function growthChart() {
  const root = h("div", { class: "dgd-growth" });
  const chart = lineChart(root, {
    title: "How epsilon grows while training goes on (RDP)",
    x: { label: "epochs" },
    y: { label: "epsilon", log: true, up: true },
    height: CHART_HEIGHT,
  });
  return {
    root,
    destroy: chart.destroy,
    /** @param {any} frame */
    show(frame) {
      root.style.opacity = frame.problem ? "0.4" : "";
      if (!frame.n) return;
      const x = floats(frame.x);
      const [epoch, epsilon] = frame.at;
      const now = new Float32Array(x.length).fill(Number.NaN);
      now[nearestTo(epoch, x)] = epsilon ?? Number.NaN;
      const first = floats(frame.first);
      /** @type {Series[]} */
      const series = [
        { name: "these settings", y: floats(frame.curve), colour: 0, width: 2.5 },
        { name: "now", y: now, colour: 0, points: true, mark: true },
        ...(first.length ? [{ name: "start values", y: first, colour: 1 }] : []),
      ];
      frame.lines.forEach(
        (/** @type {[string, number]} */ [name, level], /** @type {number} */ k) => {
          const y = new Float32Array(x.length).fill(level);
          series.push({ name, y, colour: k + 2, width: 1.25, mark: true });
        },
      );
      chart.set({ x, xRange: [0, frame.until], range: frame.range, series });
    },
  };
}

/**
 * The place of the first of the numbers that are nearest.
 * @param {number} value
 * @param {Float32Array} numbers
 */
function nearestTo(value, numbers) {
  const away = Array.from(numbers, (one) => Math.abs(one - value));
  return Math.max(0, away.indexOf(Math.min(...away)));
}

/** The recorded run nearest to the settings: a chart of its measure, and some of its series. */
function recordPanel() {
  const place = h("div");
  const compared = h("div", { class: "dgkit-hint" });
  const samples = h("div");
  const root = h("div", {}, place, compared, samples);
  /** @type {ReturnType<typeof lineChart> | null} */
  let chart = null;
  let kind = "";
  /** @type {ReturnType<typeof gallery> | null} */
  let series = null;

  /** @param {any} record */
  function show(record) {
    compared.textContent = record.compared ?? "";
    if (!record.n) {
      destroy(); // a picture of other settings would be taken for one of these
      return;
    }
    const now = JSON.stringify([record.title, record.x_label]);
    if (now !== kind) {
      chart?.destroy();
      const seeds = `: median, band over ${record.seeds} seeds`;
      chart = lineChart(place, {
        title: record.title + (record.seeds > 1 ? seeds : ""),
        x: { label: record.x_label },
        y: { label: "autocorrelation", range: [-1, 1.02] },
        height: CHART_HEIGHT,
      });
      kind = now;
    }
    const parts = rows(floats(record.lines), record.n); // middle, lower and upper edge of each line
    chart?.set({
      x: floats(record.x),
      series: record.names.map((/** @type {string} */ name, /** @type {number} */ k) => {
        const y = parts[3 * k];
        if (record.real[k]) return { name, y, real: true };
        const band = record.seeds > 1 ? [parts[3 * k + 1], parts[3 * k + 2]] : null;
        return { name, y, colour: k, band };
      }),
    });
    if (record.time) showSeries(record);
  }

  /** @param {any} record */
  function showSeries(record) {
    series ??= gallery(samples, { panel: [150, 70] });
    const found = rows(floats(record.series), record.time);
    series.set({
      label: record.series_label,
      series: found,
      titles: found.map((_, k) => `sample ${k + 1}`),
      colour: 0,
      log: record.log,
    });
  }

  function destroy() {
    chart?.destroy();
    series?.destroy();
    samples.replaceChildren();
    [chart, series, kind] = [null, null, ""];
  }
  return { root, show, destroy };
}

/**
 * What all ways make of an epsilon, as measured: a chart, and a table of what they are at about the
 * dial's.
 * @param {Wishes} wishes
 */
function besidePanel(wishes) {
  const place = h("div");
  const measures = select([], "", (measure) => wishes.ask("look", { measure }), {
    "data-name": "measure",
  });
  const table = h("table", { class: "dgd-ways" });
  const note = h("p", { class: "dgkit-hint" });
  const choice = h("div", { class: "dgkit-row" }, field("Measure", measures));
  const scroll = h("div", { class: "dgd-scroll" }, table);
  const root = h("div", { class: "dgd-beside", hidden: true }, choice, place, scroll, note);
  /** @type {ReturnType<typeof lineChart> | null} */
  let chart = null;
  let kind = "";

  /** @param {any} beside */
  function show(beside) {
    root.hidden = !beside.n;
    if (!beside.n) return;
    if (measures.options.length !== beside.measures.length) setOptions(measures, beside.measures);
    measures.value = beside.measure;
    if (beside.title !== kind) {
      chart?.destroy();
      chart = lineChart(place, {
        title: beside.title,
        x: { label: "epsilon", log: true },
        y: { label: beside.y_label, log: true },
        height: CHART_HEIGHT,
      });
      kind = beside.title;
    }
    chart?.set(lines(beside));
    const head = beside.head.map((/** @type {string} */ text) => h("th", { scope: "col" }, text));
    const body = beside.rows.map((/** @type {string[]} */ [way, ...rest]) =>
      h("tr", {}, h("th", { scope: "row" }, way), ...rest.map((text) => h("td", {}, text))),
    );
    table.replaceChildren(
      h("caption", {}, beside.title),
      h("thead", {}, h("tr", {}, ...head)),
      h("tbody", {}, ...body),
    );
    note.textContent = beside.note;
  }

  function destroy() {
    chart?.destroy();
    chart = null;
  }
  return { root, show, destroy };
}

/**
 * Each way where it was measured, and an upright line at the dial's epsilon: two points, next to
 * each other.
 * @param {any} beside
 */
function lines(beside) {
  const x = floats(beside.x);
  const found = rows(floats(beside.lines), beside.n);
  const known = found.flatMap((line) => Array.from(line).filter((v) => v > 0));
  const at = beside.now === null ? [] : [beside.now, beside.now * 1.0001];
  const places = [...x, ...at].map((value, k) => ({ value, k }));
  places.sort((one, other) => one.value - other.value || one.k - other.k);
  /** @param {ArrayLike<number>} values with those at the dial's epsilon last */
  const inOrder = (values) => Float32Array.from(places, ({ k }) => values[k] ?? Number.NaN);
  /** @type {Series[]} */
  const series = beside.names.map((/** @type {string} */ name, /** @type {number} */ k) => ({
    name,
    y: inOrder(found[k]),
    colour: k,
    points: true,
    joined: true,
  }));
  if (at.length) {
    const ends = [...new Array(x.length).fill(Number.NaN), Math.min(...known), Math.max(...known)];
    const one = beside.head.length > 3 ? ", of one sample" : ""; // beside that of a user
    series.push({ name: `the dial's epsilon${one}`, y: inOrder(ends), real: true, mark: true });
  }
  return { x: places.map(({ value }) => value), series };
}

export default { render };
