// Pages of small charts, filters, and the selected series with its nearest. Python owns all state; this asks and draws.

import "./lib/dgkit.css";
import "./browser.css";
import { act, button, field, floats, h, on, select, shell, short } from "./lib/dom.js";
import { lineChart } from "./lib/chart.js";
import { gallery } from "./lib/gallery.js";

const ORDER = {
  stored: "as stored",
  "mid-range": "mid-range, ascending",
  length: "length, ascending",
  random: "random",
};
const SIZES = [6, 12, 24, 48];

export default {
  render({ model, el }) {
    const { root, body, say, cleanups, close } = shell(el, model, "Series browser");
    root.classList.add("dgkit-browser");
    const info = model.get("info");
    const ask = (settings) => act(model, "show", settings);
    const choose = (set, sample) => act(model, "select", { set, sample });
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
      if (!frame.sets) return;
      bar.show(frame);
      filters.show(frame);
      const { set, sample } = model.get("detail");
      const lines = blocks.map((one, place) =>
        one.show(
          frame,
          info.features.find((f) => f.name === frame.feature),
          place,
          info.sets[place].name === set ? sample : null,
        ),
      );
      const text = `Page ${frame.page + 1} of ${frame.pages}. ${lines.join(". ")}`;
      if (spoken && text !== spoken) say(text);
      spoken = text;
    };
    const describe = () => {
      draw();
      large.show(model.get("detail"), model.get("frame"), say);
    };
    cleanups.push(on(model, "change:frame", describe), on(model, "change:detail", describe));
    describe();
    return close;
  },
};

const labelled = ({ name, label, unit }) => `${label || name}${unit ? ` (${unit})` : ""}`;

/** Feature, order, axis, page. */
function toolbar(info, ask) {
  const feature = select(
    info.features.map((f) => [f.name, labelled(f)]),
    "",
    (value) => ask({ feature: value }),
  );
  const order = select(
    info.orders.map((name) => [name, ORDER[name]]),
    "",
    (value) => ask({ order: value }),
  );
  const number = (name, shift) => {
    const input = h("input", { type: "number", step: 1, min: shift });
    input.onchange = () => {
      if (input.validity.valid && input.value !== "") ask({ [name]: Number(input.value) - shift });
    };
    return input;
  };
  const seed = number("seed", 0),
    page = number("page", 1);
  const tick = (name) =>
    h("input", { type: "checkbox", onchange: (event) => ask({ [name]: event.target.checked }) });
  const shared = tick("shared"),
    log = tick("log");
  const check = (label, control) => {
    const one = field(label, control);
    one.classList.add("dgkit-check");
    return one;
  };
  let frame = null;
  const turn = (label, target) => button(label, () => ask({ page: target() }));
  const first = turn("First", () => 0),
    previous = turn("Previous", () => frame.page - 1);
  const next = turn("Next", () => frame.page + 1),
    last = turn("Last", () => frame.pages - 1);
  const size = select([], "", (value) => ask({ page_size: Number(value) }));
  const seedField = field("random seed", seed),
    total = h("span", {});
  const root = h(
    "div",
    {},
    h(
      "div",
      { class: "dgkit-row" },
      field("feature", feature),
      field("order", order),
      seedField,
      check("one axis for all", shared),
      check("log axis", log),
    ),
    h(
      "div",
      { class: "dgkit-row", role: "group", "aria-label": "page", style: "margin-top: 8px" },
      first,
      previous,
      field("page", page),
      total,
      next,
      last,
      field("samples on a page", size),
    ),
  );
  function show(now) {
    frame = now;
    feature.value = now.feature;
    order.value = now.order;
    order.querySelector('[value="mid-range"]').disabled = info.features.some(
      (f) => f.name === now.feature && f.categories.length,
    );
    seedField.hidden = now.order !== "random";
    for (const [input, value] of [
      [seed, now.seed],
      [page, now.page + 1],
    ])
      if (input !== document.activeElement) input.value = value; // not under the hands of who is typing
    shared.checked = now.shared;
    log.checked = now.log;
    log.disabled = !now.may_log;
    log.title = now.may_log ? "" : "this feature has no positive values";
    page.max = now.pages;
    total.textContent = `of ${now.pages.toLocaleString("en")}`;
    const sizes = [...new Set([...SIZES, now.page_size])].sort((a, b) => a - b);
    size.replaceChildren(...sizes.map((n) => h("option", { value: n }, String(n))));
    size.value = now.page_size;
    // a button that has the focus keeps it at the last page: disabled in name only
    for (const [one, off] of [
      [first, now.page === 0],
      [previous, now.page === 0],
      [next, now.page >= now.pages - 1],
      [last, now.page >= now.pages - 1],
    ])
      one.setAttribute("aria-disabled", String(off));
  }
  return { root, show };
}

