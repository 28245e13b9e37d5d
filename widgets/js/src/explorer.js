// The Explorer: a control a dim, one chart, one table. Python slices; a slider's label moves at
// once, the rest with its answer.

import "./lib/dgkit.css";
import "./explorer.css";
import { padded } from "./lib/axes.js";
import { lineChart } from "./lib/chart.js";
import {
  act,
  atMost,
  field,
  h,
  on,
  oncePerFrame,
  select,
  setOptions,
  shell,
  uid,
} from "./lib/dom.js";
import { floats, rows, short, shortUp } from "./lib/numbers.js";

/** @import { RenderProps } from "./lib/dom.js" */

/**
 * A dimension of the Dataset, its values as texts; `slides` where their order means something.
 * @typedef {{ name: string, label: string, values: string[], slides: boolean }} Dim
 */

/** @typedef {[number | string | null, number | string | null, number | string | null]} Three */

/** @typedef {Record<string, any>} Changes of what is chosen, as Python's choose() takes them */

const MOST_BOXES = 60; // values that can be compared

/** @param {RenderProps} props */
function render({ model, el }) {
  /** @type {Dim[]} */
  const listed = model.get("dims");
  const dims = new Map(listed.map((dim) => [dim.name, dim]));
  const dimOf = (/** @type {string} */ name) => /** @type {Dim} */ (dims.get(name));
  const { body, say, cleanups, close } = shell(el, model, "Explorer");

  // changes go out at most thirty times a second, those that wait together
  const owner = `${Math.random()}`;
  let sent = "";
  let count = 0;
  /** @type {Changes} */
  let wanted = {};
  const send = atMost(30, () => {
    sent = `${owner}-${++count}`;
    if (act(model, "choose", { ...wanted, token: sent })) wanted = {};
    else sent = "";
  });
  /** @param {Changes} changes */
  function choose(changes) {
    const index = changes.index ? { index: { ...wanted.index, ...changes.index } } : {};
    wanted = { ...wanted, ...changes, ...index };
    send();
  }

  /**
   * @param {string} label
   * @param {string} key of what is chosen
   */
  const pick = (label, key) => {
    const element = select([], "", (value) => choose({ [key]: value || null }));
    return { element, root: field(label, element) };
  };
  /**
   * @param {string} label
   * @param {string} key of what is chosen
   */
  const check = (label, key) => {
    const box = h("input", {
      type: "checkbox",
      id: uid("check"),
      onchange: () => choose({ [key]: box.checked }),
    });
    return { box, root: h("label", { for: box.id }, box, label) };
  };
  const variable = pick("Variable", "variable");
  const along = pick("Along", "x");
  const overlay = pick("Compare", "overlay");
  const logX = check("log horizontal", "log_x");
  const logY = check("log vertical", "log_y");
  const sameY = check("same vertical axis", "same_y");
  sameY.root.title = "One vertical axis for all positions of the sliders";
  const checks = h("div", { class: "dge-checks" }, logX.root, logY.root, sameY.root);
  const choices = [variable.root, along.root, overlay.root, checks];

  /** @type {Map<string, ReturnType<typeof dimControl>>} */
  const sliders = new Map();
  const row = h("div", { class: "dge-sliders" });
  const values = h("fieldset", { class: "dge-compare" }, h("legend"));
  const place = h("div", { class: "dge-chart" });
  const note = h("div", { class: "dgkit-hint" });
  const table = metricsTable();
  const top = h("div", { class: "dgkit-row" }, ...choices);
  body.append(top, values, row, place, note, table.caption, table.scroll);

  /** @param {Dim} dim */
  function slider(dim) {
    const found = sliders.get(dim.name);
    if (found) return found;
    const made = dimControl(dim, (k) => choose({ index: { [dim.name]: k } }));
    sliders.set(dim.name, made);
    return made;
  }

  let controls = "";
  /**
   * Controls are made anew where what they offer has changed only, so that the focus stays.
   * @param {any} frame
   * @param {any} chosen
   * @param {boolean} settled
   */
  function drawControls(frame, chosen, settled) {
    const offer = JSON.stringify([frame.variable, frame.own]);
    if (offer !== controls) {
      controls = offer;
      /** @type {Dim[]} */
      const own = frame.own.map(dimOf);
      const several = own.filter((dim) => dim.values.length > 1);
      const lines = own.filter((dim) => dim.name !== frame.seed_dim);
      const turned = lines.filter((dim) => several.includes(dim) || dim.name === chosen.x);
      const pair = (/** @type {Dim} */ dim) => [dim.name, dim.label];
      setOptions(variable.element, model.get("variables"));
      setOptions(along.element, turned.map(pair));
      setOptions(overlay.element, [["", "nothing"], ...several.map(pair)]);
      fillChoices(chosen);
    }
    if (settled) fillChoices(chosen);
    along.root.hidden = !along.element.options.length;
    overlay.root.hidden = overlay.element.options.length < 2;
    [logX, logY].forEach(({ box }, axis) => {
      box.checked = frame.log[axis];
      box.disabled = !frame.possible[axis];
    });
    sameY.box.checked = !!chosen.same_y;

    /** @type {string[]} */
    const names = frame.sliders;
    const roots = names.map((name) => slider(dimOf(name)).root);
    const same = roots.length === row.children.length;
    if (!same || roots.some((root, k) => root !== row.children[k])) row.replaceChildren(...roots);
    if (settled) for (const name of names) slider(dimOf(name)).set(frame.at[name]);
  }

  /** @param {any} chosen */
  function fillChoices(chosen) {
    variable.element.value = chosen.variable ?? "";
    along.element.value = chosen.x ?? "";
    overlay.element.value = chosen.overlay ?? "";
  }

  let compared = "";
  /** @type {number[]} places that have a box */
  let offered = [];
  /**
   * A box for each of the first values of the dim that is compared, and for those that are.
   * @param {any} frame
   * @param {any} chosen
   * @param {boolean} settled
   */
  function drawCompared(frame, chosen, settled) {
    const kind = chosen.overlay ?? "";
    values.hidden = !kind;
    const texts = dims.get(kind)?.values ?? [];
    const before = kind === compared ? offered : texts.slice(0, MOST_BOXES).map((_, k) => k);
    const all = kind ? [...new Set([...before, ...frame.compare])].sort((a, b) => a - b) : [];
    if (kind !== compared || all.length > offered.length) {
      [compared, offered] = [kind, all];
      const few = all.length < texts.length ? ` (${all.length} of ${texts.length})` : "";
      const boxes = all.map((k) => valueBox(texts[k], k));
      values.replaceChildren(h("legend", {}, `${dims.get(kind)?.label ?? ""}${few}`), ...boxes);
    }
    if (!settled) return;
    for (const box of values.querySelectorAll("input")) {
      box.checked = frame.compare.includes(Number(box.value));
    }
  }

  /**
   * @param {string} text
   * @param {number} k
   */
  function valueBox(text, k) {
    const onchange = () => {
      const checked = /** @type {NodeListOf<HTMLInputElement>} */ (
        values.querySelectorAll("input:checked")
      );
      if (checked.length) choose({ compare: Array.from(checked, (one) => Number(one.value)) });
      else box.checked = true; // one stays
    };
    const id = uid("value");
    const box = h("input", { type: "checkbox", id, value: String(k), onchange });
    return h("label", { for: id }, box, text);
  }

  /** @type {ReturnType<typeof lineChart> | null} */
  let chart = null;
  let chartKind = "";
  /**
   * @param {any} frame
   * @param {boolean} ordered whether lines may join the values along the horizontal axis
   */
  function drawChart(frame, ordered) {
    // middle, lower and upper edge of each line
    const parts = frame.n ? rows(floats(frame.lines), frame.n) : [];
    /** @type {string[]} what is said of a line that is not drawn */
    const why = frame.names.map((/** @type {any} */ _, /** @type {number} */ k) => {
      const line = parts[3 * k] ?? [];
      const infinite = line.some(isInfinite);
      if (line.some(Number.isFinite)) return infinite ? " (infinite where not drawn)" : "";
      return infinite ? " (infinite)" : " (not measured)";
    });
    const empty = !parts.some((line, k) => k % 3 === 0 && line.some(Number.isFinite));
    place.hidden = !frame.n || empty;
    note.hidden = !place.hidden;
    note.textContent = whyEmpty(frame, why.includes(" (infinite)"));
    if (place.hidden) return;
    const shape = ordered ? "band" : "bar";
    const band = `: median, ${shape} from smallest to largest of ${frame.seeds} ${frame.seed_dim}s`;
    const options = {
      title: frame.label + (frame.band ? band : ""),
      x: { label: frame.x_label, log: frame.log[0], labels: frame.labels },
      y: { label: frame.label, log: frame.log[1], up: frame.bounds.includes(frame.label) },
      height: frame.labels ? 320 : 260,
    };
    const kind = JSON.stringify(options);
    if (kind !== chartKind) {
      chart?.destroy();
      chart = lineChart(place, options);
      chartKind = kind;
    }
    const level = (/** @type {ArrayLike<number>} */ values) => new Set(Array.from(values)).size < 2;
    chart?.set({
      x: floats(frame.x),
      range: frame.range && padded(frame.range, frame.log[1]),
      xRange: horizontalRange(frame),
      series: frame.names.map((/** @type {string} */ name, /** @type {number} */ k) => ({
        name: `${name}${why[k]}`,
        y: parts[3 * k].map(finiteOnly),
        real: frame.real[k],
        points: frame.n <= 40 && !frame.real[k],
        apart: !ordered && !(frame.real[k] && level(parts[3 * k])),
        band:
          frame.band && !frame.real[k]
            ? [parts[3 * k + 1].map(finiteOnly), parts[3 * k + 2].map(finiteOnly)]
            : null,
      })),
    });
  }

  /** @param {any} frame */
  function drawTable(frame) {
    /** @type {string[]} */
    const names = frame.sliders;
    const fixed = names.map((name) => `${dimOf(name).label} ${dimOf(name).values[frame.at[name]]}`);
    const seeds = `: median (smallest to largest of ${frame.seeds} ${frame.seed_dim}s)`;
    const title = fixed.length ? `At ${fixed.join(", ")}` : "Metrics";
    table.show(title + (frame.seeds > 1 ? seeds : ""), frame);
  }

  let spoken = "";
  const draw = oncePerFrame(() => {
    const frame = model.get("frame");
    const chosen = model.get("selection");
    if (!frame.own) return; // nothing has come yet
    const settled = !sent;
    drawControls(frame, chosen, settled);
    drawCompared(frame, chosen, settled);
    drawChart(frame, dimOf(chosen.x)?.slides ?? true);
    drawTable(frame);
    if (settled && spoken) say(spoken);
    spoken = "";
  });
  const update = () => {
    if (model.get("answered") === sent) sent = ""; // before another view's answer comes
    spoken = shownRow(model.get("frame"));
    draw();
  };
  for (const trait of ["frame", "answered"]) cleanups.push(on(model, trait, update));
  cleanups.push(draw.cancel, send.cancel, () => chart?.destroy());
  draw();
  return close;
}

