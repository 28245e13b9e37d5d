// Small multiples on one canvas each: many short series, redrawn in place, cheap enough for every frame.

import { h, oncePerFrame, short } from "./dom.js";
import { onTheme, theme } from "./theme.js";

/**
 * A row of panels that wraps. `set({ label, name, series, titles, colour, selected, range, log, categories })`: series an
 * array of number arrays (NaN ends a series); titles: a string each; colour: "real" or a place in the palette; range:
 * [low, high] shared by all panels, or null for one each (its two ends are printed); log: logarithmic vertical axis, on
 * which what is not positive is a gap; categories: what the numbers 0, 1, ... stand for, then drawn in steps; name: what
 * panels' spoken names begin with, default the label.
 * options: { panel: [width, height], onselect(k), onpage(step) } - with onselect panels are buttons, one stop for the Tab
 * key; arrows, Home and End move among them, PageUp and PageDown call onpage.
 */
export function gallery(container, { panel = [150, 74], onselect = null, onpage = null } = {}) {
  const label = h("div", { class: "dgkit-gallery-label" });
  const row = h("div", { class: "dgkit-gallery", role: "list" });
  const root = h("div", {}, label, row);
  container.append(root);
  let shown = null,
    current = 0;
  const cells = [];

  function cell(k) {
    if (cells[k]) return cells[k];
    const canvas = h("canvas", { "aria-hidden": "true" });
    canvas.style.width = `${panel[0]}px`;
    canvas.style.height = `${panel[1]}px`;
    const title = h("div", { class: "dgkit-panel-title" });
    const inner = onselect
      ? h(
          "button",
          {
            type: "button",
            class: "dgkit-panel",
            "aria-pressed": "false",
            onclick: () => onselect(k),
          },
          title,
          canvas,
        )
      : h("div", { class: "dgkit-panel", role: "img" }, title, canvas);
    inner.style.width = `${panel[0] + 8}px`;
    const item = h("div", { role: "listitem" }, inner);
    cells[k] = { item, inner, canvas, title };
    return cells[k];
  }

  /** Make panel k the one that the Tab key reaches. */
  function rove(k, focus) {
    current = Math.max(0, Math.min(row.children.length - 1, k));
    cells.forEach(({ inner }, place) => {
      inner.tabIndex = place === current ? 0 : -1;
    });
    if (focus) cells[current]?.inner.focus();
  }
  if (onselect) {
    row.addEventListener("focusin", (event) =>
      rove(
        cells.findIndex(({ inner }) => inner === event.target),
        false,
      ),
    );
    row.addEventListener("keydown", (event) => {
      const tops = Array.from(row.children, (item) => item.offsetTop);
      const columns = tops.filter((top) => top === tops[0]).length;
      const step = {
        ArrowLeft: -1,
        ArrowRight: 1,
        ArrowUp: -columns,
        ArrowDown: columns,
        Home: -Infinity,
        End: Infinity,
      }[event.key];
      const page = { PageUp: -1, PageDown: 1 }[event.key];
      if (step !== undefined) rove(current + step, true);
      else if (page && onpage) onpage(page);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  const draw = oncePerFrame(() => {
    if (!shown) return;
    const { series, titles = [], colour, selected, range, log, categories } = shown;
    label.textContent = shown.label ?? "";
    const colours = theme(root);
    const stroke =
      colour === "real" ? colours.fg : colours.palette[(colour ?? 0) % colours.palette.length];
    const wanted = series.map((_, k) => cell(k));
    const focused = row.contains(document.activeElement);
    while (row.children.length > series.length) row.lastChild.remove(); // panels that stay keep the focus
    row.append(...wanted.slice(row.children.length).map((c) => c.item));
    if (onselect) rove(current, focused && !row.contains(document.activeElement));
    series.forEach((values, k) => {
      const { inner, canvas, title } = wanted[k];
      const ends = paint(canvas, panel, values, { stroke, colours, range, log, categories });
      const text = titles[k] ?? `series ${k + 1}`;
      title.textContent = text;
      title.title = text;
      inner.setAttribute(
        "aria-label",
        `${shown.name ?? shown.label ?? ""} ${text}: ${between(ends, categories)}`.trim(),
      );
      if (onselect) inner.setAttribute("aria-pressed", String(selected === k));
    });
  });
  const stopTheme = onTheme(draw);
  return {
    root,
    set(state) {
      shown = state;
      draw();
    },
    destroy() {
      draw.cancel();
      stopTheme();
      root.remove();
    },
  };
}

/** "3 to 12", or the categories met. */
function between([low, high], categories) {
  if (!(low <= high)) return "no values";
  const name = (v) => categories?.[Math.round(v)] ?? short(v);
  return low === high ? `${name(low)} throughout` : `${name(low)} to ${name(high)}`;
}

/** Draw one series; returns its lowest and highest value. */
function paint(canvas, [width, height], values, { stroke, colours, range, log, categories }) {
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  let low = Infinity,
    high = -Infinity,
    least = Infinity;
  for (const v of values)
    if (Number.isFinite(v)) {
      low = Math.min(low, v);
      high = Math.max(high, v);
      if (v > 0) least = Math.min(least, v);
    }
  const f = log ? Math.log10 : (v) => v;
  let [bottom, top] = (range ?? [log ? least : low, high]).map(f);
  if (!(top > bottom)) {
    bottom -= 0.5;
    top += 0.5;
  }
  const top0 = 14,
    bottom0 = height - 4;
  const y = (v) => bottom0 - ((f(v) - bottom) / (top - bottom)) * (bottom0 - top0);
  const x = (t) => 2 + (t / Math.max(1, values.length - 1)) * (width - 4);
  const drawn = (v) => Number.isFinite(f(v));
  context.strokeStyle = colours.grid;
  context.lineWidth = 1;
  context.strokeRect(0.5, top0 - 2.5, width - 1, bottom0 - top0 + 5);
  context.save();
  context.beginPath();
  context.rect(0, top0 - 3, width, bottom0 - top0 + 6); // values outside a shared range stay in their frame
  context.clip();
  context.strokeStyle = context.fillStyle = stroke;
  context.lineWidth = 1.2;
  context.beginPath();
  values.forEach((v, t) => {
    if (!drawn(v)) return;
    if (t && drawn(values[t - 1])) {
      if (categories) context.lineTo(x(t), y(values[t - 1]));
      context.lineTo(x(t), y(v));
    } else {
      context.moveTo(x(t), y(v));
      if (!(t + 1 < values.length && drawn(values[t + 1])))
        context.fillRect(x(t) - 1, y(v) - 1, 3, 3); // a lone step
    }
  });
  context.stroke();
  context.restore();
  context.fillStyle = colours.muted;
  context.font = "10px system-ui, sans-serif";
  context.fillText(between([low, high], categories), 2, 9, width - 4);
  return [low, high];
}
