// The PrivacyDial: sliders and fields, epsilon now and what it promises, its growth, the recorded run nearest to it.
// No arithmetic of privacy here: Python gives sliders their values, and every number and sentence.

import "./lib/dgkit.css";
import "./dial.css";
import { lineChart } from "./lib/chart.js";
import {
  act,
  atMost,
  button,
  field,
  floats,
  h,
  on,
  oncePerFrame,
  select,
  shell,
  uid,
} from "./lib/dom.js";
import { gallery } from "./lib/gallery.js";

function render({ model, el }) {
  const { root, body, say, cleanups, close } = shell(el, model, "Privacy dial");
  root.classList.add("dgd");
  const owner = `${Math.random()}`;
  let sent = "",
    count = 0,
    wanted = {},
    stroke = "";
  const fields = {}; // name: { root, show }

  // A wish goes out when the one before is answered: a drag asks for what Python can do, and always for the last.
  const settled = () => !sent || model.get("answered") === sent;
  const send = atMost(30, () => {
    if (!Object.keys(wanted).length || !settled()) return;
    sent = `${owner}-${++count}`;
    act(model, "change", { ...wanted, token: sent });
    wanted = {};
  });
  /** Changes of one stroke of a slider are one step for undo, also the last, which may go out after it has ended. */
  const change = (settings) => {
    wanted = { ...wanted, ...settings, stroke: stroke || null };
    send();
  };

  function note(name) {
    return h("span", { class: "dgkit-hint", id: uid(`${name}-hint`) });
  }
  /** A text field for a number: what is being typed, or was refused, stays until it is changed. */
  function numberField(name, label, described) {
    let typing = false;
    const input = h("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      spellcheck: "false",
      id: uid(name),
      "aria-label": label,
      "data-name": name,
      "aria-describedby": described,
    });
    const take = () => {
      if (!typing) return;
      const text = input.value.trim().replace(",", "."),
        value = Number(text);
      typing = false;
      if (!text) return draw();
      stroke = "";
      pending = input.value;
      change({ [name]: Number.isFinite(value) ? value : input.value });
    };
    let pending = null; // what was asked for
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
      show(value, text) {
        if (typing) return;
        const refused = pending !== null && Number(pending.replace(",", ".")) !== value;
        if (!refused) pending = null;
        input.setAttribute("aria-invalid", String(refused));
        if (!refused) input.value = text;
      },
      say(text) {
        if (!typing && pending === null) input.value = text;
      },
      forget() {
        pending = null;
      },
    };
  }
  const written = (value) =>
    value !== 0 && Math.abs(value) < 1e-3
      ? value.toExponential()
      : String(Number(value.toPrecision(6)));

  function control({ name, label, kind, options }) {
    const hint = note(name);
    if (kind === "choice") {
      const choice = select(
        options,
        "",
        (value) => {
          stroke = "";
          change({ [name]: value });
        },
        { "aria-describedby": hint.id, "data-name": name },
      );
      const made = field(label, choice);
      made.append(hint);
      made.classList.add("dgd-field");
      return {
        root: made,
        show(value, text) {
          choice.value = value;
          hint.textContent = text ?? "";
        },
      };
    }
    const number = numberField(name, kind === "slide" ? `${label}, number` : label, hint.id);
    if (kind === "number") {
      number.input.removeAttribute("aria-label");
      const made = h(
        "div",
        { class: "dgd-field" },
        h("label", { for: number.input.id }, label),
        number.input,
        hint,
      );
      return {
        root: made,
        show(value, text) {
          number.show(value, written(value));
          hint.textContent = text ?? "";
        },
      };
    }
    const slider = h("input", {
      type: "range",
      id: uid(name),
      min: "0",
      step: "1",
      "aria-describedby": hint.id,
      "data-slider": name,
    });
    const word = (k) => written(model.get("grids")[name][k]);
    slider.addEventListener("input", () => {
      const k = Number(slider.value);
      stroke ||= `${owner}-${++count}`;
      number.forget();
      number.say(word(k));
      slider.setAttribute("aria-valuetext", word(k));
      change({ [name]: model.get("grids")[name][k] });
    });
    slider.addEventListener("change", () => {
      send.now();
      stroke = "";
    }); // the pointer, or a key, was let go
    const made = h(
      "div",
      { class: "dgd-field" },
      h("label", { for: slider.id }, label),
      h("div", { class: "dgd-line" }, slider, number.input),
      hint,
    );
    return {
      root: made,
      show(value, text, place) {
        const last = String(model.get("grids")[name].length - 1);
        if (slider.max !== last) slider.max = last;
        slider.value = String(place);
        slider.setAttribute("aria-valuetext", written(value));
        number.show(value, written(value));
        hint.textContent = text ?? "";
      },
    };
  }

  const controls = model.get("controls");
  const made = (kinds) =>
    controls
      .filter(({ kind }) => kinds.includes(kind))
      .map((one) => (fields[one.name] = control(one)).root);
  const undo = button("Undo", () => undo.getAttribute("aria-disabled") !== "true" && ask("undo"), {
    title: "Ctrl+Z",
  });
  const reset = button("Start values", () => ask("reset"));
  const ask = (action, values = {}) => {
    stroke = "";
    wanted = {};
    act(model, action, values);
  };

  // ---- the noise for an epsilon
  const aim = h("input", {
    type: "text",
    inputmode: "decimal",
    autocomplete: "off",
    "data-name": "target",
  });
  const find = () => {
    const text = aim.value.trim().replace(",", ".");
    if (!text) return;
    sent = `${owner}-${++count}`;
    stroke = "";
    wanted = {};
    solving.textContent = " searching";
    act(model, "solve", {
      target: Number.isFinite(Number(text)) ? Number(text) : aim.value,
      token: sent,
    });
  };
  aim.addEventListener("keydown", (event) => event.key === "Enter" && find());
  const solving = h("span", { class: "dgkit-hint", role: "status" });
  const target = h(
    "div",
    { class: "dgkit-row dgd-target" },
    field("Noise for epsilon =", aim),
    button("Set the noise", find),
    solving,
  );

  // ---- epsilon now
  const big = h("span"),
    tier = h("span", { class: "dgd-tier" }),
    head = h("div", { class: "dgkit-hint" });
  const words = h("div"),
    extra = h("p", { class: "dgd-note" });
  const fill = h("div"),
    meter = h(
      "div",
      {
        class: "dgd-meter",
        role: "meter",
        "aria-label": "Right answers of the best membership attack, at most",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      },
      fill,
    );
  const scale = h(
    "div",
    { class: "dgd-scale", "aria-hidden": "true" },
    h("span", {}, "0 %"),
    h("span", {}, "guessing: 50 %"),
    h("span", {}, "100 %"),
  );
  const attack = h(
    "div",
    {},
    h(
      "div",
      { class: "dgkit-hint", "aria-hidden": "true" },
      "Right answers of the best membership attack, at most",
    ),
    meter,
    scale,
  );
  const [covers, not] = model.get("guarantee");
  const guarantee = h("div", { class: "dgd-guarantee" }, h("p", {}, covers), h("p", {}, not));
  const now = h(
    "div",
    { class: "dgd-now" },
    h("div", { class: "dgd-big" }, h("small", {}, "epsilon "), big, tier),
    head,
    extra,
    words,
    attack,
    guarantee,
  );

  const chartPlace = h("div", { class: "dgd-growth" }),
    recordPlace = h("div"),
    compared = h("div", { class: "dgkit-hint" }),
    seriesPlace = h("div");
  const chart = lineChart(chartPlace, {
    title: "How epsilon grows while training goes on (RDP)",
    x: { label: "epochs" },
    y: { label: "epsilon (1)", log: true },
    height: 240,
  });
  cleanups.push(chart.destroy);
  let recordChart = null,
    recordKind = "",
    series = null;
  body.append(
    h(
      "div",
      { class: "dgd-columns" },
      h(
        "div",
        { class: "dgd-side" },
        h(
          "div",
          {},
          h("div", { class: "dgd-sliders" }, ...made(["slide"])),
          target,
          h("div", { class: "dgkit-row" }, undo, reset),
          h("div", { class: "dgd-numbers" }, ...made(["number", "choice"])),
        ),
        chartPlace,
      ),
      h("div", { class: "dgd-side" }, now, h("div", {}, recordPlace, compared, seriesPlace)),
    ),
  );

  // ---- drawing
  const drawRecord = () => {
    const record = model.get("record");
    if (!record.n) return;
    const kind = JSON.stringify([record.title, record.x_label]);
    if (kind !== recordKind) {
      recordChart?.destroy();
      recordChart = lineChart(recordPlace, {
        title: record.title + (record.seeds > 1 ? `: median, band over ${record.seeds} seeds` : ""),
        x: { label: record.x_label },
        y: { label: "autocorrelation (1)", range: [-1, 1.02] },
        height: 240,
      });
      recordKind = kind;
    }
    compared.textContent = record.compared;
    const all = floats(record.lines),
      n = record.n;
    const part = (line, which) => all.subarray((line * 3 + which) * n, (line * 3 + which + 1) * n);
    recordChart.set({
      x: floats(record.x),
      series: record.names.map((name, k) => ({
        name,
        y: part(k, 0),
        real: record.real[k],
        colour: record.real[k] ? undefined : k,
        band: record.seeds > 1 && !record.real[k] ? [part(k, 1), part(k, 2)] : null,
      })),
    });
    if (record.time) {
      series ??= gallery(seriesPlace, { panel: [150, 70] });
      const values = floats(record.series);
      const rows = Array.from({ length: values.length / record.time }, (_, k) =>
        Array.from(values.subarray(k * record.time, (k + 1) * record.time)),
      );
      series.set({
        label: record.series_label,
        series: rows,
        titles: rows.map((_, k) => `sample ${k + 1}`),
        colour: 0,
        log: record.log,
      });
    }
  };

  let spoken = "";
  const draw = oncePerFrame(() => {
    const frame = model.get("frame"),
      settings = model.get("settings");
    undo.setAttribute("aria-disabled", String(!model.get("can_undo")));
    big.textContent = frame.big;
    tier.textContent = frame.tier;
    head.textContent = frame.head;
    extra.textContent = frame.note ?? "";
    extra.hidden = !frame.note;
    words.replaceChildren(...frame.words.map((text) => h("p", {}, text)));
    attack.hidden = frame.accuracy === null;
    guarantee.hidden = frame.n > 0 && frame.at[1] === null; // an infinite epsilon covers nothing
    if (frame.accuracy !== null) {
      fill.style.width = `${frame.accuracy * 100}%`;
      meter.setAttribute("aria-valuenow", (frame.accuracy * 100).toFixed(1));
    }
    if (settled() && !Object.keys(wanted).length) {
      for (const [name, one] of Object.entries(fields))
        one.show(settings[name], frame.hints[name], frame.places[name]);
      solving.textContent = "";
      if (document.activeElement !== aim)
        aim.value = settings.target === null ? aim.value : written(settings.target);
    }
    chartPlace.style.opacity = frame.problem ? "0.4" : "";
    if (frame.n) {
      const x = floats(frame.x),
        flat = (value) => Float32Array.from(x, () => value);
      const at = Float32Array.from(x, () => NaN),
        [epoch, value] = frame.at;
      let nearest = 0;
      x.forEach((one, k) => {
        if (Math.abs(one - epoch) < Math.abs(x[nearest] - epoch)) nearest = k;
      });
      at[nearest] = value ?? NaN;
      const first = floats(frame.first);
      chart.set({
        x,
        xRange: [0, frame.until],
        range: frame.range,
        series: [
          { name: "these settings", y: floats(frame.curve), colour: 0, width: 2.5 },
          { name: "now", y: at, colour: 0, points: true, mark: true },
          ...(first.length ? [{ name: "start values", y: first, colour: 1 }] : []),
          ...frame.lines.map(([name, level], k) => ({
            name,
            y: flat(level),
            colour: [2, 3, 4][k],
            width: 1.25,
            mark: true,
          })),
        ],
      });
    }
    const text = frame.problem ? "" : `epsilon ${frame.big}, ${frame.tier}`;
    if (settled() && text && text !== spoken) say(text);
    if (settled()) spoken = text;
  });
  for (const name of ["frame", "grids", "can_undo", "answered"])
    cleanups.push(on(model, `change:${name}`, draw));
  cleanups.push(
    on(model, "change:answered", () => send()),
    on(model, "change:record", drawRecord),
  );
  root.addEventListener("keydown", (event) => {
    if (
      !(event.ctrlKey || event.metaKey) ||
      event.key.toLowerCase() !== "z" ||
      event.target.matches("input[type=text]")
    )
      return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's would undo in the notebook, too
    undo.click();
  });
  cleanups.push(
    draw.cancel,
    send.cancel,
    () => recordChart?.destroy(),
    () => series?.destroy(),
  );
  draw();
  drawRecord();
  return close;
}

export default { render };