/** A select for each category attribute, with counts of what would remain; two ends for each number. */
function filterForm(info, ask) {
  let frame = null;
  const change = (name, value) => {
    const { [name]: _, ...others } = frame.filters;
    ask({ filters: value === null ? others : { ...others, [name]: value } });
  };
  const parts = info.attributes.map((attribute) => {
    if (attribute.categories) {
      const control = select([], "", (k) =>
        change(attribute.name, k === "" ? null : attribute.categories[k]),
      );
      return {
        root: field(attribute.label || attribute.name, control),
        show() {
          const counts = frame.counts[attribute.name];
          const totals = info.sets.map((_, place) =>
            counts.reduce((sum, row) => sum + row[place], 0),
          );
          const text = (name, row) =>
            `${name} (${row.map((n) => n.toLocaleString("en")).join(" / ")})`;
          control.replaceChildren(
            h("option", { value: "" }, text("any", totals)),
            ...attribute.categories.map((name, k) =>
              h("option", { value: k }, text(name, counts[k])),
            ),
          );
          const chosen = attribute.categories.indexOf(frame.filters[attribute.name]);
          control.value = chosen < 0 ? "" : chosen;
        },
      };
    }
    const label = labelled(attribute);
    const ends = ["lowest", "highest"].map((which, k) =>
      h("input", {
        type: "number",
        step: "any",
        "aria-label": `${which} ${label}`,
        placeholder: short(attribute.ends[k]),
        onchange: () => {
          const [low, high] = ends.map((input, place) =>
            input.value === "" ? attribute.ends[place] : Number(input.value),
          );
          change(attribute.name, ends.every((input) => input.value === "") ? null : [low, high]);
        },
      }),
    );
    return {
      root: h(
        "div",
        { class: "dgkit-field", role: "group", "aria-label": label },
        h("span", { class: "dgkit-hint", style: "font-size: 12px" }, label),
        h(
          "div",
          { class: "dgkit-browser-ends" },
          ends[0],
          h("span", { "aria-hidden": "true" }, "to"),
          ends[1],
        ),
      ),
      show() {
        const wanted = frame.filters[attribute.name];
        ends.forEach((input, k) => {
          if (document.activeElement !== input || wanted) input.value = wanted ? wanted[k] : "";
        });
      },
    };
  });
  const clear = button("Clear filters", () => ask({ filters: {} }));
  const hint =
    info.sets.length > 1
      ? h(
          "p",
          { class: "dgkit-hint" },
          `In brackets: samples that would remain, ${info.sets.map((set) => set.name).join(" / ")}.`,
        )
      : null;
  const root = h(
    "fieldset",
    {},
    h("legend", {}, "Filter by attribute"),
    h("div", { class: "dgkit-row" }, ...parts.map((part) => part.root), clear),
    hint,
  );
  return {
    root,
    show(now) {
      frame = now;
      parts.forEach((part) => part.show());
      clear.setAttribute("aria-disabled", String(!Object.keys(now.filters).length));
    },
  };
}

/** One set's small charts. */
function block(set, place, options) {
  const root = h("div", { class: "dgkit-browser-block" });
  const charts = gallery(root, { panel: [122, 62], ...options });
  const empty = h("p", { class: "dgkit-browser-empty", hidden: true });
  root.append(empty);
  return {
    root,
    destroy: charts.destroy,
    show(frame, feature, _, selected) {
      const { remain, first, samples, titles, values } = frame.sets[place];
      const numbers = floats(values),
        steps = frame.steps;
      const count = `${remain.toLocaleString("en")}${remain < set.total ? ` (of ${set.total.toLocaleString("en")})` : ""}`;
      const label = `${set.name}: ${samples.length ? `samples ${first + 1} to ${first + samples.length} of ${count}` : remain ? `all ${count} on earlier pages` : `none of ${set.total.toLocaleString("en")}`}`;
      charts.set({
        label,
        name: set.name,
        titles,
        series: samples.map((_, k) => Array.from(numbers.subarray(k * steps, (k + 1) * steps))),
        colour: place ? place - 1 : "real",
        selected: selected === null ? -1 : samples.indexOf(selected),
        range: frame.range,
        log: frame.log,
        categories: feature.categories.length ? feature.categories : undefined,
      });
      empty.hidden = samples.length > 0;
      empty.textContent = remain
        ? `${set.name} has no further samples.`
        : `No sample of ${set.name} has these attributes together. Choose another value, or clear the filters.`;
      return label;
    },
  };
}

