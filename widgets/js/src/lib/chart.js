// Line charts on uPlot, with what it lacks: theme colours, a keyboard cursor, a spoken summary, bands, no mouse needed.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { h, oncePerFrame, short } from "./dom.js";
import { dashOf, onTheme, theme } from "./theme.js";

/**
 * A chart that grows with its container.
 *
 * options: { title, x: { label, log, labels: texts for x = 0, 1, ... }, y: { label, log, range: [low, high], categories: what 0, 1, ... stand for, drawn in steps }, height = 180, sync: a string shared by
 * charts whose cursors move together }.
 * Returns { set, destroy, root }. `set({ x, series, range, xRange })`: range and xRange, optional, fix the axes' [low, high]; x ascending numbers, each series { name, y, real, band: [low, high] }
 * with null (or NaN) for gaps; `real: true` draws it in the text colour, `colour: k` fixes its place in the palette, `width` its stroke, `points: true` shows
 * its points (a dot in the legend), `mark: true` says of a line for comparison, such as a level, that its values need not be read out.
 */
export function lineChart(container, options) {
  const { title, x: xAxis, y: yAxis, height = 180, sync } = options;
  const readout = h("div", { class: "dgkit-readout", "aria-live": "off" });
  const place = h("div", { class: "dgkit-plot" });
  const root = h(
    "div",
    { class: "dgkit-chart", tabindex: "0", role: "group", "aria-roledescription": "line chart" },
    h("div", { class: "dgkit-chart-title", "aria-hidden": "true" }, title),
    place,
    readout,
  );
  const summary = h("span", { class: "dgkit-visually-hidden" });
  root.append(summary);
  container.append(root);
  const names = yAxis.categories?.map(String);
  const text = (v) => names?.[v] ?? short(v);
  let plot = null,
    shown = null,
    shape = "",
    cursor = null,
    focused = false;

  const xText = (value) => xAxis.labels?.[value] ?? short(value);
  const width = () => Math.max(160, place.clientWidth || container.clientWidth || 320);

  function columns({ x, series }) {
    const data = [Array.from(x)];
    for (const one of series) {
      const clean = (values) =>
        Array.from(values, (v) =>
          v === null || !Number.isFinite(v) || (yAxis.log && v <= 0) ? null : v,
        );
      data.push(clean(one.y));
      if (one.band) data.push(clean(one.band[0]), clean(one.band[1]));
    }
    return data;
  }

  function build(state) {
    plot?.destroy();
    const colours = theme(root);
    const lines = [{}],
      bands = [];
    let k = 0;
    for (const one of state.series) {
      const place = one.colour ?? (one.real ? -1 : k++);
      const stroke = one.real ? colours.fg : colours.palette[place % colours.palette.length];
      lines.push({
        label: one.name,
        stroke,
        width: one.width ?? (one.real ? 2 : 1.75),
        dash: one.real ? [] : dashOf(place),
        points: { show: state.x.length < 2 || one.points === true, size: 6, fill: stroke },
        spanGaps: false,
        ...(names ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
      });
      if (one.band) {
        const edge = { stroke: "transparent", width: 0, points: { show: false } };
        lines.push(edge, { ...edge });
        bands.push({
          series: [lines.length - 1, lines.length - 2],
          fill: withAlpha(stroke, state.series.length > 4 ? 0.12 : 0.22),
        });
      }
    }
    const axis = (given, more) => ({
      label: given.label,
      stroke: colours.fg,
      grid: { stroke: colours.grid, width: 1 },
      ticks: { stroke: colours.grid, width: 1 },
      font: "11px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif",
      labelSize: 20,
      values: (_, ticks) => ticks.map((v) => (v === null ? null : tick(v))),
      ...(given.log ? { splits: decades } : {}),
      ...more,
    });
    const fixed = (range) =>
      range?.length === 2 && range.every(Number.isFinite) && range[1] > range[0];
    const yRange = (_, low, high) => {
      const given = shown?.range ?? yAxis.range;
      if (names) return [-0.5, names.length - 0.5];
      if (fixed(given)) return given;
      if (low === null) return yAxis.log ? [0.1, 1] : [0, 1];
      return yAxis.log ? uPlot.rangeLog(low, high, 10, true) : uPlot.rangeNum(low, high, 0.1, true);
    };
    const xRange = (_, low, high) =>
      fixed(shown?.xRange)
        ? shown.xRange
        : low === null
          ? [xAxis.log ? 0.1 : 0, 1]
          : xAxis.log
            ? uPlot.rangeLog(low, high, 10, true)
            : low === high
              ? [low - 0.5, low + 0.5]
              : [low, high];
    plot = new uPlot(
      {
        width: width(),
        height,
        legend: { show: false },
        padding: [8, 16, 0, 0],
        cursor: {
          drag: { x: false, y: false },
          points: { size: 7 },
          ...(sync ? { sync: { key: sync, setSeries: false } } : {}),
        },
        scales: {
          x: { time: false, distr: xAxis.log ? 3 : 1, range: xRange },
          y: { distr: yAxis.log ? 3 : 1, range: yRange },
        },
        axes: [
          axis(xAxis, { size: 30, ...(xAxis.labels ? named(xAxis.labels) : {}) }),
          axis(
            yAxis,
            names
              ? {
                  size: Math.min(130, 16 + 7 * Math.max(...names.map((name) => name.length))),
                  splits: () => names.map((_, k) => k),
                  values: (_, ticks) => ticks.map((v) => names[v]),
                }
              : { size: 48 },
          ),
        ],
        series: lines,
        bands,
        hooks: {
          setCursor: [
            (u) => {
              cursor = u.cursor.idx ?? null;
              read();
            },
          ],
        },
      },
      columns(state),
      place,
    );
  }

  /** What the cursor is at, as text: by mouse and by keyboard alike. */
  function read() {
    const at = cursor;
    const colours = theme(root);
    readout.replaceChildren();
    let k = 0;
    const spoken = [];
    if (at !== null && shown && at < shown.x.length)
      readout.append(h("span", {}, `${xAxis.label}: ${xText(shown.x[at])}`));
    for (const one of shown?.series ?? []) {
      const place = one.colour ?? (one.real ? -1 : k++);
      const colour = one.real ? colours.fg : colours.palette[place % colours.palette.length];
      const value =
        at === null || one.mark
          ? ""
          : ` ${text(one.y[at])}` +
            (one.band ? ` (${short(one.band[0][at])} to ${short(one.band[1][at])})` : "");
      const dash = one.real ? [] : dashOf(place);
      readout.append(
        h(
          "span",
          { class: "dgkit-key" },
          one.points ? dot(colour) : swatch(colour, dash),
          one.name + value,
        ),
      );
      spoken.push(one.name + value);
    }
    if (focused && at !== null)
      summary.textContent = `${xAxis.label} ${xText(shown.x[at])}: ${spoken.join(", ")}`;
  }

  const draw = oncePerFrame(() => {
    if (!shown) return;
    const now =
      JSON.stringify(shown.series.map((s) => [s.name, !!s.real, !!s.band, s.colour, !!s.points])) +
      (shown.x.length < 2);
    if (!plot || now !== shape) build(shown);
    else plot.setData(columns(shown));
    shape = now;
    root.setAttribute("aria-label", describe(title, xAxis, yAxis, shown, text));
    read();
  });

  const resize = new ResizeObserver(() => {
    if (plot && Math.abs(plot.width - width()) > 1) plot.setSize({ width: width(), height });
  });
  resize.observe(place);
  const stopTheme = onTheme(() => {
    shape = "";
    draw();
  });
  root.addEventListener("keydown", (event) => {
    if (!plot || !shown?.x.length) return;
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -10,
      PageDown: 10,
      Home: -Infinity,
      End: Infinity,
    }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const last = shown.x.length - 1;
    const at = Math.min(last, Math.max(0, (cursor ?? (step > 0 ? -1 : last + 1)) + step));
    plot.setCursor({
      left: plot.valToPos(shown.x[at], "x"),
      top: plot.bbox.height / 2 / devicePixelRatio,
    });
  });
  root.addEventListener("focus", () => {
    focused = true;
    summary.setAttribute("aria-live", "polite");
  });
  root.addEventListener("blur", () => {
    focused = false;
    summary.textContent = "";
  });

  return {
    root,
    set(state) {
      shown = state;
      draw();
    },
    destroy() {
      draw.cancel();
      resize.disconnect();
      stopTheme();
      plot?.destroy();
      root.remove();
    },
  };
}

