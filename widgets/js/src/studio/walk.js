// Slow motion: one batch on its way through the networks, a numbered stage at a time, with its real
// numbers.

import { padded } from "../lib/axes.js";
import { lineChart } from "../lib/chart.js";
import { button, h, reducedMotion, setOff, taken, uid, undoAll } from "../lib/dom.js";
import { mean, short } from "../lib/numbers.js";
import { fixed, formulas } from "./formulas.js";
import { strip, vector } from "./pictures.js";

/** @import { Judged } from "./formulas.js" */

const STAGE_MS = 1250;
const GROWING_MS = 1100;
const GROWING_FRAMES = 24;

/**
 * A stage draws into a place, and pushes onto `undo` what must be stopped when it goes.
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} caption
 * @property {(place: HTMLElement, undo: (() => void)[]) => void} draw
 */

/**
 * An attribute of the first sample: a category with its probabilities, or a number.
 * @typedef {object} Attribute
 * @property {string} name
 * @property {string[]} [labels]
 * @property {number[]} shares
 * @property {number} chosen
 * @property {number} value
 * @property {string} unit
 */

/**
 * The series of the first sample: `scaled` as the LSTM makes it, `raw` in its unit.
 * @typedef {object} Made
 * @property {string} [feature]
 * @property {string} unit
 * @property {[number, number] | null} range
 * @property {number} sample_len
 * @property {number} passes
 * @property {number[]} scaled
 * @property {number[]} raw
 * @property {[number, number]} scaled_range
 */

/**
 * A batch as Python recorded it.
 * @typedef {object} Walk
 * @property {number} step
 * @property {number} batch
 * @property {{ attribute: number[], minmax: number[], feature: number[][] }} noise
 * @property {Attribute[]} attributes
 * @property {Made} series
 * @property {{ main: Judged, auxiliary?: Judged }} judged
 * @property {number | null} generator_loss
 * @property {number} auxiliary_weight
 */

/**
 * The panel; `show(walk)` begins, `say` announces captions.
 * @param {(text: string) => void} say
 * @param {() => void} onclose
 */
export function walkPanel(say, onclose) {
  /** @type {Stage[]} */
  let stages = [];
  let at = 0;
  let timer = 0;
  let playing = false;
  /** @type {(() => void)[]} */
  const undo = [];
  const flow = h("ol", { class: "dgkit-flow" });
  const caption = h("p", { class: "dgkit-caption" });
  const stage = h("div", { class: "dgkit-stage" });
  const previous = button("Previous", () => go(at - 1), { "aria-keyshortcuts": "ArrowLeft" });
  const next = button("Next", () => go(at + 1), { "aria-keyshortcuts": "ArrowRight" });
  const auto = button("Auto-advance", () => play(!playing), { "aria-pressed": "false" });
  const close = button("Close", leave, { "aria-keyshortcuts": "Escape" });
  const heading = h("h3", { id: uid("walk") }, "Slow motion");
  const root = h(
    "section",
    { class: "dgkit-walk", hidden: true, "aria-labelledby": heading.id },
    heading,
    flow,
    caption,
    stage,
    h("div", { class: "dgkit-row" }, previous, next, auto, close),
  );
  root.addEventListener("keydown", (event) => {
    if (/** @type {Element} */ (event.target).matches("input, .dgkit-chart")) return;
    if (event.key === "ArrowRight") go(at + 1);
    else if (event.key === "ArrowLeft") go(at - 1);
    else if (event.key === "Escape") leave();
    else return;
    taken(event);
  });

  function hide() {
    play(false);
    undoAll(undo);
    root.hidden = true;
  }

  function leave() {
    hide();
    onclose();
  }

  /** @param {boolean} on */
  function play(on) {
    clearTimeout(timer);
    playing = on;
    auto.setAttribute("aria-pressed", String(on));
    if (on) timer = setTimeout(advance, STAGE_MS);
  }

  function advance() {
    const last = at + 1 >= stages.length;
    if (!last) move(at + 1);
    play(!last);
  }

  /**
   * By hand: stops the auto-advance.
   * @param {number} to
   */
  function go(to) {
    play(false);
    move(to);
  }

  /** @param {number} to */
  function move(to) {
    at = Math.min(stages.length - 1, Math.max(0, to));
    [...flow.children].forEach((item, k) => {
      const knob = item.firstElementChild;
      if (k === at) knob?.setAttribute("aria-current", "step");
      else knob?.removeAttribute("aria-current");
    });
    caption.textContent = `${at + 1}. ${stages[at].caption}`;
    say(caption.textContent);
    undoAll(undo);
    stage.replaceChildren();
    stages[at].draw(stage, undo);
    setOff(previous, at === 0);
    setOff(next, at === stages.length - 1);
  }

  return {
    root,
    /** @param {Walk | null} walk */
    show(walk) {
      if (!walk?.batch) {
        hide();
        return;
      }
      stages = stagesOf(walk);
      heading.textContent =
        `Slow motion: the batch of step ${walk.step} (${walk.batch} samples), ` +
        "its first sample shown";
      const knobs = stages.map(({ name }, k) => button(`${k + 1} ${name}`, () => go(k)));
      flow.replaceChildren(...knobs.map((knob) => h("li", {}, knob)));
      root.hidden = false;
      move(0);
      play(!reducedMotion());
      next.focus({ preventScroll: true });
      root.scrollIntoView({ block: "nearest" });
    },
    destroy: hide,
  };
}