/** The selected series large, its nearest over it, distances and attributes in a table. */
function detailPanel(info, choose) {
  const title = h("h4", {}),
    text = h("p", {}),
    place = h("div", {});
  const table = h("div", {
    class: "dgkit-browser-table",
    hidden: true,
    role: "region",
    "aria-label": "The selected series and its nearest",
    tabindex: "0",
  });
  const clear = button("Clear selection", () => choose("", -1));
  const full = h("div", { hidden: true }, place, text, clear);
  const hint = h(
    "p",
    { class: "dgkit-browser-empty" },
    info.sets.length > 1
      ? `Select a series (click, or Enter on a small chart) to see it large: a generated one beside the ${info.sets[0].name} series nearest to it, one of ${info.sets[0].name} beside its nearest generated ones.`
      : "Select a series (click, or Enter on a small chart) to see it large, beside the series nearest to it.",
  );
  const root = h("div", { role: "group", "aria-label": "Selected series" }, title, hint, full);
  let chart = null,
    shape = "",
    spoken = "";
  const colourOf = (name) => info.sets.findIndex((set) => set.name === name) - 1;

  function show(detail, frame, say) {
    const chosen = detail.set !== undefined;
    full.hidden = table.hidden = !chosen;
    hint.hidden = chosen;
    title.textContent = chosen ? `${detail.set}, sample ${detail.sample}` : "Selected series";
    if (!chosen) {
      spoken = "";
      return;
    }
    const feature = info.features.find((f) => f.name === detail.feature);
    const log = frame.log && frame.feature === detail.feature;
    if (JSON.stringify([detail.feature, log]) !== shape) {
      shape = JSON.stringify([detail.feature, log]);
      chart?.destroy();
      chart = lineChart(place, {
        title: labelled(feature),
        x: { label: info.time },
        height: 210,
        y: {
          label: feature.unit ? `${feature.name} (${feature.unit})` : feature.name,
          log,
          categories: feature.categories.length ? feature.categories : undefined,
        },
      });
    }
    const ones = [{ set: detail.set, sample: detail.sample }, ...detail.neighbours];
    const own = Math.max(0, colourOf(detail.set)),
      taken = new Set(colourOf(detail.set) < 0 ? [] : [own]);
    const series = ones.map(({ set, sample }, k) => {
      const real = colourOf(set) < 0;
      const style =
        real && (k === 0 || (k === 1 && colourOf(detail.set) >= 0))
          ? { real: true }
          : { colour: k === 0 ? own : ([0, 1, 2, 3, 4, 5, 6].find((c) => !taken.has(c)) ?? k % 7) };
      if (style.colour !== undefined) taken.add(style.colour);
      return {
        name: `${set} ${sample}`,
        y: Array.from(floats(detail.values[k])),
        width: k === 1 ? 4 : 1.75,
        ...style,
      };
    });
    chart.set({
      x: Array.from({ length: frame.steps }, (_, t) => t),
      series: [...series.slice(1), series[0]],
    }); // the selected one on top, on its nearest's wider line
    const say_ = detail.searching ? "Searching for the nearest series ..." : detail.text;
    text.textContent = say_;
    const told = `${title.textContent}. ${say_}`;
    if (told !== spoken) say(told);
    spoken = told;
    table.replaceChildren(detailTable(info, detail, ones, choose));
  }
  return { root, table, show, destroy: () => chart?.destroy() };
}

function detailTable(info, detail, ones, choose) {
  const column = (text) => h("th", { scope: "col" }, text);
  const shownAttributes = info.attributes.map(({ name }) => name);
  const head = h("tr", {}, ...["series", "distance", "ratio", ...shownAttributes].map(column));
  const rows = ones.map((one, k) => {
    const name = `${one.set} ${one.sample}`;
    const first =
      k === 0
        ? name
        : button(name, () => choose(one.set, one.sample), { "aria-label": `Select ${name}` });
    const ratio = k === 0 ? "" : one.ratio === null ? "–" : short(one.ratio);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, first),
      h("td", {}, k === 0 ? "selected" : short(one.distance)),
      h("td", {}, ratio),
      ...shownAttributes.map((attribute) => {
        const values = detail.attributes[attribute];
        return h("td", { class: values[k] === values[0] ? null : "dgkit-differs" }, values[k]);
      }),
    );
  });
  return h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows));
}
