// The studio's page: settings, buttons, progress, slow motion, charts, series, state. Python owns all state.

import "./lib/dgkit.css";
import "./studio/studio.css";
import { act, button, field, floats, h, on, select, shell, short, uid } from "./lib/dom.js";
import { lineChart } from "./lib/chart.js";
import { gallery } from "./lib/gallery.js";
import { settingsForm } from "./studio/controls.js";
import { colourMap, shareTables } from "./studio/pictures.js";
import { walkPanel } from "./studio/walk.js";

const HERE_MS = 5000; // how often a view says that it is there
const HIDDEN_PATIENCE = 90; // seconds: browsers wake a hidden page once a minute
const OF = { mid_range: "mid-range", half_range: "half-range", value: "value", length: "length" };

export default {
  render({ model, el }) {
    const title = model.get("title");
    const { root, body, say, cleanups, close } = shell(
      el,
      model,
      `Training studio ${title}`.trim(),
    );
    root.classList.add("dgkit-studio");
    root.tabIndex = 0;
    const parts = [head(model), panels(model, say)];
    const name = h("h3", { class: "dgkit-studio-title" });
    body.append(name, parts[0].root, parts[1].root);
    cleanups.push(...parts.map((part) => part.destroy));

    let spoken = "";
    const status = () => {
      name.textContent = model.get("title");
      name.hidden = !name.textContent;
      root.setAttribute("aria-label", `Training studio ${model.get("title")}`.trim());
      const text = parts[0].show();
      if (text !== spoken) say(text);
      spoken = text;
    };
    for (const trait of ["status", "settings", "title"])
      cleanups.push(on(model, `change:${trait}`, status));
    status();

    root.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      const { target, key } = event;
      if (target.matches("input:not([type=checkbox]), textarea, select")) return;
      if (key === " ") {
        if (target !== root && !target.matches(".dgkit-chart")) return; // a button or checkbox takes it itself
        parts[0].startOrPause();
      } else if (key === ".") act(model, "step");
      else if (key === "d") act(model, "discriminator_step");
      else if (key === "g") act(model, "generator_step");
      else return;
      event.preventDefault();
      event.stopPropagation();
    });

    const view = uid("view") + Math.random().toString(36).slice(2);
    const here = (there) => {
      try {
        model.send({ view, here: there, patience: document.hidden ? HIDDEN_PATIENCE : 0 });
      } catch {
        clearInterval(heart);
      } // the kernel is gone
    };
    const seen = () => here(true);
    const heart = setInterval(seen, HERE_MS);
    document.addEventListener("visibilitychange", seen);
    seen();
    cleanups.push(() => {
      clearInterval(heart);
      document.removeEventListener("visibilitychange", seen);
      here(false);
    });
    return close;
  },
};

