// Pictures that the shared library has not: a colour map of many series, and bars of shares as a table.

import { h, oncePerFrame, short } from "../lib/dom.js";
import { onTheme, theme } from "../lib/theme.js";

// cividis, made to look the same to colour-blind readers
const CIVIDIS = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 180, 105],
  [225, 204, 85],
  [254, 232, 56],
];

export function colour(share) {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1),
    k = Math.min(CIVIDIS.length - 2, Math.floor(at));
  return CIVIDIS[k].map((from, c) => Math.round(from + (CIVIDIS[k + 1][c] - from) * (at - k)));
}

/** Position of a value in [low, high], 0 to 1; on a log scale what lies a million times below the top is at the bottom. */
export function scaler([low, high], log) {
  const floor = log ? Math.max(low, high * 1e-6, 1e-30) : low;
  const f = log ? (v) => Math.log10(Math.max(v, floor)) : (v) => v;
  const bottom = f(floor),
    top = f(high);
  return { floor, share: (v) => (top > bottom ? (f(v) - bottom) / (top - bottom) : 0.5) };
}

/** Rows of series as a picture, one colour scale for all: set({ real, generated, time, range, log, unit }). */
export function colourMap(container) {
  const parts = ["real", "generated"].map((name) => {
    const canvas = h("canvas", { role: "img", class: "dgkit-map" });
    return {
      name,
      canvas,
      root: h(
        "figure",
        {},
        h("figcaption", {}, `${name}: one row a series`),
        canvas,
        h(
          "div",
          { class: "dgkit-map-axis" },
          h("span", {}, "1"),
          h("span", {}, "time (steps)"),
          h("span", { class: "dgkit-map-end" }),
        ),
      ),
    };
  });
  const bar = h("canvas", { class: "dgkit-map-bar", "aria-hidden": "true", width: 200, height: 1 });
  const ends = [h("span"), h("span")],
    what = h("span");
  const root = h(
    "div",
    { class: "dgkit-maps" },
    ...parts.map((part) => part.root),
    h("div", { class: "dgkit-map-scale" }, ends[0], bar, ends[1], what),
  );
  container.append(root);
  const context = bar.getContext("2d");
  for (let x = 0; x < 200; x++) {
    context.fillStyle = `rgb(${colour(x / 199)})`;
    context.fillRect(x, 0, 1, 1);
  }
  let shown = null;
  const draw = oncePerFrame(() => {
    const { time, range, log, unit, feature } = shown;
    root.hidden = !time || range?.length !== 2;
    if (root.hidden) return;
    const { floor, share } = scaler(range, log);
    for (const { name, canvas, root: figure } of parts) {
      const values = shown[name],
        rows = Math.floor(values.length / time);
      figure.hidden = !rows;
      if (!rows) continue;
      canvas.width = time;
      canvas.height = rows;
      const image = new ImageData(time, rows);
      for (let k = 0; k < rows * time; k++) {
        if (!Number.isFinite(values[k])) continue;
        const [r, g, b] = colour(share(values[k]));
        image.data.set([r, g, b, 255], 4 * k);
      }
      canvas.getContext("2d").putImageData(image, 0, 0);
      figure.querySelector(".dgkit-map-end").textContent = time;
      canvas.setAttribute(
        "aria-label",
        `${name}: ${rows} series of ${feature} as rows of colour, from ${short(floor)} to ${short(range[1])} ${unit}`,
      );
    }
    ends[0].textContent = short(floor);
    ends[1].textContent = short(range[1]);
    what.textContent = `${feature} (${unit})${log ? ", log scale" : ""}`;
  });
  return {
    root,
    set(state) {
      shown = state;
      draw();
    },
    destroy() {
      draw.cancel();
      root.remove();
    },
  };
}