/**
 * A dim's control: a slider with its value, or a choice.
 * @param {Dim} dim
 * @param {(k: number) => void} choose
 */
function dimControl({ label, values, slides }, choose) {
  const id = uid("dim");
  if (!slides) {
    const options = values.map((value, k) => [String(k), value]);
    const element = select(options, "0", (k) => choose(Number(k)), { id });
    const set = (/** @type {number} */ k) => {
      element.value = String(k);
    };
    return {
      root: h("div", { class: "dge-slider" }, h("label", { for: id }, label), element),
      set,
    };
  }

  const shown = h("output", { for: id });
  const element = h("input", {
    type: "range",
    id,
    min: "0",
    max: String(values.length - 1),
    step: "1",
    oninput: () => {
      tell(Number(element.value));
      choose(Number(element.value));
    },
  });
  const tell = (/** @type {number} */ k) => {
    shown.textContent = values[k];
    element.setAttribute("aria-valuetext", values[k]);
  };
  const set = (/** @type {number} */ k) => {
    element.value = String(k);
    tell(k);
  };
  const name = h("label", { for: id }, label, shown);
  return { root: h("div", { class: "dge-slider" }, name, element), set };
}

/** All variables at the sliders' places; the one in the chart is marked. */
function metricsTable() {
  const caption = h("div", { class: "dgkit-chart-title dge-caption", id: uid("caption") });
  const head = h("thead");
  const lines = h("tbody");
  const named = { "aria-labelledby": caption.id };
  const table = h("table", { class: "dge-table", ...named }, head, lines);
  const scroll = h("div", { class: "dge-scroll", tabindex: "0", role: "region", ...named }, table);

  /**
   * @param {Three} cell
   * @param {typeof short} text
   */
  const cell = ([median, low, high], text) => {
    const range = ` (${text(low)} to ${text(high)})`;
    return h(
      "td",
      {},
      text(median),
      low === high ? null : h("span", { class: "dge-range" }, range),
    );
  };

  /**
   * @param {string} title
   * @param {any} frame
   */
  function show(title, frame) {
    /** @type {[string, ...Three[]][]} */
    const wanted = frame.rows;
    /** @type {string[]} */
    const heads = frame.heads;
    caption.textContent = title;
    const columns = heads.map((text) => h("th", { scope: "col" }, text));
    head.replaceChildren(...(columns.length ? [h("tr", {}, h("td"), ...columns)] : []));
    const made = wanted.map(([label, ...cells]) => {
      const shown = label === frame.label ? { class: "dge-shown" } : {};
      const text = textOf(frame, label);
      const three = cells.map((one) => cell(one, text));
      return h("tr", shown, h("th", { scope: "row" }, label), ...three);
    });
    lines.replaceChildren(...made);
    scroll.hidden = !wanted.length;
    caption.hidden = !wanted.length;
  }
  return { caption, scroll, show };
}

