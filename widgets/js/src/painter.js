// The DistributionPainter: bars to drag or draw, a slider each. The sum-to-one rule lives in painter.py; the same few
// lines here let a drag move at once, and what Python answers is drawn as soon as it has seen the last wish.

import "./lib/dgkit.css";
import "./painter.css";
import { act, atMost, button, h, on, oncePerFrame, shell } from "./lib/dom.js";

const SCALES = [0.05, 0.1, 0.2, 0.5, 1]; // what a bar's full height can mean
const TRAITS = [
  "probabilities",
  "locked",
  "can_undo",
  "can_redo",
  "answered",
  "reference",
  "total_variation",
];
const sum = (values) => values.reduce((a, b) => a + b, 0);
const percent = (share) => (share * 100).toFixed(1);

function render({ model, el }) {
  const attributes = model.get("attributes"),
    names = model.get("names"),
    from = model.get("source");
  const joint = attributes.length === 2;
  const columns = joint ? names[1].length : names[0].length;
  const what = attributes.join(" and ");
  const { root, body, say, cleanups, close } = shell(el, model, `Distribution painter: ${what}`);
  const owner = `${Math.random()}`;
  let shares = [],
    reference = [],
    locked = []; // flat, row by row
  let stroke = null; // { id, axis, base, wishes, held: by the pointer }
  let sent = "",
    count = 0;
  const bars = []; // { axis: null, 0 or 1, place, label, track, fill, mark, input, lock }

  // ---- the rule, as in painter.py
  const scaled = (weights, total) => {
    const size = sum(weights);
    return weights.map((w) => (size > 0 ? (w / size) * total : total / weights.length));
  };
  function paint(values, wishes, held, total = 1) {
    const chosen = [...wishes.keys()].filter((k) => !held[k]);
    if (!chosen.length) return values.slice();
    const free = Math.max(0, total - sum(values.filter((_, k) => held[k])));
    const wanted = chosen.map((k) => Math.min(free, Math.max(0, wishes.get(k))));
    const others = values.map((_, k) => k).filter((k) => !held[k] && !wishes.has(k));
    const rest = free - sum(wanted),
      result = values.slice();
    const fits = rest >= 0 && others.length > 0;
    const put = (places, numbers) =>
      places.forEach((k, i) => {
        result[k] = numbers[i];
      });
    put(chosen, fits ? wanted : scaled(wanted, free));
    put(
      others,
      fits
        ? scaled(
            others.map((k) => values[k]),
            rest,
          )
        : others.map(() => 0),
    );
    return result;
  }
  const members = (axis, place) =>
    shares
      .map((_, k) => k)
      .filter((k) => (axis === 0 ? Math.floor(k / columns) : k % columns) === place);
  function paintMargin(values, axis, wishes) {
    const groups = names[axis].map((_, place) => members(axis, place));
    const fixed = groups.map((group) => sum(group.filter((k) => locked[k]).map((k) => values[k])));
    const loose = groups.map((group) => sum(group.filter((k) => !locked[k]).map((k) => values[k])));
    const wanted = new Map([...wishes].map(([k, value]) => [k, Math.max(0, value - fixed[k])]));
    const parts = paint(
      loose,
      wanted,
      groups.map((group) => group.every((k) => locked[k])),
      Math.max(0, 1 - sum(fixed)),
    );
    const result = values.slice();
    groups.forEach((group, g) => {
      const free = group.filter((k) => !locked[k]);
      scaled(
        free.map((k) => values[k]),
        parts[g],
      ).forEach((value, i) => {
        result[free[i]] = value;
      });
    });
    return result;
  }
  const shareOf = (bar, values) =>
    bar.axis === null ? values[bar.place] : sum(members(bar.axis, bar.place).map((k) => values[k]));
  const heldOf = (bar) =>
    bar.axis === null ? locked[bar.place] : members(bar.axis, bar.place).every((k) => locked[k]);

  // ---- what the user wants
  function begin(axis, pointer = false) {
    stroke = { id: `${owner}-${++count}`, axis, base: shares, wishes: new Map(), pointer };
  }
  const send = atMost(30, () => {
    if (!stroke?.wishes.size) return;
    sent = `${owner}-${++count}`;
    act(model, "paint", {
      wishes: [...stroke.wishes],
      axis: stroke.axis,
      stroke: stroke.id,
      token: sent,
    });
  });
  function wish(bar, value) {
    stroke.wishes.set(bar.place, Math.min(1, Math.max(0, value)));
    shares =
      stroke.axis === null
        ? paint(stroke.base, stroke.wishes, locked)
        : paintMargin(stroke.base, stroke.axis, stroke.wishes);
    draw();
    send();
  }
  function end() {
    if (!stroke) return;
    send.now();
    stroke = null;
    load();
  }
  function once(bar, value) {
    end();
    begin(bar.axis);
    wish(bar, value);
    end();
  }

  // ---- drawing
  function load() {
    const flat = (value) => (joint ? value.flat() : value.slice());
    [reference, locked] = [flat(model.get("reference")), flat(model.get("locked"))];
    if (!stroke && (!sent || model.get("answered") === sent)) {
      shares = flat(model.get("probabilities"));
      sent = "";
    }
    draw();
  }
  let full = { cell: 1, total: 1 };
  const draw = oncePerFrame(() => {
    if (!stroke?.pointer) {
      for (const kind of ["cell", "total"]) {
        const own = bars.filter((bar) => (bar.axis === null) === (kind === "cell"));
        const high = Math.max(
          0,
          ...own.map((bar) => Math.max(shareOf(bar, shares), shareOf(bar, reference))),
        );
        full[kind] = SCALES.find((scale) => scale >= high * 1.05) ?? 1;
      }
    }
    for (const bar of bars) {
      const share = shareOf(bar, shares),
        usual = shareOf(bar, reference),
        held = heldOf(bar);
      const top = bar.axis === null ? full.cell : full.total;
      bar.fill.style.height = `${Math.min(100, (share / top) * 100)}%`;
      bar.mark.style.bottom = `calc(${Math.min(1, usual / top) * 100}% - 1px)`;
      if (document.activeElement !== bar.input || !bar.input.dataset.typing)
        bar.input.value = percent(share);
      bar.track.classList.toggle("dgp-held", held);
      bar.track.title = `${bar.label}: ${percent(share)} %, ${from} ${percent(usual)} %`;
      const state = {
        "aria-valuenow": percent(share),
        "aria-valuetext": `${percent(share)} %, ${from} ${percent(usual)} %${held ? ", locked" : ""}`,
        "aria-disabled": String(held),
      };
      for (const [name, value] of Object.entries(state))
        if (bar.track.getAttribute(name) !== value) bar.track.setAttribute(name, value);
      bar.lock?.setAttribute("aria-pressed", String(held));
      if (joint && bar.axis === null)
        bar.cell.style.background = `color-mix(in srgb, #3a87b5 ${Math.round(Math.min(1, share / top) * 55)}%, transparent)`;
    }
    const distance = sum(shares.map((p, k) => Math.abs(p - reference[k]))) / 2;
    far.textContent = distance.toFixed(3);
    meter.firstChild.style.width = `${distance * 100}%`;
    scale.textContent =
      `Full height: ${full.cell * 100} %` + (joint ? `, of totals ${full.total * 100} %` : "");
    undo.setAttribute("aria-disabled", String(!model.get("can_undo")));
    redo.setAttribute("aria-disabled", String(!model.get("can_redo")));
    const free = locked.filter((one) => !one).length;
    note.textContent =
      free > 1
        ? ""
        : free
          ? "All but one are locked, so nothing can move: unlock another."
          : "All are locked: unlock two to draw.";
  });

  // ---- building
  const tell = (text) =>
    requestAnimationFrame(() => say(`${text}. ${from} distance ${far.textContent}`));
  const ask = (action, text) => {
    end();
    act(model, action);
    tell(text);
  };
  const undo = button(
    "Undo",
    () => undo.getAttribute("aria-disabled") !== "true" && ask("undo", "Undone"),
    { title: "Ctrl+Z" },
  );
  const redo = button(
    "Redo",
    () => redo.getAttribute("aria-disabled") !== "true" && ask("redo", "Done again"),
    { title: "Ctrl+Shift+Z" },
  );
  const far = h("strong", { class: "dgp-distance" });
  const meter = h("div", { class: "dgkit-bar", "aria-hidden": "true" }, h("div"));
  const scale = h("span", { class: "dgkit-hint" });
  const note = h("div", { class: "dgp-note", role: "status" });

  function bar(axis, place, label) {
    const fill = h("div", { class: "dgp-fill" }),
      mark = h("div", { class: "dgp-mark" });
    const track = h(
      "div",
      {
        class: "dgp-track",
        role: "slider",
        tabindex: "0",
        "aria-label": label,
        "aria-orientation": "vertical",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      },
      fill,
      mark,
    );
    const input = h("input", {
      type: "text",
      inputmode: "decimal",
      tabindex: "-1",
      "aria-label": `${label}, percent`,
      autocomplete: "off",
    });
    const one = { axis, place, label, track, fill, mark, input };
    track.addEventListener("keydown", (event) => key(one, event));
    track.addEventListener("keyup", end);
    track.addEventListener("blur", () => !stroke?.pointer && end());
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
        typed(one);
        track.focus();
      }
    });
    input.addEventListener("blur", () => typed(one));
    const parts = [input, track];
    if (axis === null) {
      if (!joint)
        parts.push(
          h("div", { class: "dgp-label", "aria-hidden": "true" }, label.replaceAll(".", ".\u200b")),
        );
      one.lock = button(padlock(), () => act(model, "lock", { place, on: !locked[place] }), {
        class: "dgkit-button dgp-lock",
        "aria-label": `Lock ${label}`,
        title: "Keep as it is (L)",
      });
      parts.push(one.lock);
    }
    one.cell = h("div", { class: "dgp-cell" }, ...parts);
    bars.push(one);
    return one.cell;
  }
  function typed(one) {
    if (!one.input.dataset.typing) return;
    delete one.input.dataset.typing;
    const text = one.input.value.trim().replace(",", ".").replace("%", ""),
      value = Number(text);
    if (text && Number.isFinite(value) && value >= 0 && value <= 100) once(one, value / 100);
    else {
      draw();
      say(`${one.input.value} is not a number from 0 to 100`);
    }
  }
  function key(one, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9.,]$/.test(event.key)) {
      one.input.focus();
      return;
    } // the digit goes into the field
    if (event.key.toLowerCase() === "l" && one.lock) {
      one.lock.click();
      return;
    }
    const step = {
      ArrowUp: 0.01,
      ArrowRight: 0.01,
      ArrowDown: -0.01,
      ArrowLeft: -0.01,
      PageUp: 0.1,
      PageDown: -0.1,
      Home: -Infinity,
      End: Infinity,
    }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    if (heldOf(one)) return say(`${one.label} is locked`);
    if (!stroke || stroke.pointer || stroke.axis !== one.axis || !stroke.wishes.has(one.place)) {
      end();
      begin(one.axis);
    }
    wish(one, shareOf(one, shares) + step);
  }

  // ---- the pointer: at a bar's top it drags that bar, elsewhere it draws across all bars of its line
  let last = null,
    grip = null,
    line = [];
  function valueAt(one, y) {
    const box = one.track.getBoundingClientRect();
    return ((box.bottom - y) / box.height) * (one.axis === null ? full.cell : full.total);
  }
  function down(event) {
    const one = bars.find((b) => b.track === event.target.closest?.(".dgp-track"));
    if (!one || event.button > 0) return;
    event.preventDefault();
    one.track.focus({ preventScroll: true });
    if (heldOf(one)) return say(`${one.label} is locked`);
    end();
    begin(one.axis, true);
    const box = one.track.getBoundingClientRect();
    grip = Math.abs(one.fill.getBoundingClientRect().top - event.clientY) <= 6 ? one : null;
    line = bars.filter(
      (b) => b.axis === one.axis && Math.abs(b.track.getBoundingClientRect().top - box.top) < 3,
    );
    last = [event.clientX, event.clientY];
    area.setPointerCapture(event.pointerId);
    wish(one, valueAt(one, event.clientY));
  }
  function move(event) {
    if (!stroke?.pointer) return;
    const here = [event.clientX, event.clientY];
    if (grip) wish(grip, valueAt(grip, here[1]));
    else {
      for (const one of line) {
        // bars jumped over get the height where the pointer's way crosses their middle
        const box = one.track.getBoundingClientRect(),
          middle = (box.left + box.right) / 2;
        const inside = here[0] >= box.left && here[0] <= box.right;
        if (heldOf(one) || !(inside || (middle - last[0]) * (middle - here[0]) < 0)) continue;
        wish(
          one,
          valueAt(
            one,
            inside
              ? here[1]
              : last[1] + ((middle - last[0]) / (here[0] - last[0])) * (here[1] - last[1]),
          ),
        );
      }
    }
    last = here;
  }
  const up = () => stroke?.pointer && end();

  const area = h("div", {
    class: joint ? "dgp-scroll" : "dgp-grid",
    onpointerdown: down,
    onpointermove: move,
    onpointerup: up,
    onpointercancel: up,
  });
  if (joint) {
    const [first, second] = names;
    const head = h(
      "tr",
      {},
      h("td", {}, h("span", { class: "dgkit-hint" }, `${attributes[0]} \\ ${attributes[1]}`)),
      ...second.map((name) => h("th", { scope: "col" }, name)),
      h("th", { scope: "col" }, "total"),
    );
    const rows = first.map((a, i) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, a),
        ...second.map((b, j) => h("td", {}, bar(null, i * columns + j, `${a}, ${b}`))),
        h("td", { class: "dgp-total" }, bar(0, i, `${a}, total`)),
      ),
    );
    const foot = h(
      "tr",
      {},
      h("th", { scope: "row" }, "total"),
      ...second.map((b, j) => h("td", { class: "dgp-total" }, bar(1, j, `${b}, total`))),
      h("td"),
    );
    const table = h("table", { class: "dgp-table" }, head, ...rows, foot);
    table.style.minWidth = `${64 + 46 * (columns + 1)}px`;
    area.append(table);
  } else {
    area.style.maxWidth = `${120 * columns}px`;
    area.append(...names[0].map((name, k) => bar(null, k, name)));
  }

  body.append(
    h("h3", {}, `Target distribution of ${what}, in % of the samples`),
    h(
      "div",
      { class: "dgkit-row" },
      undo,
      redo,
      button(`As the ${from}`, () => ask("reset", `As the ${from}`)),
      button("Uniform", () => ask("uniform", "Uniform")),
    ),
    h(
      "div",
      { class: "dgp-facts" },
      h("span", {}, `Total variation distance to the ${from}: `, far),
      meter,
      h("span", { class: "dgp-key" }, h("i"), "target"),
      h("span", { class: "dgp-key" }, h("b"), from),
      scale,
    ),
    area,
    note,
    h(
      "div",
      { class: "dgkit-hint" },
      "Drag a bar's top, or draw across bars. Keys: arrows 1 %, Page Up and Down 10 %, Home, End, a number and Enter, L locks, Ctrl+Z undoes.",
    ),
  );
  root.addEventListener("keydown", (event) => {
    if (
      !(event.ctrlKey || event.metaKey) ||
      event.key.toLowerCase() !== "z" ||
      event.target.dataset.typing
    )
      return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab's would undo in the notebook, too
    (event.shiftKey ? redo : undo).click();
  });
  for (const name of TRAITS) cleanups.push(on(model, `change:${name}`, load));
  cleanups.push(draw.cancel, send.cancel);
  load();
  return close;
}

function padlock() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({
    viewBox: "0 0 12 14",
    width: 11,
    height: 13,
    "aria-hidden": "true",
  }))
    svg.setAttribute(name, value);
  svg.innerHTML =
    '<path d="M3 6V4a3 3 0 0 1 6 0v2" fill="none" stroke="currentColor" stroke-width="1.6"/><rect x="1" y="6" width="10" height="7.5" rx="1.2" fill="currentColor"/>';
  return svg;
}

export default { render };
