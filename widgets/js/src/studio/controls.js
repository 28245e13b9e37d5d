// The studio's settings: built from Python's list of controls, each with a label and a note when it
// waits for a reset.

import { act, h, select, uid } from "../lib/dom.js";

/** @import { Attributes, Model } from "../lib/dom.js" */

/**
 * A control as Python describes it.
 * @typedef {object} Control
 * @property {string} name of the setting
 * @property {string} label
 * @property {string} hint what the setting means
 * @property {string} kind "check", "choice" or else a number
 * @property {string} [needs] the setting without which this one is hidden
 * @property {(Value | [string, string])[]} options of a choice: values, or pairs of key and text
 * @property {number} [least]
 * @property {boolean} [any] not only whole numbers
 */

/** @typedef {string | number | boolean | null} Value */

/** @typedef {(value: any) => void} Take */

const GROUPS = [
  ["design", "Design"],
  ["training", "Training"],
  ["network", "Networks and penalty"],
  ["privacy", "Privacy"],
];
const FOLDED = ["network", "privacy"];
const PATIENCE_MS = 2000;

/**
 * The form; `show(settings, pending)` fills it and marks what waits for a reset.
 * @param {Model} model
 */
export function settingsForm(model) {
  /** @type {Map<string, ReturnType<typeof settingField>>} */
  const fields = new Map();
  const inner = h("div", { class: "dgkit-studio-settings" });
  const root = h("details", {}, h("summary", {}, "Settings"), inner);
  for (const [group, title] of GROUPS) {
    const controls = model
      .get("controls")
      .filter((/** @type {{ group: string }} */ one) => one.group === group);
    if (!controls.length) continue;
    const grid = h("div", { class: "dgkit-studio-fields" });
    for (const control of controls) {
      const made = settingField(model, control);
      fields.set(control.name, made);
      grid.append(made.root);
    }
    if (FOLDED.includes(group)) {
      const fold = h("details", {}, h("summary", {}, title), grid);
      if (group === "privacy") fold.open = model.get("settings").dp;
      inner.append(fold);
    } else {
      inner.append(h("fieldset", {}, h("legend", {}, title), grid));
    }
  }
  return {
    root,
    /**
     * @param {Record<string, Value>} settings
     * @param {string[]} pending
     */
    show(settings, pending) {
      for (const [name, { root: place, needs, show }] of fields) {
        show(settings[name], pending.includes(name));
        place.hidden = needs !== undefined && !settings[needs];
      }
    },
  };
}

/**
 * @param {Model} model
 * @param {Control} control
 */
function settingField(model, control) {
  const { name, label, hint, kind, needs } = control;
  /** @type {Value} */
  let shown = null;
  // until Python has answered, or two seconds, older news does not undo a choice
  /** @type {{ value: Value } | null} */
  let sent = null;
  let timer = 0;

  const note = h("span", { class: "dgkit-hint", id: uid("note") });
  const described = { id: uid(name), "aria-describedby": note.id, "data-name": name };
  const make = { check: checkbox, choice }[kind] ?? number;
  const { element, fill } = make(control, described, change, () => fill(shown));
  const root = h(
    "div",
    { class: "dgkit-field", title: hint },
    h("label", { for: element.id }, label),
    element,
    note,
  );
  root.classList.toggle("dgkit-check", kind === "check");

  /** @type {Take} */
  function change(value) {
    sent = { value };
    clearTimeout(timer);
    timer = setTimeout(() => {
      sent = null;
      fill(shown);
    }, PATIENCE_MS);
    act(model, "change", { [name]: value });
  }

  return {
    root,
    needs,
    /**
     * @param {Value} value
     * @param {boolean} pending
     */
    show(value, pending) {
      shown = value;
      if (sent?.value === value) {
        sent = null;
        clearTimeout(timer);
      }
      if (!sent) fill(value);
      root.classList.toggle("dgkit-pending", pending);
      note.textContent = pending ? "takes effect on reset" : "";
    },
  };
}

/**
 * @param {Control} _
 * @param {Attributes} described
 * @param {Take} change
 */
function checkbox(_, described, change) {
  const onchange = () => change(element.checked);
  const element = h("input", { type: "checkbox", onchange, ...described });
  /** @type {Take} */
  const fill = (value) => {
    element.checked = value;
  };
  return { element, fill };
}

/**
 * @param {Control} control
 * @param {Attributes} described
 * @param {Take} change
 */
function choice({ options }, described, change) {
  /** @type {Map<string, Value>} */
  const values = new Map(); // what Python calls the option that stands in the page under a key
  /** @type {[string, string][]} */
  const pairs = [];
  for (const option of options) {
    const [key, text] = Array.isArray(option) ? option : [String(option), String(option)];
    values.set(key, Array.isArray(option) ? key : option);
    pairs.push([key, text]);
  }
  const element = select(pairs, "", (key) => change(values.get(key)), described);
  /** @type {Take} */
  const fill = (value) => {
    const key = String(value);
    if (!values.has(key)) {
      values.set(key, value);
      element.append(h("option", { value: key }, key));
    }
    element.value = key;
  };
  return { element, fill };
}

/**
 * @param {Control} control
 * @param {Attributes} described
 * @param {Take} change
 * @param {() => void} restore
 */
function number({ least, any }, described, change, restore) {
  let typing = false; // what is being typed is not to be overwritten by news of the run
  const element = h("input", {
    type: "number",
    min: least,
    step: any ? "any" : 1,
    ...described,
    oninput: () => {
      typing = true;
    },
    onchange: () => {
      typing = false;
      if (element.value.trim() === "") restore();
      else change(Number(element.value));
    },
  });
  /** @type {Take} */
  const fill = (value) => {
    if (!typing) element.value = value;
  };
  return { element, fill };
}
