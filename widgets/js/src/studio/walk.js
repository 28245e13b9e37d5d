// Slow motion: one batch on its way through the networks, a numbered stage at a time, with its real numbers.

import { button, h, reducedMotion, short, uid } from "../lib/dom.js";
import { lineChart } from "../lib/chart.js";
import { shareTables, strip, vector } from "./pictures.js";

const STAGE_MS = 1250;
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const fixed = (v) => (v === null ? "–" : v.toFixed(3).replace("-", "−"));

/** Returns { root, show(walk), destroy }; `say` announces captions. */
export function walkPanel(say, onclose) {
  let walk = null,
    at = 0,
    timer = null,
    playing = false,
    undo = [];
  const flow = h("ol", { class: "dgkit-flow" });
  const caption = h("p", { class: "dgkit-caption" });
  const stage = h("div", { class: "dgkit-stage" });
  const previous = button("Previous", () => go(at - 1), { "aria-keyshortcuts": "ArrowLeft" });
  const next = button("Next", () => go(at + 1), { "aria-keyshortcuts": "ArrowRight" });
  const auto = button("Auto-advance", () => play(!playing), { "aria-pressed": "false" });
  const close = button(
    "Close",
    () => {
      hide();
      onclose();
    },
    { "aria-keyshortcuts": "Escape" },
  );
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
    if (event.target.matches("input, .dgkit-chart")) return;
    if (event.key === "ArrowRight") go(at + 1);
    else if (event.key === "ArrowLeft") go(at - 1);
    else if (event.key === "Escape") close.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const clear = () => {
    undo.splice(0).forEach((f) => f());
  };
  const hide = () => {
    play(false);
    clear();
    root.hidden = true;
  };

  function play(on) {
    clearTimeout(timer);
    playing = on;
    auto.setAttribute("aria-pressed", String(on));
    if (on)
      timer = setTimeout(() => {
        if (at + 1 < stages(walk).length) {
          move(at + 1);
          play(true);
        } else play(false);
      }, STAGE_MS);
  }
  /** By hand: stops the auto-advance. */
  function go(to) {
    play(false);
    move(to);
  }

  function move(to) {
    const all = stages(walk);
    at = Math.min(all.length - 1, Math.max(0, to));
    [...flow.children].forEach((item, k) => {
      const knob = item.firstElementChild;
      if (k === at) knob.setAttribute("aria-current", "step");
      else knob.removeAttribute("aria-current");
    });
    caption.textContent = `${at + 1}. ${all[at].caption}`;
    say(caption.textContent);
    clear();
    stage.replaceChildren();
    all[at].draw(stage, undo);
    // the focused button must stay focusable, so the ends are marked and do nothing
    previous.setAttribute("aria-disabled", String(at === 0));
    next.setAttribute("aria-disabled", String(at === all.length - 1));
  }

  return {
    root,
    show(given) {
      walk = given;
      if (!walk || !walk.batch) {
        hide();
        return;
      }
      heading.textContent = `Slow motion: the batch of step ${walk.step} (${walk.batch} samples), its first sample shown`;
      flow.replaceChildren(
        ...stages(walk).map(({ name }, k) =>
          h(
            "li",
            {},
            button(`${k + 1} ${name}`, () => go(k)),
          ),
        ),
      );
      root.hidden = false;
      move(0);
      play(!reducedMotion());
      next.focus({ preventScroll: true });
      root.scrollIntoView({ block: "nearest" });
    },
    destroy() {
      hide();
    },
  };
}

function stages(walk) {
  const { noise, attributes, series, judged } = walk;
  const auto = series.range?.length === 2;
  const found = [
    {
      name: "Noise",
      caption: `Noise is drawn: ${noise.attribute.length} normal numbers for the attributes, ${noise.minmax.length} for the range, ${noise.attribute.length} fresh ones for each of the LSTM's ${noise.feature.length} passes.`,
      draw(place) {
        place.append(
          vector(noise.attribute, "for the attributes"),
          vector(noise.minmax, "for the range"),
          vector(noise.feature[0], "for the LSTM's first pass"),
        );
      },
    },
    {
      name: "Attributes",
      caption: attributes.length
        ? "The attribute generator turns its noise into probabilities of the attributes; the largest is taken (marked)."
        : "This dataset has no attributes, so nothing is generated here.",
      draw(place) {
        attributes.forEach((one) => place.append(attribute(one)));
      },
    },
    {
      name: "Min/max",
      caption: auto
        ? `For these attributes the min/max generator says in which range the series will lie: ${short(series.range[0])} to ${short(series.range[1])} ${series.unit}.`
        : "Auto-normalisation is off (or this feature has none): no range is generated, and the LSTM makes values on the scale of all data.",
      draw(place) {
        if (!auto) return;
        const [low, high] = series.range;
        place.append(
          h(
            "dl",
            { class: "dgkit-numbers" },
            ...pairs([
              ["smallest", `${short(low)} ${series.unit}`],
              ["mid-range", `${short((low + high) / 2)} ${series.unit}`],
              ["half-range", `${short((high - low) / 2)} ${series.unit}`],
              ["largest", `${short(high)} ${series.unit}`],
            ]),
          ),
        );
      },
    },
  ];
  if (series.feature)
    found.push({
      name: "LSTM",
      caption: `The LSTM makes ${series.feature}, ${series.sample_len} steps a pass, in ${series.passes} passes: on its own scale (left), and in ${series.unit} (right).`,
      draw: (place, undo) => growing(place, series, undo),
    });
  const real = mean(judged.main.real),
    fake = mean(judged.main.fake);
  found.push({
    name: judged.auxiliary ? "Discriminators" : "Discriminator",
    caption:
      `The discriminator scores the ${walk.batch} generated samples and ${walk.batch} real ones: mean ${fixed(real)} for real, ${fixed(fake)} for generated.` +
      (judged.auxiliary ? " The auxiliary one sees attributes and range alone." : ""),
    draw(place) {
      place.append(strip(place, "Discriminator", judged.main.real, judged.main.fake));
      if (judged.auxiliary)
        place.append(
          strip(place, "Auxiliary discriminator", judged.auxiliary.real, judged.auxiliary.fake),
        );
    },
  });
  found.push({
    name: "Losses",
    caption:
      "From the scores come the losses: the discriminator's half step lowers its own, the generator's half step then lowers its own.",
    draw(place) {
      place.append(h("dl", { class: "dgkit-numbers dgkit-formulas" }, ...pairs(formulas(walk))));
    },
  });
  return found;
}

