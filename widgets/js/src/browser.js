// Pages of small charts, filters, and the selected series with its nearest. Python owns all state;
// this asks and draws.

import "./lib/dgkit.css";
import "./browser.css";
import { lineChart } from "./lib/chart.js";
import {
  act,
  button,
  checkField,
  field,
  h,
  on,
  select,
  setOff,
  setOptions,
  shell,
} from "./lib/dom.js";
import { gallery } from "./lib/gallery.js";
import { floats, rows, short } from "./lib/numbers.js";

/** @import { RenderProps } from "./lib/dom.js" */
/** @import { GalleryOptions } from "./lib/gallery.js" */

/**
 * What can be browsed, as Python describes it.
 * @typedef {object} Info
 * @property {{ name: string, total: number }[]} sets
 * @property {Feature[]} features
 * @property {Attribute[]} attributes
 * @property {string[]} orders
 * @property {string} time the label of the time axis
 */

/** @typedef {{ name: string, label: string, unit: string, categories: string[] }} Feature */

/**
 * An attribute has categories, or numbers between two ends.
 * @typedef {object} Attribute
 * @property {string} name
 * @property {string} label
 * @property {string} unit
 * @property {string[] | null} categories
 * @property {[number, number]} ends
 */

/**
 * @typedef {{ set: string, sample: number, distance?: number, ratio?: number | null }} Neighbour
 */

/** @typedef {(settings: object) => void} Ask Python's show() */

/** @typedef {(set: string, sample: number) => void} Choose Python's select() */

/** @type {Record<string, string>} */
const ORDER = {
  stored: "as stored",
  "mid-range": "mid-range, ascending",
  length: "length, ascending",
  random: "random",
};
const SIZES = [6, 12, 24, 48];
const PALETTE = [0, 1, 2, 3, 4, 5, 6];
const whole = (/** @type {number} */ n) => n.toLocaleString("en");

/** @param {RenderProps} props */
function render({ model, el }) {
  const { root, body, say, cleanups, close } = shell(el, model, "Series browser");
  root.classList.add("dgkit-browser");
  /** @type {Info} */
  const info = model.get("info");
  /** @type {Ask} */
  const ask = (settings) => void act(model, "show", settings);
  /** @type {Choose} */
  const choose = (set, sample) => void act(model, "select", { set, sample });
  const bar = toolbar(info, ask);
  const filters = filterForm(info, ask);
  const blocks = info.sets.map((set, place) =>
    block(set, place, {
      onselect: (k) => choose(set.name, model.get("frame").sets[place].samples[k]),
      onpage: (step) => ask({ page: model.get("frame").page + step }),
    }),
  );
  const large = detailPanel(info, choose);
  const columns = h(
    "div",
    { class: "dgkit-browser-columns" },
    h("div", {}, ...blocks.map((one) => one.root)),
    large.root,
    large.table,
  );
  body.append(bar.root, ...(info.attributes.length ? [filters.root] : []), columns);
  cleanups.push(...blocks.map((one) => one.destroy), large.destroy);

  let spoken = "";
  const draw = () => {
    const frame = model.get("frame");
    const detail = model.get("detail");
    if (frame.sets) {
      bar.show(frame);
      filters.show(frame);
      const feature = /** @type {Feature} */ (info.features.find((f) => f.name === frame.feature));
      const lines = blocks.map((one, place) => {
        const selected = info.sets[place].name === detail.set ? detail.sample : null;
        return one.show(frame, feature, selected);
      });
      const text = `Page ${frame.page + 1} of ${frame.pages}. ${lines.join(". ")}`;
      if (spoken && text !== spoken) say(text);
      spoken = text;
    }
    large.show(detail, frame, say);
  };
  cleanups.push(on(model, "frame", draw), on(model, "detail", draw));
  draw();
  return close;
}

/** @param {{ name: string, label: string, unit: string }} variable */
const labelled = ({ name, label, unit }) => `${label || name}${unit ? ` (${unit})` : ""}`;

/**
 * Feature, order, axis, page.
 * @param {Info} info
 * @param {Ask} ask
 */