/**
 * What stands in the chart's place where there is nothing to draw.
 * @param {any} frame
 * @param {boolean} infinite whether a value is
 */
function whyEmpty({ n, label }, infinite) {
  if (!n) return `${label} is one number for each value: it stands in the table.`;
  if (infinite) return "Infinite at these values, which no chart can show: see the table.";
  return "Nothing was measured at these values: choose others.";
}

/**
 * Half a step beside the texts; a little room beside the numbers of a logarithmic axis.
 * @param {any} frame
 */
function horizontalRange({ labels, log, n, x }) {
  if (labels) return [-0.5, n - 0.5];
  if (!log[0]) return null;
  const numbers = floats(x);
  return [numbers[0] / 1.15, numbers[n - 1] * 1.15];
}

/**
 * The table's row of the variable shown, in words.
 * @param {any} frame
 */
function shownRow(frame) {
  const { rows: all = [], label, heads } = frame;
  /** @type {[string, ...Three[]] | undefined} */
  const row = all.find((/** @type {string[]} */ [name]) => name === label);
  if (!row) return "";
  const [name, ...cells] = row;
  const text = textOf(frame, label);
  const parts = cells.map(([median], k) => `${heads[k] ?? ""} ${text(median)}`);
  return `${name}: ${parts.join(", ")}`;
}

/** @param {number} value */
const isInfinite = (value) => Math.abs(value) === Infinity;

/** @param {number} value */
const finiteOnly = (value) => (Number.isFinite(value) ? value : Number.NaN);

/**
 * How a variable's numbers are written: those of a bound are rounded up.
 * @param {any} frame
 * @param {string} label
 */
const textOf = (frame, label) => (frame.bounds.includes(label) ? shortUp : short);

export default { render };
