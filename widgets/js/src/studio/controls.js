// The studio's settings: built from Python's list of controls, each with a label and a note when it waits for a reset.

import { act, h, select, uid } from "../lib/dom.js";

const GROUPS = [
  ["design", "Design"],
  ["training", "Training"],
  ["network", "Networks and penalty"],
  ["privacy", "Privacy"],
];
const FOLDED = ["network", "privacy"];

/** Returns { root, show(settings, pending) }. */
export function settingsForm(model) {
  const fields = {},
    folds = {};
  const root = h("div", { class: "dgkit-studio-settings" });
  for (const [group, title] of GROUPS) {
    const ours = model.get("controls").filter((control) => control.group === group);
    if (!ours.length) continue;
    const grid = h(
      "div",
      { class: "dgkit-studio-fields" },
      ...ours.map((control) => (fields[control.name] = field(model, control)).root),
    );
    root.append(
      FOLDED.includes(group)
        ? (folds[group] = h("details", {}, h("summary", {}, title), grid))
        : h("fieldset", {}, h("legend", {}, title), grid),
    );
  }
  if (folds.privacy) folds.privacy.open = model.get("settings").dp;
  return {
    root,
    show(settings, pending) {
      for (const [name, one] of Object.entries(fields)) {
        one.show(settings[name], pending.includes(name));
        one.root.hidden = one.needs !== undefined && !settings[one.needs];
      }
    },
  };
}

function field(model, control) {
  const { name, label, kind, needs } = control;
  let sent = null,
    timer = 0; // until Python has answered, or two seconds, older news does not undo a choice
  const change = (value) => {
    sent = { value };
    clearTimeout(timer);
    timer = setTimeout(() => {
      sent = null;
      show(shown);
    }, 2000);
    act(model, "change", { [name]: value });
  };
  const note = h("span", { class: "dgkit-hint", id: uid("note") });
  const described = { id: uid(name), "aria-describedby": note.id, "data-name": name };
  let element, show;
  if (kind === "check") {
    element = h("input", {
      type: "checkbox",
      onchange: () => change(element.checked),
      ...described,
    });
    show = (value) => {
      element.checked = value;
    };
  } else if (kind === "choice") {
    const pairs = control.options.map((option) =>
      Array.isArray(option) ? option : [String(option), String(option)],
    );
    const known = new Map(
      control.options
        .map((option) => (Array.isArray(option) ? option : [String(option), option]))
        .map(([key, value]) => [key, Array.isArray(control.options[0]) ? key : value]),
    );
    element = select(pairs, "", (key) => change(known.get(key)), described);
    show = (value) => {
      const key = String(value);
      if (!known.has(key)) {
        known.set(key, value);
        element.append(h("option", { value: key }, key));
      }
      element.value = key;
    };
  } else {
    let typing = false; // what is being typed is not to be overwritten by news of the run
    element = h("input", {
      type: "number",
      min: control.least,
      step: control.any ? "any" : 1,
      ...described,
      oninput: () => {
        typing = true;
      },
      onchange: () => {
        typing = false;
        if (element.value.trim() === "") show(shown);
        else change(Number(element.value));
      },
    });
    show = (value) => {
      if (!typing) element.value = value;
    };
  }
  let shown;
  const root = h(
    "div",
    { class: `dgkit-field${kind === "check" ? " dgkit-check" : ""}` },
    h("label", { for: element.id }, label),
    element,
    note,
  );
  return {
    root,
    needs,
    show(value, pending) {
      shown = value;
      if (sent?.value === value) {
        sent = null;
        clearTimeout(timer);
      }
      if (!sent) show(value);
      root.classList.toggle("dgkit-pending", pending);
      note.textContent = pending ? "takes effect on reset" : "";
    },
  };
}