function toolbar(info, ask) {
  const features = info.features.map((one) => [one.name, labelled(one)]);
  const orders = info.orders.map((name) => [name, ORDER[name]]);
  const feature = select(features, "", (value) => ask({ feature: value }));
  const order = select(orders, "", (value) => ask({ order: value }));
  /**
   * @param {string} name
   * @param {number} first what stands for 0
   */
  const number = (name, first) => {
    const input = h("input", { type: "number", step: 1, min: first });
    input.onchange = () => {
      if (input.value === "") return;
      const most = input.max === "" ? Infinity : Number(input.max);
      const value = Math.max(first, Math.min(most, Math.round(Number(input.value))));
      input.value = String(value);
      ask({ [name]: value - first });
    };
    return input;
  };
  const seed = number("seed", 0);
  const page = number("page", 1);
  const tick = (/** @type {string} */ name) => {
    const onchange = () => ask({ [name]: box.checked });
    const box = h("input", { type: "checkbox", onchange });
    return box;
  };
  const shared = tick("shared");
  const log = tick("log");

  /** @type {any} */
  let frame = null;
  /**
   * @param {string} label
   * @param {() => number} target
   */
  const turn = (label, target) => button(label, () => ask({ page: target() }));
  const first = turn("First", () => 0);
  const previous = turn("Previous", () => frame.page - 1);
  const next = turn("Next", () => frame.page + 1);
  const last = turn("Last", () => frame.pages - 1);
  const size = select([], "", (value) => ask({ page_size: Number(value) }));
  const seedField = field("random seed", seed);
  const total = h("span", {});
  const settings = [
    field("feature", feature),
    field("order", order),
    seedField,
    checkField("one axis for all", shared),
    checkField("log axis", log),
  ];
  const pages = [
    first,
    previous,
    field("page", page),
    total,
    next,
    last,
    field("samples on a page", size),
  ];
  const group = { role: "group", "aria-label": "page", style: "margin-top: 8px" };
  const root = h(
    "div",
    {},
    h("div", { class: "dgkit-row" }, ...settings),
    h("div", { class: "dgkit-row", ...group }, ...pages),
  );

  /** @param {any} now */
  function show(now) {
    frame = now;
    feature.value = now.feature;
    order.value = now.order;
    const midRange = order.querySelector('[value="mid-range"]');
    const shown = info.features.find(({ name }) => name === now.feature);
    /** @type {HTMLOptionElement} */ (midRange).disabled = !!shown?.categories.length;
    const length = order.querySelector('[value="length"]');
    const varies = info.attributes.some(({ name }) => name === "length");
    /** @type {HTMLOptionElement} */ (length).disabled = !varies; // all are as long
    seedField.hidden = now.order !== "random";
    // not under the hands of who is typing
    if (seed !== document.activeElement) seed.value = now.seed;
    if (page !== document.activeElement) page.value = now.page + 1;
    shared.checked = now.shared;
    log.checked = now.log;
    log.disabled = !now.may_log;
    log.title = now.may_log ? "" : "this feature has no positive values";
    page.max = now.pages;
    total.textContent = `of ${whole(now.pages)}`;
    const sizes = [...new Set([...SIZES, now.page_size])].sort((a, b) => a - b);
    setOptions(size, sizes);
    size.value = now.page_size;
    setOff(first, now.page === 0);
    setOff(previous, now.page === 0);
    setOff(next, now.page >= now.pages - 1);
    setOff(last, now.page >= now.pages - 1);
  }
  return { root, show };
}

/**
 * A select for each category attribute, with counts of what would remain; two ends for each number.
 * @param {Info} info
 * @param {Ask} ask
 */
function filterForm(info, ask) {
  /** @type {any} */
  let frame = null;
  /**
   * @param {string} name of the attribute
   * @param {string | [number, number] | null} value
   */
  const change = (name, value) => {
    const { [name]: _, ...others } = frame.filters;
    ask({ filters: value === null ? others : { ...others, [name]: value } });
  };
  const parts = info.attributes.map((attribute) => {
    const take = (/** @type {string | [number, number] | null} */ value) =>
      change(attribute.name, value);
    const { categories } = attribute;
    return categories
      ? categoryFilter(attribute, categories, info.sets.length, take)
      : numberFilter(attribute, take);
  });
  const clear = button("Clear filters", () => ask({ filters: {} }));
  const sets = info.sets.map((set) => set.name).join(" / ");
  const hint = h("p", { class: "dgkit-hint" }, `In brackets: samples that would remain, ${sets}.`);
  const root = h(
    "fieldset",
    {},
    h("legend", {}, "Filter by attribute"),
    h("div", { class: "dgkit-row" }, ...parts.map((part) => part.root), clear),
    info.sets.length > 1 ? hint : null,
  );
  return {
    root,
    /** @param {any} now */
    show(now) {
      frame = now;
      for (const part of parts) part.show(now);
      setOff(clear, !Object.keys(now.filters).length);
    },
  };
}

/**
 * @param {Attribute} attribute
 * @param {string[]} categories
 * @param {number} sets how many
 * @param {(category: string | null) => void} take
 */