/**
 * @param {Walk} walk
 * @returns {Stage[]}
 */
function stagesOf(walk) {
  const { attributes, series } = walk;
  return [
    noiseStage(walk),
    {
      name: "Attributes",
      caption: attributes.length
        ? "The attribute generator turns its noise into probabilities of the attributes; " +
          "the largest is taken (marked)."
        : "This dataset has no attributes, so nothing is generated here.",
      draw: (place) => place.append(...attributes.map(attributeTable)),
    },
    rangeStage(series),
    ...(series.feature ? [seriesStage(series)] : []),
    judgedStage(walk),
    {
      name: "Losses",
      caption:
        "From the scores come the losses: the discriminator's half step lowers its own, " +
        "the generator's half step then lowers its own.",
      draw: (place) => place.append(definitions(formulas(walk), "dgkit-formulas")),
    },
  ];
}

/**
 * @param {Walk} walk
 * @returns {Stage}
 */
function noiseStage({ noise: { attribute, minmax, feature } }) {
  return {
    name: "Noise",
    caption:
      `Noise is drawn: ${attribute.length} normal numbers for the attributes, ` +
      `${minmax.length} for the range, ${attribute.length} fresh ones for each of the LSTM's ` +
      `${feature.length} passes.`,
    draw(place) {
      place.append(
        vector(attribute, "for the attributes"),
        vector(minmax, "for the range"),
        vector(feature[0], "for the LSTM's first pass"),
      );
    },
  };
}

/**
 * @param {Made} series
 * @returns {Stage}
 */
function rangeStage({ range, unit }) {
  if (range?.length !== 2) {
    return {
      name: "Min/max",
      caption:
        "Auto-normalisation is off (or this feature has none): no range is generated, " +
        "and the LSTM makes values on the scale of all data.",
      draw() {},
    };
  }
  const [low, high] = range;
  return {
    name: "Min/max",
    caption:
      "For these attributes the min/max generator says in which range the series will lie: " +
      `${short(low)} to ${short(high)} ${unit}.`,
    draw(place) {
      const numbers = [
        ["smallest", `${short(low)} ${unit}`],
        ["mid-range", `${short((low + high) / 2)} ${unit}`],
        ["half-range", `${short((high - low) / 2)} ${unit}`],
        ["largest", `${short(high)} ${unit}`],
      ];
      place.append(definitions(numbers));
    },
  };
}

/**
 * @param {Made} series
 * @returns {Stage}
 */
function seriesStage(series) {
  return {
    name: "LSTM",
    caption:
      `The LSTM makes ${series.feature}, ${series.sample_len} steps a pass, ` +
      `in ${series.passes} passes: on its own scale (left), and in ${series.unit} (right).`,
    draw: (place, undo) => growing(place, series, undo),
  };
}

