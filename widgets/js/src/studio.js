// The studio's page: settings, buttons, progress, slow motion, charts, series, state. Python owns
// all state.

import "./lib/dgkit.css";
import "./studio/studio.css";
import { act, button, h, on, shell, taken, uid, withModifier } from "./lib/dom.js";
import { duration, short } from "./lib/numbers.js";
import { settingsForm } from "./studio/controls.js";
import { halfStep, halfStepsApart } from "./studio/halves.js";
import { panels } from "./studio/panels.js";

/** @import { Model, RenderProps } from "./lib/dom.js" */

const HERE_MS = 5000; // how often a view says that it is there
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
  body.append(name, top.root, rest.root);

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
    } else if (event.key === ".") act(model, "step");
    else if (event.key === "d") act(model, "discriminator_step");
    else if (event.key === "g") act(model, "generator_step");
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
 * Settings, buttons, progress.
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
  const steps = [
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
  ];
  const kinds = model.get("controls").map((/** @type {{ kind: string }} */ one) => one.kind);
  if (kinds.includes("slow_motion")) steps.push(button("Slow motion", run("slow_motion")));
  const group = { role: "group", "aria-label": "Training" };
  const toolbar = h("div", { class: "dgkit-row dgkit-toolbar", ...group }, start, ...steps, reset);

  const fill = h("div");
  const progress = { role: "progressbar", "aria-valuemin": "0", "aria-label": "training steps" };
  const bar = h("div", { class: "dgkit-bar", ...progress }, fill);
  const text = h("div", { class: "dgkit-progress-text" });
  const half = h("div", { class: "dgkit-half" });
  const says = h("p");
  const covers = h("p");
  const privacy = h("div", { class: "dgkit-privacy", hidden: true }, says, covers);
  const root = h("div", {}, form.root, toolbar, bar, text, half, privacy);

  /** Draws the state; returns what a screen reader should say of it. */
  function show() {
    const status = model.get("status");
    const { state, step, steps, pending, privacy: spent } = status;
    const running = state === "running";
    form.show(model.get("settings"), pending);
    start.textContent = startText(state, step);
    reset.classList.toggle("dgkit-primary", pending.length > 0);

    const epsilon = spent ? `epsilon ${spent.epsilon}` : "";
    const parts = [word(status), `step ${short(step)} of ${short(steps)}`, epsilon];
    if (running && status.speed) {
      const speed = short(Number(status.speed.toPrecision(3)));
      parts.push(`${speed} steps/s`, `${duration(status.left)} left`);
    }
    text.textContent = parts.filter(Boolean).join(" · ");
    fill.style.width = `${steps ? Math.min(100, (100 * step) / steps) : 0}%`;
    bar.setAttribute("aria-valuemax", steps);
    bar.setAttribute("aria-valuenow", step);
    bar.setAttribute("aria-valuetext", text.textContent);

    const notes = [halfStep(status.half), halfStepsApart(status.extra), status.note];
    half.textContent = notes.filter(Boolean).join(" ");
    privacy.hidden = !spent;
    says.textContent = spent?.says ?? "";
    if (spent && covers.textContent !== spent.covers) covers.textContent = spent.covers;
    if (running) return `${word(status)}. ${half.textContent}`;
    const at = `${word(status)} at step ${short(step)}${epsilon && `, ${epsilon}`}`;
    return `${at}. ${half.textContent}`;
  }
  return { root, startOrPause, show };
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