function categoryFilter({ name, label }, categories, sets, take) {
  const control = select([], "", (k) => take(k === "" ? null : categories[Number(k)]));
  /**
   * @param {string} category
   * @param {number[]} left samples that would remain, of each set
   */
  const text = (category, left) => `${category} (${left.map(whole).join(" / ")})`;
  return {
    root: field(label || name, control),
    /** @param {any} frame */
    show({ counts, filters }) {
      /** @type {number[][]} */
      const left = counts[name];
      const totals = Array.from({ length: sets }, (_, set) =>
        left.reduce((total, row) => total + row[set], 0),
      );
      const options = categories.map((category, k) => [k, text(category, left[k])]);
      setOptions(control, [["", text("any", totals)], ...options]);
      const chosen = categories.indexOf(filters[name]);
      control.value = chosen < 0 ? "" : String(chosen);
    },
  };
}

/**
 * @param {Attribute} attribute
 * @param {(ends: [number, number] | null) => void} take
 */
function numberFilter(attribute, take) {
  const { name, ends } = attribute;
  const label = labelled(attribute);
  const onchange = () => {
    const empty = lowest.value === "" && highest.value === "";
    const [low, high] = [lowest, highest].map((input, k) =>
      input.value === "" ? ends[k] : Number(input.value),
    );
    take(empty ? null : [low, high]);
  };
  const [lowest, highest] = ["lowest", "highest"].map((which, k) =>
    h("input", {
      type: "number",
      step: "any",
      "aria-label": `${which} ${label}`,
      placeholder: short(ends[k]),
      onchange,
    }),
  );
  const to = h("span", { "aria-hidden": "true" }, "to");
  const root = h(
    "div",
    { class: "dgkit-field", role: "group", "aria-label": label },
    h("span", { class: "dgkit-hint", style: "font-size: 12px" }, label),
    h("div", { class: "dgkit-browser-ends" }, lowest, to, highest),
  );
  return {
    root,
    /** @param {any} frame */
    show({ filters }) {
      const wanted = filters[name];
      [lowest, highest].forEach((input, k) => {
        if (document.activeElement !== input) input.value = wanted ? wanted[k] : "";
      });
    },
  };
}

/**
 * One set's small charts.
 * @param {{ name: string, total: number }} set
 * @param {number} place
 * @param {GalleryOptions} options
 */
function block(set, place, options) {
  const root = h("div", { class: "dgkit-browser-block" });
  const charts = gallery(root, { panel: [122, 62], ...options });
  const empty = h("p", { class: "dgkit-browser-empty", hidden: true });
  root.append(empty);
  return {
    root,
    destroy: charts.destroy,
    /**
     * Returns what is on the page, in words.
     * @param {any} frame
     * @param {Feature} feature
     * @param {number | null} selected
     * @returns {string}
     */
    show(frame, feature, selected) {
      const { remain, samples, titles, values } = frame.sets[place];
      const label = `${set.name}: ${pageText(frame.sets[place], set.total)}`;
      charts.set({
        label,
        name: set.name,
        titles,
        series: rows(floats(values), frame.steps, samples.length),
        colour: place ? place - 1 : "real",
        selected: selected === null ? -1 : samples.indexOf(selected),
        range: frame.range,
        log: frame.log,
        categories: feature.categories.length ? feature.categories : undefined,
      });
      empty.hidden = samples.length > 0;
      empty.textContent = remain
        ? `${set.name} has no further samples.`
        : `No sample of ${set.name} has these attributes together. ` +
          "Choose another value, or clear the filters.";
      return label;
    },
  };
}

/**
 * Which of how many samples a page shows.
 * @param {{ remain: number, first: number, samples: number[] }} page
 * @param {number} total
 */
function pageText({ remain, first, samples }, total) {
  if (!remain) return `none of ${whole(total)}`;
  const count = remain < total ? `${whole(remain)} (of ${whole(total)})` : whole(remain);
  if (!samples.length) return `all ${count} on earlier pages`;
  return `samples ${first + 1} to ${first + samples.length} of ${count}`;
}

/**
 * The selected series large, its nearest over it, distances and attributes in a table.
 * @param {Info} info
 * @param {Choose} choose
 */