/**
 * @param {Walk} walk
 * @returns {Stage}
 */
function judgedStage({ batch, judged: { main, auxiliary } }) {
  const scores =
    `The discriminator scores the ${batch} generated samples and ${batch} real ones: ` +
    `mean ${fixed(mean(main.real))} for real, ${fixed(mean(main.fake))} for generated.`;
  return {
    name: auxiliary ? "Discriminators" : "Discriminator",
    caption: scores + (auxiliary ? " The auxiliary one sees attributes and range alone." : ""),
    draw(place) {
      place.append(strip(place, "Discriminator", main.real, main.fake));
      if (!auxiliary) return;
      place.append(strip(place, "Auxiliary discriminator", auxiliary.real, auxiliary.fake));
    },
  };
}

/**
 * Names with their values, below one another.
 * @param {string[][]} list
 * @param {string} [more] a further class
 */
function definitions(list, more = "") {
  const pairs = list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  return h("dl", { class: `dgkit-numbers ${more}`.trim() }, ...pairs);
}

/**
 * A category's eight likeliest values, or the number.
 * @param {Attribute} attribute
 */
function attributeTable({ name, labels, shares, chosen, value, unit }) {
  if (!labels) return definitions([[name, `${short(value)} ${unit}`]]);
  const likeliest = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]);
  const rows = likeliest.slice(0, 8).map((k) => {
    const fill = h("div", { class: "dgkit-share dgkit-share-strong" });
    fill.style.width = `${100 * shares[k]}%`;
    const track = h("div", { class: "dgkit-share-track" }, fill);
    const text = h("span", {}, `${(100 * shares[k]).toFixed(1)} %`);
    const head = (k === chosen ? "✓ " : "") + labels[k];
    return h("tr", {}, h("th", { scope: "row" }, head), h("td", {}, track, text));
  });
  const title = h("caption", {}, `${name}: probability (%)`);
  return h("div", { class: "dgkit-shares" }, h("table", {}, title, h("tbody", {}, ...rows)));
}

/**
 * The series, pass by pass: by itself, or by a slider.
 * @param {HTMLElement} place
 * @param {Made} series
 * @param {(() => void)[]} undo
 */
function growing(place, { feature, unit, scaled, raw, scaled_range, passes, sample_len }, undo) {
  const left = h("div");
  const right = h("div");
  const x = { label: "time (steps)" };
  const own = lineChart(left, {
    title: "as the LSTM makes it",
    x,
    y: { label: `${feature}, scaled (1)`, range: padded(scaled_range) },
    height: 150,
  });
  const inUnit = lineChart(right, {
    title: "in its unit",
    x,
    y: { label: `${feature} (${unit})` },
    height: 150,
  });
  const readout = h("output", {});
  const slider = h("input", {
    type: "range",
    min: 1,
    max: passes,
    value: reducedMotion() ? passes : 1,
    id: uid("pass"),
    oninput: () => {
      clearInterval(timer);
      show();
    },
  });

  const steps = scaled.map((_, t) => t + 1);
  const show = () => {
    const made = Number(slider.value) * sample_len;
    const part = (/** @type {number[]} */ values) => values.map((v, t) => (t < made ? v : null));
    own.set({ x: steps, series: [{ name: "generated", y: part(scaled) }] });
    inUnit.set({ x: steps, series: [{ name: "generated", y: part(raw) }] });
    readout.textContent = `${slider.value} of ${passes}`;
  };
  const grow = () => {
    const now = Number(slider.value);
    if (now >= passes) {
      clearInterval(timer);
      return;
    }
    slider.value = String(Math.min(passes, now + Math.ceil(passes / GROWING_FRAMES)));
    show();
  };
  const timer = setInterval(grow, Math.max(40, GROWING_MS / Math.min(GROWING_FRAMES, passes)));
  undo.push(own.destroy, inUnit.destroy, () => clearInterval(timer));
  const label = h("label", { for: slider.id }, "LSTM pass");
  place.append(
    h("div", { class: "dgkit-field" }, label, slider, readout),
    h("div", { class: "dgkit-grid" }, left, right),
  );
  show();
}
