// Small multiples on one canvas each: many short series, redrawn in place, cheap enough for every frame.

import { h, oncePerFrame, short } from "./dom.js";
import { onTheme, theme } from "./theme.js";

/**
 * A row of panels that wraps. `set({ label, series, titles, colour, selected, range, log })`: series an array of number
 * arrays (NaN ends a series); titles: a string each; colour: "real" or a place in the palette; range: [low, high] shared
 * by all panels, or null for one each (its two ends are printed); log: logarithmic vertical axis.
 * options: { panel: [width, height], onselect(k) } - with onselect panels are buttons.
 */
export function gallery(container, { panel = [150, 74], onselect = null } = {}) {
  const label = h("div", { class: "dgkit-gallery-label" });
  const row = h("div", { class: "dgkit-gallery", role: "list" });
  const root = h("div", {}, label, row);
  container.append(root);
  let shown = null;
  const cells = [];

  function cell(k) {
    if (cells[k]) return cells[k];
    const canvas = h("canvas", { "aria-hidden": "true" });
    canvas.style.width = `${panel[0]}px`;
    canvas.style.height = `${panel[1]}px`;
    const title = h("div", { class: "dgkit-panel-title" });
    const inner = onselect
      ? h("button", { type: "button", class: "dgkit-panel", "aria-pressed": "false", onclick: () => onselect(k) }, title, canvas)
      : h("div", { class: "dgkit-panel", role: "img" }, title, canvas);
    inner.style.width = `${panel[0] + 8}px`;
    const item = h("div", { role: "listitem" }, inner);
    cells[k] = { item, inner, canvas, title };
    return cells[k];
  }

  const draw = oncePerFrame(() => {
    if (!shown) return;
    const { series, titles = [], colour, selected, range, log } = shown;
    label.textContent = shown.label ?? "";
    const colours = theme(root);
    const stroke = colour === "real" ? colours.fg : colours.palette[(colour ?? 0) % colours.palette.length];
    const wanted = series.map((_, k) => cell(k));
    if (row.children.length !== series.length) row.replaceChildren(...wanted.map((c) => c.item));
    series.forEach((values, k) => {
      const { inner, canvas, title } = wanted[k];
      const ends = paint(canvas, panel, values, { stroke, colours, range, log });
      const text = titles[k] ?? `series ${k + 1}`;
      title.textContent = text;
      title.title = text;
      inner.setAttribute("aria-label", `${shown.label ?? ""} ${text}: from ${short(ends[0])} to ${short(ends[1])}`.trim());
      if (onselect) inner.setAttribute("aria-pressed", String(selected === k));
    });
  });
  const stopTheme = onTheme(draw);
  return {
    root,
    set(state) { shown = state; draw(); },
    destroy() { draw.cancel(); stopTheme(); root.remove(); },
  };
}

function paint(canvas, [width, height], values, { stroke, colours, range, log }) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  let low = Infinity, high = -Infinity, count = 0;
  for (const v of values) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); count++; }
  const ends = [low, high];
  const f = log ? (v) => Math.log10(Math.max(v, 1e-12)) : (v) => v;
  let [bottom, top] = (range ?? ends).map(f);
  if (!(top > bottom)) { bottom -= 0.5; top += 0.5; }
  const top0 = 13, bottom0 = height - 4;
  const y = (v) => bottom0 - ((f(v) - bottom) / (top - bottom)) * (bottom0 - top0);
  context.strokeStyle = colours.grid;
  context.strokeRect(0.5, top0 - 2.5, width - 1, bottom0 - top0 + 5);
  context.strokeStyle = stroke;
  context.lineWidth = 1.2;
  context.beginPath();
  let pen = false;
  values.forEach((v, t) => {
    if (!Number.isFinite(v)) { pen = false; return; }
    const x = 2 + (t / Math.max(1, values.length - 1)) * (width - 4);
    if (pen) context.lineTo(x, y(v));
    else context.moveTo(x, y(v));
    pen = true;
  });
  context.stroke();
  if (count === 1) { const t = values.findIndex(Number.isFinite); context.fillStyle = stroke; context.fillRect(1 + (t / Math.max(1, values.length - 1)) * (width - 4), y(values[t]) - 1, 3, 3); }
  context.fillStyle = colours.muted;
  context.font = "10px system-ui, sans-serif";
  if (count) context.fillText(`${short(low)} to ${short(high)}`, 2, 9);
  return ends;
}