function detailPanel(info, choose) {
  const title = h("h4", { tabindex: "-1" });
  const text = h("p", {});
  const place = h("div", {});
  const table = h("div", {
    class: "dgkit-browser-table",
    hidden: true,
    role: "region",
    "aria-label": "The selected series and its nearest",
    tabindex: "0",
  });
  const clear = button("Clear selection", () => choose("", -1));
  const full = h("div", { hidden: true }, place, text, clear);
  const hint = h("p", { class: "dgkit-browser-empty" }, selectHint(info.sets));
  const group = { role: "group", "aria-label": "Selected series" };
  const root = h("div", group, title, hint, full);
  /** @type {ReturnType<typeof lineChart> | null} */
  let chart = null;
  let shape = "";
  let spoken = "";
  let drawn = "";

  /**
   * @param {any} detail
   * @param {any} frame
   * @param {(text: string) => void} say
   */
  function show(detail, frame, say) {
    const chosen = detail.set !== undefined;
    const held = root.contains(document.activeElement) || table.contains(document.activeElement);
    if (held && !chosen) title.focus({ preventScroll: true }); // what had the focus goes away
    full.hidden = !chosen;
    table.hidden = !chosen;
    hint.hidden = chosen;
    title.textContent = chosen ? `${detail.set}, sample ${detail.sample}` : "Selected series";
    if (!chosen) {
      spoken = drawn = "";
      return;
    }
    const log = frame.log && frame.feature === detail.feature;
    const now = JSON.stringify([detail.feature, log]);
    if (now !== shape) {
      shape = now;
      chart?.destroy();
      const feature = info.features.find((one) => one.name === detail.feature);
      chart = detailChart(place, info.time, /** @type {Feature} */ (feature), log);
    }
    /** @type {Neighbour[]} */
    const ones = [{ set: detail.set, sample: detail.sample }, ...detail.neighbours];
    const colours = detailColours(ones.map(colourOf));
    const [own, ...nearest] = ones.map(({ set, sample }, k) => ({
      name: `${set} ${sample}`,
      y: floats(detail.values[k]),
      width: k === 1 ? 4 : 1.75,
      ...colours[k],
    }));
    // the selected one on top, on its nearest's wider line
    const x = Array.from({ length: frame.steps }, (_, t) => t);
    chart?.set({ x, series: [...nearest, own] });
    text.textContent = detail.searching ? "Searching for the nearest series ..." : detail.text;
    const told = `${title.textContent}. ${text.textContent}`;
    if (told !== spoken) say(told);
    spoken = told;
    const content = JSON.stringify([ones, detail.attributes]);
    if (content === drawn) return; // or the focus would go
    drawn = content;
    const inTable = table.contains(document.activeElement);
    table.replaceChildren(detailTable(info, detail, ones, choose));
    if (inTable) title.focus({ preventScroll: true });
  }

  /**
   * The colour of a set's series in their block; -1 for the first set, which is real.
   * @param {Neighbour} one
   */
  const colourOf = ({ set }) => info.sets.findIndex(({ name }) => name === set) - 1;
  return { root, table, show, destroy: () => chart?.destroy() };
}

/** @param {{ name: string }[]} sets */
function selectHint(sets) {
  const select = "Select a series (click, or Enter on a small chart) to see it large";
  if (sets.length === 1) return `${select}, beside the series nearest to it.`;
  const real = sets[0].name;
  return (
    `${select}: a generated one beside the ${real} series nearest to it, ` +
    `one of ${real} beside its nearest generated ones.`
  );
}

/**
 * @param {HTMLElement} place
 * @param {string} time
 * @param {Feature} feature
 * @param {boolean} log
 */
function detailChart(place, time, feature, log) {
  const { name, unit, categories } = feature;
  return lineChart(place, {
    title: labelled(feature),
    x: { label: time },
    y: {
      label: unit ? `${name} (${unit})` : name,
      log,
      categories: categories.length ? categories : undefined,
    },
    height: 210,
  });
}

/**
 * How the selected series and its nearest are drawn, no two alike. The colour of text goes to a
 * real series that is selected, or that is nearest to a generated one.
 * @param {number[]} places of their sets in the palette, -1 for real; the selected one first
 */
function detailColours(places) {
  const [selected] = places;
  const own = Math.max(0, selected);
  const taken = new Set(selected < 0 ? [] : [own]);
  return places.map((place, k) => {
    if (place < 0 && (k === 0 || (k === 1 && selected >= 0))) return { real: true };
    const colour = k === 0 ? own : (PALETTE.find((one) => !taken.has(one)) ?? k % PALETTE.length);
    taken.add(colour);
    return { colour };
  });
}

/**
 * @param {Info} info
 * @param {any} detail
 * @param {Neighbour[]} ones
 * @param {Choose} choose
 */
function detailTable(info, detail, ones, choose) {
  const names = info.attributes.map(({ name }) => name);
  const titles = ["series", "distance", "ratio", ...names];
  const head = h("tr", {}, ...titles.map((text) => h("th", { scope: "col" }, text)));
  const lines = ones.map(({ set, sample, distance, ratio }, k) => {
    const name = `${set} ${sample}`;
    const select = { "aria-label": `Select ${name}` };
    const cells =
      k === 0
        ? [name, "selected", ""]
        : [button(name, () => choose(set, sample), select), short(distance), short(ratio)];
    const attributes = names.map((attribute) => {
      const values = detail.attributes[attribute];
      const differs = values[k] === values[0] ? null : "dgkit-differs";
      return h("td", { class: differs }, values[k]);
    });
    const [first, ...numbers] = cells;
    const more = numbers.map((text) => h("td", {}, text));
    return h("tr", {}, h("th", { scope: "row" }, first), ...more, ...attributes);
  });
  return h("table", {}, h("thead", {}, head), h("tbody", {}, ...lines));
}

export default { render };