/** Settings, buttons, progress. */
function head(model) {
  const form = settingsForm(model);
  const run = (action) => () => act(model, action);
  const running = () => model.get("status").state === "running";
  const startOrPause = () => act(model, running() ? "pause" : "start");
  const start = button("Start", startOrPause, {
    class: "dgkit-button dgkit-primary",
    "aria-keyshortcuts": "Space",
  });
  const reset = button("Reset", run("reset"));
  const toolbar = h(
    "div",
    { class: "dgkit-row dgkit-toolbar", role: "group", "aria-label": "Training" },
    start,
    button("One step", run("step"), {
      "aria-keyshortcuts": ".",
      title: "One full step: discriminator, then generator (key .)",
    }),
    button("Discriminator half step", run("discriminator_step"), {
      "aria-keyshortcuts": "d",
      title: "Only the discriminators learn (key d)",
    }),
    button("Generator half step", run("generator_step"), {
      "aria-keyshortcuts": "g",
      title: "Only the generator learns (key g)",
    }),
    model.get("controls").some(({ kind }) => kind === "slow_motion")
      ? button("Slow motion", run("slow_motion"))
      : null,
    reset,
  );
  const fill = h("div");
  const bar = h(
    "div",
    {
      class: "dgkit-bar",
      role: "progressbar",
      "aria-valuemin": "0",
      "aria-label": "training steps",
    },
    fill,
  );
  const text = h("div", { class: "dgkit-progress-text" }),
    half = h("div", { class: "dgkit-half" });
  const says = h("p"),
    covers = h("p"),
    privacy = h("div", { class: "dgkit-privacy", hidden: true }, says, covers);
  const root = h("div", {}, form.root, toolbar, bar, text, half, privacy);

  return {
    root,
    startOrPause,
    destroy() {},
    /** Draws the state; returns what a screen reader should say of it. */
    show() {
      const status = model.get("status"),
        { state, step, steps, speed, left, pending, note, extra, privacy: spent } = status;
      form.show(model.get("settings"), pending);
      start.textContent =
        state === "running" ? "Pause" : step || state === "paused" ? "Continue" : "Start";
      reset.classList.toggle("dgkit-primary", pending.length > 0);
      bar.setAttribute("aria-valuemax", steps);
      bar.setAttribute("aria-valuenow", step);
      fill.style.width = `${steps ? Math.min(100, (100 * step) / steps) : 0}%`;
      const word = {
        ready: "Ready",
        running: status.restoring ? "Restoring" : "Training",
        paused: "Paused",
        finished: "Finished",
        error: "Stopped by an error",
      }[state];
      const pace =
        state === "running" && speed
          ? ` · ${short(Number(speed.toPrecision(3)))} steps/s · ${duration(left)} left`
          : "";
      const epsilon = spent ? ` · epsilon ${spent.epsilon}` : "";
      text.textContent = `${word} · step ${short(step)} of ${short(steps)}${epsilon}${pace}`;
      bar.setAttribute("aria-valuetext", text.textContent);
      half.textContent = [halfStep(status.half), extras(extra), note].filter(Boolean).join(" ");
      privacy.hidden = !spent;
      says.textContent = spent?.says ?? "";
      if (spent && covers.textContent !== spent.covers) covers.textContent = spent.covers;
      return state === "running"
        ? `${word}. ${half.textContent}`
        : `${word} at step ${short(step)}${epsilon.replace(" ·", ",")}. ${half.textContent}`;
    },
  };
}

