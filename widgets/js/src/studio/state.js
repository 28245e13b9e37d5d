// Checkpoints, the studio's state as JSON in and out, and the code that does the same.

import { act, button, field, h, select } from "../lib/dom.js";
import { short } from "../lib/numbers.js";

/** @import { Model } from "../lib/dom.js" */
/** @import { Listen } from "./panels.js" */

/**
 * Folded, one beside another.
 * @param {Model} model
 * @param {Listen} listen
 */
export function stateBox(model, listen) {
  /** @type {{ kind: string, options: string[] }[]} */
  const controls = model.get("controls");
  const control = (/** @type {string} */ kind) => controls.find((one) => one.kind === kind);
  const checkpoints = control("checkpoint");
  return [
    checkpoints ? checkpointBox(model, checkpoints.options) : null,
    control("state") ? sharedBox(model, listen) : null,
    control("code") ? codeBox(model, listen) : null,
  ].filter((box) => box !== null);
}

/**
 * @param {Model} model
 * @param {string[]} recorded
 */
function checkpointBox(model, recorded) {
  const names = select(recorded, recorded[0] ?? "", () => {});
  const path = h("input", { type: "text", placeholder: "run.state", spellcheck: "false" });
  const restore = (/** @type {{ value: string }} */ from) => () => {
    const name = from.value.trim();
    if (name) act(model, "restore", { name });
  };
  const row = h("div", { class: "dgkit-row" });
  if (recorded.length) {
    row.append(field("Checkpoint", names), button("Restore checkpoint", restore(names)));
  }
  row.append(field("File of Trainer.save", path), button("Restore file", restore(path)));
  return h("details", {}, h("summary", {}, "Checkpoints"), row);
}

/**
 * @param {Model} model
 * @param {Listen} listen
 */
function sharedBox(model, listen) {
  const out = h("textarea", { rows: 3, readonly: "", spellcheck: "false" });
  const into = h("textarea", { rows: 3, spellcheck: "false" });
  const copied = h("span", { role: "status" });
  const copy = button("Copy state", () => copyText(out, copied));
  const go = button("Go to this state", () => {
    if (into.value.trim()) act(model, "paste", { text: into.value });
  });
  listen(["shared"], () => {
    out.value = model.get("shared").json ?? "";
    copied.textContent = "";
  });
  return h(
    "details",
    {},
    h("summary", {}, "State, to share"),
    h(
      "div",
      { class: "dgkit-grid" },
      h("div", {}, field("This studio's state", out), copy, copied),
      h("div", {}, field("A state to go to (it is trained again)", into), go),
    ),
  );
}

/**
 * @param {Model} model
 * @param {Listen} listen
 */
function codeBox(model, listen) {
  const region = { role: "region", "aria-label": "Python code of this run" };
  const code = h("pre", { tabindex: "0", class: "dgkit-code", ...region });
  const copied = h("span", { role: "status" });
  const copy = button("Copy code", () => copyText(code, copied));
  const upTo = h("span", { class: "dgkit-hint" });
  listen(["shared"], () => {
    const shared = model.get("shared");
    if (code.textContent !== shared.code) code.textContent = shared.code ?? "";
    upTo.textContent = ` up to step ${short(shared.step)}`;
    copied.textContent = "";
  });
  const title = h("summary", {}, "Show the code that does the same");
  return h("details", {}, title, code, copy, copied, upTo);
}

/**
 * @param {HTMLTextAreaElement | HTMLPreElement} element
 * @param {HTMLElement} said
 */
async function copyText(element, said) {
  const isField = element instanceof HTMLTextAreaElement;
  try {
    await navigator.clipboard.writeText((isField ? element.value : element.textContent) ?? "");
    said.textContent = " copied";
  } catch {
    // not allowed here: select it, so that Ctrl+C copies
    if (isField) {
      element.focus();
      element.select();
    } else {
      getSelection()?.selectAllChildren(element);
    }
    said.textContent = " selected: press Ctrl+C";
  }
}
