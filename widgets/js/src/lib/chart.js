// Line charts on uPlot, with what it lacks: theme colours, a keyboard cursor, a spoken summary,
// bands, no mouse needed.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import {
  columns,
  cursorAfter,
  decades,
  describe,
  isJoined,
  named,
  reading,
  texts,
  tick,
  tickRoom,
  ticksOf,
  withAlpha,
  xRange,
  yRange,
} from "./axes.js";
import { h, oncePerFrame, svg } from "./dom.js";
import { short, shortUp } from "./numbers.js";
import { lineStyles, onTheme, theme } from "./theme.js";

/** @import { Axis, ChartState } from "./axes.js" */

/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {Axis} x
 * @property {Axis} y
 * @property {number} [height] 180 pixels, if left out
 * @property {string} [sync] shared by charts whose cursors move together
 */

/**
 * A chart that grows with its container; `set(state)` draws, in the next frame.
 * @param {HTMLElement} container
 * @param {ChartOptions} options
 */
export function lineChart(container, options) {
  const { title, x: xAxis, height = 180, sync } = options;
  const names = options.y.categories?.map(String);
  const yAxis = { ...options.y, categories: names };
  const readout = h("div", { class: "dgkit-readout", "aria-live": "off" });
  const place = h("div", { class: "dgkit-plot" });
  const summary = h("span", { class: "dgkit-visually-hidden" });
  const root = h(
    "div",
    { class: "dgkit-chart", tabindex: "0", role: "group", "aria-roledescription": "line chart" },
    h("div", { class: "dgkit-chart-title", "aria-hidden": "true" }, title),
    place,
    readout,
    summary,
  );
  container.append(root);

  /** @type {uPlot | null} */
  let plot = null;
  /** @type {ChartState | null} */
  let shown = null;
  /** @type {number | null} */
  let cursor = null;
  let shape = "";
  let focused = false;
  let labelled = 0;

  const xText = (/** @type {number} */ v) => xAxis.labels?.[v] ?? short(v);
  const yText = (/** @type {number | null} */ v) =>
    names?.[v ?? NaN] ?? (yAxis.up ? shortUp(v) : short(v));
  const width = () => Math.max(160, place.clientWidth || container.clientWidth || 320);

  /** @param {ChartState} state */
  function build(state) {
    plot?.destroy();
    const colours = theme(root);
    const styles = lineStyles(state.series, colours);
    const lines = /** @type {uPlot.Series[]} */ ([{}]);
    const bands = /** @type {uPlot.Band[]} */ ([]);
    state.series.forEach((one, k) => {
      const { stroke, dash } = styles[k];
      lines.push({
        label: one.name,
        stroke,
        width: one.width ?? (one.real ? 2 : 1.75),
        dash,
        points: {
          show: !one.apart && (state.x.length < 2 || one.points === true),
          size: 6,
          fill: stroke,
        },
        spanGaps: one.joined === true,
        ...(names ? { paths: uPlot.paths.stepped?.({ align: 1 }) } : {}),
        ...(one.apart ? { paths: () => null } : {}),
      });
      if (!one.band || one.apart) return;
      const edge = { stroke: "transparent", width: 0, points: { show: false } };
      lines.push(edge, { ...edge });
      bands.push({
        series: [lines.length - 1, lines.length - 2],
        fill: withAlpha(stroke, state.series.length > 4 ? 0.12 : 0.22),
      });
    });

    const axis = (/** @type {Axis} */ { label, log }) => ({
      label,
      stroke: colours.fg,
      grid: { stroke: colours.grid, width: 1 },
      ticks: { stroke: colours.grid, width: 1 },
      font: "11px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif",
      labelSize: 20,
      values: (/** @type {uPlot} */ _, /** @type {(number | null)[]} */ ticks) =>
        ticks.map((v) => (v === null ? null : tick(v))),
      ...(log ? { splits: logTicks, filter: logTexts } : {}),
    });
    /**
     * Upright texts that the axis is too short for are left out: the title says them.
     * @type {uPlot.Axis}
     */
    const upright = {
      ...axis(yAxis),
      space: (_plot, _axis, _low, _high, tall) => tickRoom(tall),
      label: ({ bbox }) =>
        yAxis.label.length * 6.5 < bbox.height / devicePixelRatio ? yAxis.label : "",
    };
    const horizontal = {
      ...axis(xAxis),
      size: 30,
      ...ticksOf(xAxis),
      ...(xAxis.labels ? named(xAxis.labels) : {}),
    };
    const vertical = { ...upright, ...(names ? categoryTicks(names) : { size: 54 }) };
    plot = new uPlot(
      {
        width: width(),
        height,
        legend: { show: false },
        padding: [8, 24, 0, 0], // half of a long last number
        cursor: {
          drag: { x: false, y: false },
          points: { size: 7 },
          ...(sync ? { sync: { key: sync, setSeries: false } } : {}),
        },
        scales: {
          x: {
            time: false,
            distr: xAxis.log ? 3 : 1,
            range: (_, low, high) => xRange(shown?.xRange, low, high, xAxis.log),
          },
          y: {
            distr: yAxis.log ? 3 : 1,
            range: (_, low, high) => yRange(shown?.range ?? yAxis.range, low, high, yAxis),
          },
        },
        axes: [horizontal, vertical],
        series: lines,
        bands,
        hooks: { setCursor: [moved], draw: [drawApart] },
      },
      /** @type {uPlot.AlignedData} */ (columns(state, yAxis.log)),
      place,
    );
  }

  /**
   * Series that are not joined: a dot and an upright bar at each x, side by side.
   * @param {uPlot} drawn
   */
  function drawApart(drawn) {
    const { x, series } = /** @type {ChartState} */ (shown);
    const styles = lineStyles(series, theme(root));
    const alone = series.filter((one) => one.apart);
    const { ctx } = drawn;
    ctx.save();
    series.forEach((one, k) => {
      if (!one.apart) return;
      const aside = (alone.indexOf(one) - (alone.length - 1) / 2) * 10;
      ctx.strokeStyle = ctx.fillStyle = styles[k].stroke;
      ctx.lineWidth = 2 * devicePixelRatio;
      Array.from(x).forEach((at, i) => {
        const y = one.y[i];
        if (y === null || !Number.isFinite(y) || (yAxis.log && y <= 0)) return;
        const left = drawn.valToPos(at, "x", true) + aside * devicePixelRatio;
        const top = (/** @type {number} */ value) => drawn.valToPos(value, "y", true);
        ctx.beginPath();
        if (one.band) {
          ctx.moveTo(left, top(one.band[0][i]));
          ctx.lineTo(left, top(one.band[1][i]));
        }
        ctx.stroke();
        ctx.beginPath();
        ctx.arc(left, top(y), 4 * devicePixelRatio, 0, 2 * Math.PI);
        ctx.fill();
      });
    });
    ctx.restore();
  }

  /** @param {uPlot} moving */
  function moved(moving) {
    const before = cursor;
    cursor = moving.cursor.idx ?? null;
    read(cursor !== before);
  }

  /**
   * What the cursor is at, as text: by mouse and by keyboard alike; said where the cursor moved.
   * @param {boolean} [speak]
   */
  function read(speak = false) {
    readout.replaceChildren();
    if (!shown) return;
    const { x, series } = shown;
    if (cursor !== null && cursor < x.length) {
      readout.append(h("span", {}, `${xAxis.label}: ${xText(x[cursor])}`));
    }
    const styles = lineStyles(series, theme(root));
    const spoken = series.map((one) => reading(one, cursor, yText));
    series.forEach((one, k) => {
      const { stroke, dash } = styles[k];
      const sign = isJoined(one) ? swatch(stroke, dash, one.points) : dot(stroke);
      readout.append(h("span", { class: "dgkit-key" }, sign, spoken[k]));
    });
    if (speak && focused && cursor !== null) {
      summary.textContent = `${xAxis.label} ${xText(x[cursor])}: ${spoken.join(", ")}`;
    }
  }

  const draw = oncePerFrame(() => {
    if (!shown) return;
    const { x, series } = shown;
    const now = JSON.stringify([
      ...series.map((one) => [
        one.name,
        !!one.real,
        !!one.band,
        one.colour,
        !!one.points,
        !!one.apart,
      ]),
      x.length < 2,
    ]);
    if (!plot || now !== shape) build(shown);
    else plot.setData(/** @type {uPlot.AlignedData} */ (columns(shown, yAxis.log)));
    shape = now;
    // a name that changes while it has the focus is read out: then not at every frame
    if (!focused || Date.now() - labelled > 10_000) {
      labelled = Date.now();
      root.setAttribute("aria-label", describe(title, xAxis, yAxis, shown, yText));
    }
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
    const at = cursorAfter(event.key, cursor, shown.x.length);
    if (at === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    plot.setCursor({
      left: plot.valToPos(shown.x[at], "x"),
      top: plot.bbox.height / 2 / devicePixelRatio,
    });
  });
  root.addEventListener("focus", () => {
    focused = true;
    labelled = Date.now();
    summary.setAttribute("aria-live", "polite");
  });
  root.addEventListener("blur", () => {
    focused = false;
    summary.textContent = "";
    draw();
  });

  return {
    root,
    /** @param {ChartState} state */
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

/** @type {uPlot.Axis.Splits} */
const logTicks = (_plot, _axis, low, high) => decades(low, high);

/** @type {uPlot.Axis.Filter} */
const logTexts = (plot, ticks, axis) => {
  const [scale, room] = axis === 0 ? ["x", 40] : ["y", 20];
  const decade = Math.abs(plot.valToPos(10, scale) - plot.valToPos(1, scale));
  return texts(ticks, decade, room);
};

/**
 * A vertical axis with a name at each of 0, 1, ...
 * @param {string[]} names
 * @returns {uPlot.Axis}
 */
function categoryTicks(names) {
  const longest = Math.max(...names.map((name) => name.length));
  return {
    size: Math.min(130, 16 + 7 * longest),
    splits: () => names.map((_, k) => k),
    values: (_, ticks) => ticks.map((v) => names[v]),
  };
}

/**
 * A short stroke in a line's colour and dash, for legends.
 * @param {string} stroke
 * @param {number[]} dash
 * @param {boolean} [points] the line's points are shown
 */
function swatch(stroke, dash, points) {
  const ends = { x1: 1, x2: 31, y1: 4, y2: 4 };
  const dashes = { "stroke-width": 2.5, "stroke-dasharray": dash.join(" ") };
  return svg(
    "svg",
    { width: 32, height: 8, "aria-hidden": "true" },
    svg("line", { ...ends, stroke, ...dashes }),
    ...(points ? [svg("circle", { cx: 16, cy: 4, r: 3, fill: stroke })] : []),
  );
}

/**
 * The same for a series of single points.
 * @param {string} colour
 */
function dot(colour) {
  return h("span", { class: "dgkit-dot", style: `background: ${colour}`, "aria-hidden": "true" });
}