/** Shares of each attribute's values, real beside generated: set({ real, generated }), lists of { name, labels, shares }. */
export function shareTables(container) {
  const root = h("div", { class: "dgkit-shares" });
  container.append(root);
  let shape = "",
    cells = [],
    shown = null;
  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

  function build(tables) {
    cells = [];
    root.replaceChildren(
      ...tables.map(({ name, labels }) => {
        const rows = labels.map((label) => {
          const pair = ["real", "generated"].map((who) => {
            const fill = h("div", { class: `dgkit-share dgkit-share-${who}` }),
              text = h("span");
            cells.push({ fill, text, who });
            return h("td", {}, h("div", { class: "dgkit-share-track" }, fill), text);
          });
          return h("tr", {}, h("th", { scope: "row", title: label }, label), ...pair);
        });
        const head = h(
          "tr",
          {},
          h("th", { scope: "col" }, "value"),
          h("th", { scope: "col" }, "real"),
          h("th", { scope: "col" }, "generated"),
        );
        return h(
          "table",
          {},
          h("caption", {}, `${name}: share of samples (%)`),
          h("thead", {}, head),
          h("tbody", {}, ...rows),
        );
      }),
    );
  }

  const draw = oncePerFrame(() => {
    const now = JSON.stringify(shown.real.map(({ name, labels }) => [name, labels]));
    if (now !== shape) build(shown.real);
    shape = now;
    const colours = theme(root);
    let k = 0;
    shown.real.forEach((table, t) =>
      table.shares.forEach((share, row) => {
        for (const value of [share, shown.generated[t]?.shares[row] ?? 0]) {
          const { fill, text, who } = cells[k++];
          fill.style.width = `${100 * value}%`;
          fill.style.background = who === "real" ? colours.fg : colours.palette[0];
          text.textContent = percent(value);
        }
      }),
    );
  });
  const stopTheme = onTheme(() => shown && draw());
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

/** Bars of a few signed numbers, with the numbers: for a vector of noise. */
export function vector(values, label) {
  const most = Math.max(1, ...values.map(Math.abs));
  return h(
    "div",
    { class: "dgkit-vector" },
    h("div", { class: "dgkit-hint" }, label),
    h(
      "div",
      { class: "dgkit-vector-bars" },
      ...values.map((v) => {
        const bar = h("div", { class: "dgkit-vector-bar" });
        bar.style.height = `${(50 * Math.abs(v)) / most}%`;
        bar.style[v < 0 ? "top" : "bottom"] = "50%";
        return h(
          "div",
          { class: "dgkit-vector-cell" },
          h("div", { class: "dgkit-vector-track" }, bar),
          h("span", {}, v.toFixed(2)),
        );
      }),
    ),
  );
}

/** Two rows of dots on one axis: a critic's scores of real and generated samples. */
export function strip(container, title, real, fake) {
  const colours = theme(container);
  const width = 420,
    height = 92,
    all = [...real, ...fake];
  const low = Math.min(...all),
    high = Math.max(...all),
    span = high - low || 1;
  const x = (v) => 78 + ((v - low) / span) * (width - 98);
  const svg = (tag, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const picture = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    class: "dgkit-strip",
    "aria-label": `${title}: mean score ${short(mean(real))} for real, ${short(mean(fake))} for generated samples; from ${short(low)} to ${short(high)}`,
  });
  [
    ["real", real, 20, colours.fg],
    ["generated", fake, 46, colours.palette[0]],
  ].forEach(([name, values, y, stroke]) => {
    picture.append(svg("text", { x: 0, y: y + 4, fill: colours.fg, "font-size": 12 }, name));
    values.forEach((v, k) =>
      picture.append(
        svg("circle", {
          cx: x(v),
          cy: y + ((k % 5) - 2) * 2,
          r: 2.4,
          fill: stroke,
          "fill-opacity": 0.45,
        }),
      ),
    );
    picture.append(
      svg("line", {
        x1: x(mean(values)),
        x2: x(mean(values)),
        y1: y - 10,
        y2: y + 10,
        stroke,
        "stroke-width": 2.5,
      }),
    );
  });
  picture.append(svg("line", { x1: 78, x2: width - 20, y1: 64, y2: 64, stroke: colours.muted }));
  picture.append(
    svg(
      "text",
      { x: 78, y: 80, fill: colours.fg, "font-size": 11, "text-anchor": "middle" },
      short(low),
    ),
  );
  picture.append(
    svg(
      "text",
      { x: width - 20, y: 80, fill: colours.fg, "font-size": 11, "text-anchor": "middle" },
      short(high),
    ),
  );
  picture.append(
    svg(
      "text",
      { x: (58 + width) / 2, y: 80, fill: colours.fg, "font-size": 11, "text-anchor": "middle" },
      "score D(x), dimensionless; line: mean",
    ),
  );
  return h("figure", {}, h("figcaption", {}, title), picture);
}