const pairs = (list) =>
  list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));

function formulas({ judged, generator_loss, auxiliary_weight }) {
  const rows = [];
  for (const [key, name] of [
    ["main", "discriminator"],
    ["auxiliary", "auxiliary discriminator"],
  ]) {
    const one = judged[key];
    if (!one) continue;
    rows.push([
      `Wasserstein estimate, ${name}`,
      `mean D(real) − mean D(generated) = ${fixed(mean(one.real))} − (${fixed(mean(one.fake))}) = ${fixed(one.wasserstein)}`,
    ]);
    rows.push([
      `loss, ${name}`,
      `${one.weight} × penalty − estimate = ${one.weight} × ${fixed(one.penalty)} − (${fixed(one.wasserstein)}) = ${fixed(one.loss)}`,
    ]);
  }
  const parts = `−mean D(generated) = ${fixed(judged.main.generator_loss)}`;
  rows.push([
    "loss, generator",
    judged.auxiliary
      ? `${parts}; with the auxiliary one's ${auxiliary_weight} × (${fixed(judged.auxiliary.generator_loss)}) = ${fixed(generator_loss)}`
      : parts,
  ]);
  return rows;
}

function attribute(one) {
  if (!one.labels)
    return h(
      "dl",
      { class: "dgkit-numbers" },
      ...pairs([[one.name, `${short(one.value)} ${one.unit}`]]),
    );
  const order = one.shares
    .map((_, k) => k)
    .sort((a, b) => one.shares[b] - one.shares[a])
    .slice(0, 8);
  const rows = order.map((k) => {
    const fill = h("div", { class: "dgkit-share dgkit-share-strong" });
    fill.style.width = `${100 * one.shares[k]}%`;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, (k === one.chosen ? "✓ " : "") + one.labels[k]),
      h(
        "td",
        {},
        h("div", { class: "dgkit-share-track" }, fill),
        h("span", {}, `${(100 * one.shares[k]).toFixed(1)} %`),
      ),
    );
  });
  return h(
    "div",
    { class: "dgkit-shares" },
    h("table", {}, h("caption", {}, `${one.name}: probability (%)`), h("tbody", {}, ...rows)),
  );
}

/** The series, pass by pass: by itself, or by a slider. */
function growing(place, series, undo) {
  const steps = series.scaled.map((_, t) => t + 1);
  const left = h("div"),
    right = h("div");
  const options = (title, label, range) => ({
    title,
    x: { label: "time (steps)" },
    y: { label, range },
    height: 150,
  });
  const [low, high] = series.scaled_range,
    pad = 0.05 * (high - low);
  const charts = [
    lineChart(
      left,
      options("as the LSTM makes it", `${series.feature}, scaled (1)`, [low - pad, high + pad]),
    ),
    lineChart(right, options("in its unit", `${series.feature} (${series.unit})`)),
  ];
  undo.push(...charts.map((chart) => chart.destroy));
  const readout = h("output", {}),
    slider = h("input", {
      type: "range",
      min: 1,
      max: series.passes,
      value: 1,
      id: uid("pass"),
      oninput: () => {
        clearInterval(timer);
        show();
      },
    });
  const show = () => {
    const made = Number(slider.value) * series.sample_len;
    const part = (values) => values.map((v, t) => (t < made ? v : null));
    charts[0].set({ x: steps, series: [{ name: "generated", y: part(series.scaled) }] });
    charts[1].set({ x: steps, series: [{ name: "generated", y: part(series.raw) }] });
    readout.textContent = `${slider.value} of ${series.passes}`;
  };
  if (reducedMotion()) slider.value = series.passes;
  const timer = setInterval(
    () => {
      if (Number(slider.value) >= series.passes) return clearInterval(timer);
      slider.value = Math.min(series.passes, Number(slider.value) + Math.ceil(series.passes / 24));
      show();
    },
    Math.max(40, 1100 / Math.min(24, series.passes)),
  );
  undo.push(() => clearInterval(timer));
  place.append(
    h(
      "div",
      { class: "dgkit-field" },
      h("label", { for: slider.id }, "LSTM pass"),
      slider,
      readout,
    ),
    h("div", { class: "dgkit-grid" }, left, right),
  );
  show();
}
