// The studio's page: buttons, progress, the model as a drawing, series, charts, settings, state.
// Python owns all state.

import "./lib/dgkit.css";
import "./studio/studio.css";
import { act, button, h, on, shell, taken, uid, withModifier } from "./lib/dom.js";
import { duration, short } from "./lib/numbers.js";
import { settingsForm } from "./studio/controls.js";
import { halfStep, halfStepsApart, progressText } from "./studio/halves.js";
import { panels } from "./studio/panels.js";
import { stateBox } from "./studio/state.js";

/** @import { Model, RenderProps } from "./lib/dom.js" */

const HERE_MS = 5000; // how often a view says that it is there
const MANY = 20;
const HINT =
  "A part of the model opens its inside. What passes through is a generated series below.";
// of two studios, not linked and linked
const BESIDE = ["", "The buttons of either studio act on both, settings on one alone."];
const HIDDEN_PATIENCE = 90; // seconds: browsers wake a hidden page once a minute

/** @param {RenderProps} props */
function render({ model, el }) {
  const title = () => `Training studio ${model.get("title")}`.trim();
  const { root, body, say, cleanups, close } = shell(el, model, title());
  root.classList.add("dgkit-studio");
  root.tabIndex = 0;
  const top = head(model);
  const rest = panels(model, say);
  const name = h("h3", { class: "dgkit-studio-title" });
  const boxes = [top.form, top.privacy, ...stateBox(model, rest.listen)];
  body.append(name, top.root, rest.root, h("div", { class: "dgkit-more" }, ...boxes));

  let spoken = "";
  const status = () => {
    name.textContent = model.get("title");
    name.hidden = !name.textContent;
    root.setAttribute("aria-label", title());
    const text = top.show();
    if (text !== spoken) say(text);
    spoken = text;
  };
  for (const trait of ["status", "settings", "title"]) cleanups.push(on(model, trait, status));
  status();

  root.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (withModifier(event) || event.repeat) return;
    if (target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (event.key === " ") {
      // a button or checkbox takes it itself
      if (target !== root && !target.matches(".dgkit-chart")) return;
      top.startOrPause();
    } else if (event.key === ".") top.step();
    else if (event.key === "d") top.half("discriminator");
    else if (event.key === "g") top.half("generator");
    else return;
    taken(event);
  });
  cleanups.push(rest.destroy, presence(model));
  return close;
}

/**
 * Tell Python that this view is there, again and again; returns the function that says that it is
 * gone.
 * @param {Model} model
 */
function presence(model) {
  const view = uid("view") + Math.random().toString(36).slice(2);
  const tell = (/** @type {boolean} */ here) => {
    try {
      model.send({ view, here, patience: document.hidden ? HIDDEN_PATIENCE : 0 });
    } catch {
      clearInterval(heart); // the kernel is gone
    }
  };
  const seen = () => tell(true);
  const heart = setInterval(seen, HERE_MS);
  document.addEventListener("visibilitychange", seen);
  seen();
  return () => {
    clearInterval(heart);
    document.removeEventListener("visibilitychange", seen);
    tell(false);
  };
}

/**
 * Buttons and progress; the settings, and what privacy is spent, to be put elsewhere.
 * @param {Model} model
 */