/** A short stroke in a series' colour and dash, for legends. */
export function swatch(colour, dash = []) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({ width: 26, height: 8, "aria-hidden": "true" }))
    svg.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({
    x1: 1,
    x2: 25,
    y1: 4,
    y2: 4,
    stroke: colour,
    "stroke-width": 2.5,
    "stroke-dasharray": dash.join(" "),
  }))
    line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

/** The same for a series of single points. */
function dot(colour) {
  return h("span", { class: "dgkit-dot", style: `background: ${colour}`, "aria-hidden": "true" });
}

function describe(title, xAxis, yAxis, { x, series }, text) {
  const parts = series
    .filter((one) => !one.mark)
    .map((one) => {
      const values = Array.from(one.y).filter((v) => v !== null && Number.isFinite(v));
      if (!values.length) return `${one.name}: no values`;
      return `${one.name}: from ${text(values.reduce((a, b) => Math.min(a, b)))} to ${text(values.reduce((a, b) => Math.max(a, b)))}, last ${text(values.at(-1))}`;
    });
  return `${title}. ${yAxis.label} against ${xAxis.label}. ${parts.join(". ")}. ${x.length ? "Left and right arrow keys read values." : ""}`;
}

function withAlpha(colour, alpha) {
  const parts = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
  return `rgba(${parts.join(",")},${alpha})`;
}

/** Ticks with a text for each whole number, as many as fit. */
function named(labels) {
  const longest = Math.max(...labels.map((text) => text.length));
  return {
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e4, 1e5],
    space: Math.max(40, longest * 6 + 8),
    values: (_, ticks) => ticks.map((v) => labels[v] ?? ""),
  };
}

/** Ticks of a logarithmic axis: 1, 2, ... 9 times each power of ten in view. */
function decades(_, __, low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (let digit = 1; digit < 10; digit++) ticks.push(Number(`${digit}e${power}`));
  }
  return ticks.filter((v) => v >= low && v <= high);
}

function tick(value) {
  const size = Math.abs(value);
  if (size >= 1e5 || (size !== 0 && size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}
