// The Explorer: a control a dim, one chart, one table. Python slices; a slider's label moves at once, the rest with its answer.

import "./lib/dgkit.css";
import "./explorer.css";
import { lineChart } from "./lib/chart.js";
import {
  act,
  atMost,
  field,
  floats,
  h,
  on,
  oncePerFrame,
  select,
  shell,
  short,
  uid,
} from "./lib/dom.js";

function render({ model, el }) {
  const dims = new Map(model.get("dims").map((dim) => [dim.name, dim]));
  const { body, say, cleanups, close } = shell(el, model, "Explorer");
  const owner = `${Math.random()}`;
  let sent = "",
    count = 0,
    wanted = {};
  const sliders = new Map(); // dim: { root, set }
  let chart = null,
    chartKind = "",
    controls = "",
    compared = "";

  const send = atMost(30, () => {
    sent = `${owner}-${++count}`;
    act(model, "choose", { ...wanted, token: sent });
    wanted = {};
  });
  /** Python's choose(), the waiting changes together. */
  function choose(changes) {
    wanted = {
      ...wanted,
      ...changes,
      ...(changes.index ? { index: { ...wanted.index, ...changes.index } } : {}),
    };
    send();
  }

  const pick = (label, key) => {
    const element = select([], "", (value) => choose({ [key]: value || null }));
    return { element, root: field(label, element) };
  };
  const variable = pick("Variable", "variable"),
    along = pick("Along", "x"),
    overlay = pick("Compare", "overlay");
  const check = (label, key) => {
    const box = h("input", {
      type: "checkbox",
      id: uid("check"),
      onchange: () => choose({ [key]: box.checked }),
    });
    return { box, root: h("label", { for: box.id }, box, label) };
  };
  const logX = check("log horizontal", "log_x"),
    logY = check("log vertical", "log_y"),
    sameY = check("same vertical axis", "same_y");
  sameY.root.title = "One vertical axis for all positions of the sliders";
  const row = h("div", { class: "dge-sliders" }),
    values = h("fieldset", { class: "dge-compare" }, h("legend"));
  const place = h("div", { class: "dge-chart" }),
    note = h("div", { class: "dgkit-hint" });
  const caption = h("div", { class: "dgkit-chart-title dge-caption", id: uid("caption") }),
    head = h("thead"),
    lines = h("tbody");
  const scroll = h(
    "div",
    { class: "dge-scroll", tabindex: "0", role: "region", "aria-labelledby": caption.id },
    h("table", { class: "dge-table", "aria-labelledby": caption.id }, head, lines),
  );
  body.append(
    h(
      "div",
      { class: "dgkit-row" },
      variable.root,
      along.root,
      overlay.root,
      h("div", { class: "dge-checks" }, logX.root, logY.root, sameY.root),
    ),
    values,
    row,
    place,
    note,
    caption,
    scroll,
  );

  function fill(element, options, value) {
    element.replaceChildren(...options.map(([key, text]) => h("option", { value: key }, text)));
    element.value = value ?? "";
  }

  function slider(dim) {
    if (sliders.has(dim.name)) return sliders.get(dim.name);
    const text = (k) => dim.values[k];
    const id = uid("dim"),
      shown = h("output", { for: id });
    let element;
    if (dim.slides) {
      element = h("input", {
        type: "range",
        id,
        min: "0",
        max: String(dim.values.length - 1),
        step: "1",
        oninput: () => {
          label(Number(element.value));
          choose({ index: { [dim.name]: Number(element.value) } });
        },
      });
    } else
      element = select(
        dim.values.map((value, k) => [String(k), value]),
        "0",
        (k) => choose({ index: { [dim.name]: Number(k) } }),
        { id },
      );
    function label(k) {
      if (!dim.slides) return;
      shown.textContent = text(k);
      element.setAttribute("aria-valuetext", text(k));
    }
    const root = h(
      "div",
      { class: "dge-slider" },
      h("label", { for: id }, dim.label, dim.slides ? shown : null),
      element,
    );
    const one = {
      root,
      set(k) {
        element.value = String(k);
        label(k);
      },
    };
    sliders.set(dim.name, one);
    return one;
  }

  const draw = oncePerFrame(() => {
    const frame = model.get("frame"),
      chosen = model.get("selection");
    const own = frame.own.map((name) => dims.get(name)),
      settled = !sent || model.get("answered") === sent;
    if (settled) sent = "";
    const seedDim = frame.seed_dim;

    // controls: made anew where what they offer changed, so that the focus stays
    const offer = JSON.stringify([frame.variable, frame.own]);
    if (offer !== controls) {
      controls = offer;
      fill(variable.element, model.get("variables"), chosen.variable);
      fill(
        along.element,
        own.filter((dim) => dim.name !== seedDim).map((dim) => [dim.name, dim.label]),
        chosen.x,
      );
      fill(
        overlay.element,
        [
          ["", "nothing"],
          ...own.filter((dim) => dim.values.length > 1).map((dim) => [dim.name, dim.label]),
        ],
        chosen.overlay,
      );
    }
    if (settled) {
      variable.element.value = chosen.variable;
      along.element.value = chosen.x ?? "";
      overlay.element.value = chosen.overlay ?? "";
    }
    along.root.hidden = !along.element.options.length;
    overlay.root.hidden = overlay.element.options.length < 2;
    logX.box.checked = frame.log[0];
    logX.box.disabled = !frame.possible[0];
    logY.box.checked = frame.log[1];
    logY.box.disabled = !frame.possible[1];
    sameY.box.checked = !!chosen.same_y;
    const wantedSliders = frame.sliders.map((name) => slider(dims.get(name)));
    if (
      wantedSliders.length !== row.children.length ||
      wantedSliders.some((one, k) => one.root !== row.children[k])
    )
      row.replaceChildren(...wantedSliders.map((one) => one.root));
    if (settled) frame.sliders.forEach((name) => sliders.get(name).set(frame.at[name]));

    // the values of the compared dim
    values.hidden = !chosen.overlay;
    const kind = chosen.overlay ?? "";
    if (kind !== compared) {
      compared = kind;
      const dim = dims.get(kind);
      values.replaceChildren(
        h("legend", {}, dim?.label ?? ""),
        ...(dim?.values ?? []).slice(0, 60).map((text, k) => {
          const box = h("input", {
            type: "checkbox",
            id: uid("value"),
            value: String(k),
            onchange: () => {
              const checked = [...values.querySelectorAll("input:checked")].map((one) =>
                Number(one.value),
              );
              if (checked.length) choose({ compare: checked });
              else box.checked = true;
            },
          });
          return h("label", { for: box.id }, box, text);
        }),
      );
    }
    if (settled)
      for (const box of values.querySelectorAll("input"))
        box.checked = frame.compare.includes(Number(box.value));

    // the chart
    place.hidden = !frame.n;
    if (frame.n) {
      const options = {
        title:
          frame.label +
          (frame.band
            ? `: median, band from smallest to largest of ${frame.seeds} ${seedDim}s`
            : ""),
        x: { label: frame.x_label, log: frame.log[0], labels: frame.labels },
        y: { label: frame.label, log: frame.log[1] },
        height: 260,
      };
      const now = JSON.stringify(options);
      if (now !== chartKind) {
        chart?.destroy();
        chart = lineChart(place, options);
        chartKind = now;
      }
      const x = floats(frame.x),
        all = floats(frame.lines),
        n = frame.n;
      const part = (line, which) =>
        all.subarray((line * 3 + which) * n, (line * 3 + which + 1) * n);
      chart.set({
        x,
        range: frame.range && padded(frame.range, frame.log[1]),
        xRange: frame.labels
          ? [-0.5, n - 0.5]
          : frame.log[0]
            ? [x[0] / 1.15, x[n - 1] * 1.15]
            : null,
        series: frame.names.map((name, k) => ({
          name,
          y: part(k, 0),
          real: frame.real[k],
          points: n <= 40,
          band: frame.band && !frame.real[k] ? [part(k, 1), part(k, 2)] : null,
        })),
      });
    }
    note.textContent = frame.n
      ? ""
      : `${frame.label} is one number for each value: it stands in the table.`;
    note.hidden = !!frame.n;

    // the table
    const fixed = frame.sliders.map(
      (name) => `${dims.get(name).label} ${dims.get(name).values[frame.at[name]]}`,
    );
    caption.textContent =
      `${fixed.length ? `At ${fixed.join(", ")}` : "Metrics"}` +
      (frame.seeds > 1 ? `: median (smallest to largest of ${frame.seeds} ${seedDim}s)` : "");
    head.replaceChildren(
      ...(frame.heads.length
        ? [h("tr", {}, h("td"), ...frame.heads.map((text) => h("th", { scope: "col" }, text)))]
        : []),
    );
    lines.replaceChildren(
      ...frame.rows.map(([label, ...cells]) =>
        h(
          "tr",
          label === frame.label ? { class: "dge-shown" } : {},
          h("th", { scope: "row" }, label),
          ...cells.map(([median, low, high]) =>
            h(
              "td",
              {},
              short(median),
              low === high
                ? null
                : h("span", { class: "dge-range" }, ` (${short(low)} to ${short(high)})`),
            ),
          ),
        ),
      ),
    );
    scroll.hidden = caption.hidden = !frame.rows.length;
    if (settled && spoken) say(spoken);
    spoken = "";
  });
  let spoken = "";
  const update = () => {
    const frame = model.get("frame");
    const row = frame.rows.find(([label]) => label === frame.label);
    spoken = row
      ? `${row[0]}: ${row
          .slice(1)
          .map(([median], k) => `${frame.heads[k] ?? ""} ${short(median)}`)
          .join(", ")}`
      : "";
    draw();
  };
  for (const name of ["frame", "answered"]) cleanups.push(on(model, `change:${name}`, update));
  cleanups.push(draw.cancel, send.cancel, () => chart?.destroy());
  draw();
  return close;
}

/** A little room above and below, in the axis' own scale. */
function padded([low, high], log) {
  if (log) {
    const room = (high / low) ** 0.05 || 1.1;
    return low === high ? [low / 2, high * 2] : [low / room, high * room];
  }
  const room = (high - low) * 0.05 || Math.abs(low) * 0.1 || 0.5;
  return [low - room, high + room];
}

export default { render };