function head(model) {
  const form = settingsForm(model);
  const run = (/** @type {string} */ action) => () => act(model, action);
  const startOrPause = () => {
    const running = model.get("status").state === "running";
    act(model, running ? "pause" : "start");
  };
  const start = button("Start", startOrPause, {
    class: "dgkit-button dgkit-primary",
    "aria-keyshortcuts": "Space",
  });
  const reset = button("Reset", run("reset"));

  // a step or a half, or twenty
  const many = button(`× ${MANY}`, () => manyAreTaken(!isMany()), {
    "aria-pressed": "false",
    "aria-label": `× ${MANY}: steps and half steps ${MANY} at a time`,
    title: `Take steps and half steps ${MANY} at a time`,
  });
  const isMany = () => many.getAttribute("aria-pressed") === "true";
  const manyAreTaken = (/** @type {boolean} */ on) => many.setAttribute("aria-pressed", String(on));
  const half = (/** @type {string} */ which) =>
    act(model, `${which}_step`, { n: isMany() ? MANY : 1 });
  const step = () => {
    const { step: done, steps } = model.get("status");
    act(model, "step", { n: isMany() ? Math.min(MANY, Math.max(1, steps - done)) : 1 });
  };
  const steps = [
    button("One step", step, {
      "aria-keyshortcuts": ".",
      title: "One full step: discriminator, then generator (key .)",
    }),
    button("Discriminator half step", () => half("discriminator"), {
      "aria-keyshortcuts": "d",
      title: "Only the discriminators learn (key d)",
    }),
    button("Generator half step", () => half("generator"), {
      "aria-keyshortcuts": "g",
      title: "Only the generator learns (key g)",
    }),
    many,
  ];
  const kinds = model.get("controls").map((/** @type {{ kind: string }} */ one) => one.kind);
  if (kinds.includes("slow_motion")) steps.push(button("Slow motion", run("slow_motion")));
  const group = { role: "group", "aria-label": "Training" };
  const buttons = h("div", { class: "dgkit-row", ...group }, start, ...steps, reset);

  const fill = h("div");
  const progress = { role: "progressbar", "aria-valuemin": "0", "aria-label": "training steps" };
  const bar = h("div", { class: "dgkit-bar", ...progress }, fill);
  const text = h("div", { class: "dgkit-progress-text" });
  const note = h("div", { class: "dgkit-half" });
  const said = h("div", { class: "dgkit-says" }, text, note);
  const says = h("p");
  const covers = h("p");
  const title = h("summary", {}, "Privacy spent");
  const privacy = h("details", { class: "dgkit-privacy", hidden: true }, title, says, covers);
  const root = h("div", {}, h("div", { class: "dgkit-toolbar" }, buttons, bar), said);

  /** Draws the state; returns what a screen reader should say of it. */
  function show() {
    const status = model.get("status");
    const { state, step: taken, steps: all, pending, privacy: spent } = status;
    const running = state === "running";
    form.show(model.get("settings"), pending);
    start.textContent = startText(state, taken);
    reset.classList.toggle("dgkit-primary", pending.length > 0);

    const epsilon = spent ? `epsilon ${spent.epsilon}` : "";
    const parts = [word(status), progressText(taken, all), epsilon];
    if (running && status.speed) {
      const speed = short(Number(status.speed.toPrecision(3)));
      parts.push(`${speed} steps/s`, `${duration(status.left)} left`);
    }
    text.textContent = parts.filter(Boolean).join(" · ");
    fill.style.width = `${all ? Math.min(100, (100 * taken) / all) : 0}%`;
    bar.setAttribute("aria-valuemax", String(Math.max(taken, all)));
    bar.setAttribute("aria-valuenow", taken);
    bar.setAttribute("aria-valuetext", text.textContent);

    const notes = [halfStep(status.half), halfStepsApart(status.extra), status.note];
    if (pending.length) notes.push(`Waiting for a reset: ${pending.join(", ")}.`);
    const news = notes.filter(Boolean).join(" ");
    const hint = status.beside ? BESIDE[Number(status.linked)] : HINT;
    note.textContent = news || (running ? "" : hint);
    privacy.hidden = !spent;
    says.textContent = spent?.says ?? "";
    if (spent && covers.textContent !== spent.covers) covers.textContent = spent.covers;
    if (running) return `${word(status)}. ${news}`;
    return `${word(status)} at step ${short(taken)}${epsilon && `, ${epsilon}`}. ${news}`;
  }
  return { root, form: form.root, privacy, startOrPause, step, half, show };
}

/**
 * @param {string} state
 * @param {number} step
 */
function startText(state, step) {
  if (state === "running") return "Pause";
  return step || state === "paused" ? "Continue" : "Start";
}

/** @param {{ state: string, restoring?: boolean }} status */
function word({ state, restoring }) {
  /** @type {Record<string, string>} */
  const words = {
    ready: "Ready",
    running: restoring ? "Restoring" : "Training",
    paused: "Paused",
    finished: "Finished",
    error: "Stopped by an error",
  };
  return words[state];
}

export default { render };