function duration(seconds) {
  const s = Math.round(seconds);
  return s < 60
    ? `${s} s`
    : s < 3600
      ? `${Math.floor(s / 60)} min ${s % 60} s`
      : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function halfStep(half) {
  if (!half) return "";
  if (half.which === "generator")
    return `Generator half step: loss ${short(half.generator_loss)}, gradient norm ${short(half.generator_gradient)}.`;
  if (half.discriminator_loss === null)
    return `Discriminator half step: gradient norm ${short(half.discriminator_gradient)}, with its noise. A generator half step now completes a step.`;
  return `Discriminator half step: loss ${short(half.discriminator_loss)}, Wasserstein estimate ${short(half.wasserstein)}, gradient norm ${short(half.discriminator_gradient)}. A generator half step now completes a step.`;
}

function extras({ discriminator, generator }) {
  const found = [
    discriminator && `discriminator ${discriminator}`,
    generator && `generator ${generator}`,
  ].filter(Boolean);
  return found.length ? `Half steps outside full steps: ${found.join(", ")}.` : "";
}

/** Slow motion, charts, series, and the state as text. */
function panels(model, say) {
  const undo = [];
  const listen = (traits, draw) => {
    for (const trait of traits) undo.push(on(model, `change:${trait}`, draw));
    draw();
  };
  const walk = walkPanel(say, () =>
    walk.root.parentElement.closest(".dgkit").focus({ preventScroll: true }),
  );
  undo.push(
    walk.destroy,
    on(model, "change:walk", () => walk.show(model.get("walk"))),
  );

  const grid = h("div", { class: "dgkit-grid dgkit-charts" });
  const sync = uid("steps");
  const chart = (title, x, y, more = {}) => {
    const made = lineChart(grid, { title, x: { label: x }, y: { label: y }, height: 170, ...more });
    undo.push(made.destroy);
    return made;
  };
  const history = {
    loss: chart("Losses", "step", "loss (1)", { sync }),
    wasserstein: chart("Wasserstein estimate", "step", "estimate (1)", { sync }),
    gradient: chart("Gradient norms", "step", "norm (1)", { sync }),
  };
  const curves = {
    loss: [
      ["discriminator", "discriminator_loss"],
      ["generator", "generator_loss"],
      ["auxiliary", "auxiliary_loss"],
    ],
    wasserstein: [
      ["discriminator", "wasserstein"],
      ["auxiliary", "auxiliary_wasserstein"],
    ],
    gradient: [
      ["discriminator", "discriminator_gradient"],
      ["generator", "generator_gradient"],
    ],
  };
  const colours = { discriminator: 0, generator: 1, auxiliary: 2 };
  const thinned = h("div", { class: "dgkit-hint" });
  listen(["frame", "ranges"], () => {
    const frame = model.get("frame"),
      ranges = model.get("ranges");
    const x = floats(frame.x);
    for (const [name, lines] of Object.entries(curves)) {
      const series = lines
        .map(([label, key]) => ({ name: label, y: floats(frame[key]), colour: colours[label] }))
        .filter(({ name: who, y }) => who !== "auxiliary" || y.some(Number.isFinite));
      history[name].set({ x, series, range: padded(ranges[name]), xRange: ranges.step });
    }
    thinned.textContent =
      frame.per > 1
        ? `Each point of the first three charts is the mean of ${frame.per} steps.`
        : "";
  });

  const acf = chart("Autocorrelation", "lag (steps)", "", {
    y: { label: "correlation (1)", range: [-1, 1.02] },
  });
  let cdf = null,
    cdfShape = "";
  const cdfPlace = h("div");
  grid.append(cdfPlace);
  undo.push(() => cdf?.destroy());
  const shares = shareTables(h("div"));
  undo.push(shares.destroy);
  const numbers = h("div", { class: "dgkit-quality" });
  const real = gallery(h("div"), { panel: [136, 70] }),
    fake = gallery(h("div"), { panel: [136, 70] });
  const maps = colourMap(h("div"));
  undo.push(real.destroy, fake.destroy, maps.destroy);
  const feature = select([], "", (value) => act(model, "look", { feature: value }), {
    id: uid("feature"),
  });
  const of = select(Object.entries(OF), "mid_range", (value) => act(model, "look", { of: value }), {
    id: uid("of"),
  });
  const same = h("input", {
    type: "checkbox",
    id: uid("same"),
    onchange: () => act(model, "look", { same_scale: same.checked }),
  });
  const sameField = field("One scale for all series", same);
  sameField.classList.add("dgkit-check");
  const featureField = field("Feature shown", feature);

  listen(["reference", "picture", "ranges", "status"], () => {
    const ours = model.get("reference"),
      made = model.get("picture"),
      ranges = model.get("ranges");
    feature.replaceChildren(
      ...(ours.features ?? []).map((one) => h("option", { value: one }, one)),
    );
    feature.value = ours.feature;
    featureField.hidden = (ours.features ?? []).length < 2;
    of.value = ours.of;
    same.checked = model.get("status").same_scale;
    const lags = Float32Array.from({ length: ours.lags }, (_, k) => k + 1);
    const held = (key) =>
      ours[key] ? [{ name: "held-out real", y: floats(ours[key]), colour: 2 }] : [];
    const three = (key) => [
      { name: "real", y: floats(ours[key]), real: true },
      ...held(`held_${key}`),
      { name: "generated", y: floats(made[key]), colour: 0 },
    ];
    if (ours.feature) acf.set({ x: lags, series: three("acf") });
    const shape = JSON.stringify([ours.of, ours.of_unit, ours.log]);
    if (shape !== cdfShape && (ours.feature || ours.of === "length")) {
      cdf?.destroy();
      cdf = lineChart(cdfPlace, {
        title: `CDF: ${OF[ours.of]}`,
        x: { label: `${OF[ours.of]} (${ours.of_unit})`, log: ours.log },
        y: { label: `share of ${ours.of === "value" ? "values" : "series"} (1)`, range: [0, 1.02] },
        height: 170,
      });
      cdfShape = shape;
    }
    cdf?.set({ x: floats(ours.grid), series: three("cdf") });
    shares.set({ real: ours.bars, generated: made.bars });
    const apart = (value, unit) =>
      value === null || value === undefined ? "–" : `${short(Number(value.toPrecision(3)))}${unit}`;
    const unit = ours.log ? " decades" : ` ${ours.of_unit}`;
    const against = (key, given) =>
      ours[key] === undefined ? "" : ` (held-out real: ${apart(ours[key], given)})`;
    numbers.textContent = ours.feature
      ? `Against the real data: autocorrelation mean squared error ${apart(made.acf_mse, "")}${against("acf_mse", "")}; distance of the CDFs ${apart(made.distance, unit)}${against("distance", unit)}. Lower is nearer.`
      : "";
    const time = ours.time,
      all = { real: floats(ours.series), generated: floats(made.series) };
    const range = ranges.series?.length === 2 ? ranges.series : null;
    const cut = (values) =>
      Array.from(
        { length: Math.min(ours.titles.length, Math.floor(values.length / time)) },
        (_, k) => Array.from(values.subarray(k * time, (k + 1) * time)),
      );
    const shared = same.checked ? { range, log: ours.log_values } : {};
    const label = `${ours.feature} (${ours.unit}) over ${time} steps`;
    real.set({
      label: `Real: ${label}`,
      series: cut(all.real),
      titles: ours.titles,
      colour: "real",
      ...shared,
    });
    fake.set({
      label: `Generated, always from the same noise: ${label}`,
      series: cut(all.generated),
      titles: made.titles,
      colour: 0,
      ...shared,
    });
    maps.set({
      ...all,
      time: ours.feature ? time : 0,
      range,
      log: ours.log_values,
      unit: ours.unit,
      feature: ours.feature,
    });
  });
  const look = h(
    "div",
    { class: "dgkit-row dgkit-look" },
    featureField,
    field("CDF of", of),
    sameField,
  );
  grid.append(h("div", { class: "dgkit-measures" }, look, numbers));
  const root = h(
    "div",
    {},
    walk.root,
    grid,
    thinned,
    shares.root,
    real.root,
    fake.root,
    maps.root,
    stateBox(model, listen),
  );
  return { root, destroy: () => undo.splice(0).forEach((stop) => stop()) };
}

function padded(range) {
  if (range?.length !== 2) return undefined;
  const pad = 0.05 * (range[1] - range[0] || 1);
  return [range[0] - pad, range[1] + pad];
}

/** Checkpoints, the state as JSON in and out, and the code that does the same. */
function stateBox(model, listen) {
  const control = (kind) => model.get("controls").find((one) => one.kind === kind);
  const box = h("div", { class: "dgkit-more" });
  const checkpoints = control("checkpoint");
  if (checkpoints) {
    const names = select(checkpoints.options, checkpoints.options[0] ?? "", () => {}, {});
    const path = h("input", { type: "text", placeholder: "run.state", spellcheck: "false" });
    const restore = (from) => () =>
      from.value.trim() && act(model, "restore", { name: from.value.trim() });
    box.append(
      h(
        "details",
        {},
        h("summary", {}, "Go on from a recorded checkpoint"),
        h(
          "div",
          { class: "dgkit-row" },
          ...(checkpoints.options.length
            ? [field("Checkpoint", names), button("Restore checkpoint", restore(names))]
            : []),
          field("File of Trainer.save", path),
          button("Restore file", restore(path)),
        ),
      ),
    );
  }
  if (control("state")) {
    const out = h("textarea", { rows: 3, readonly: "", spellcheck: "false" }),
      into = h("textarea", { rows: 3, spellcheck: "false" });
    const copied = h("span", { role: "status" });
    const copy = button("Copy state", () => copyText(out, copied));
    const go = button(
      "Go to this state",
      () => into.value.trim() && act(model, "paste", { text: into.value }),
    );
    box.append(
      h(
        "details",
        {},
        h("summary", {}, "State, to share or to come back to"),
        h(
          "div",
          { class: "dgkit-grid" },
          h("div", {}, field("This studio's state", out), copy, copied),
          h("div", {}, field("A state to go to (it is trained again)", into), go),
        ),
      ),
    );
    listen(["shared"], () => {
      out.value = model.get("shared").json ?? "";
      copied.textContent = "";
    });
  }
  if (control("code")) {
    const code = h("pre", {
      tabindex: "0",
      class: "dgkit-code",
      role: "region",
      "aria-label": "Python code of this run",
    });
    const copied = h("span", { role: "status" });
    box.append(
      h(
        "details",
        {},
        h("summary", {}, "Show the code that does the same"),
        code,
        button("Copy code", () => copyText(code, copied)),
        copied,
      ),
    );
    listen(["shared"], () => {
      code.textContent = model.get("shared").code ?? "";
      copied.textContent = "";
    });
  }
  return box;
}

async function copyText(element, said) {
  const text = element.value ?? element.textContent;
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = " copied";
  } catch {
    // not allowed here: select it, so that Ctrl+C copies
    const range = document.createRange();
    if (element.select) {
      element.focus();
      element.select();
    } else {
      range.selectNodeContents(element);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
    }
    said.textContent = " selected: press Ctrl+C";
  }
}
