// Small helpers for building accessible DOM: elements, labelled controls, the shell every widget
// lives in.

/**
 * anywidget's side of a widget of Python. Its traits are as Python sends them, so they have no type
 * here.
 * @typedef {object} Model
 * @property {(trait: string) => any} get
 * @property {(content: object) => void} send
 * @property {(event: string, callback: () => void) => void} on
 * @property {(event: string, callback: () => void) => void} off
 */

/** @typedef {{ model: Model, el: HTMLElement }} RenderProps */

/** @typedef {Record<string, any>} Attributes */

/** @typedef {Node | string | null | undefined} Child left out where there is none */

let counter = 0;
const bundle = Math.random().toString(36).slice(2, 8); // each widget's file counts for itself

/**
 * A document-wide unique id, for label and control to find each other.
 * @param {string} name
 */
export const uid = (name) => `dgkit-${name}-${bundle}-${++counter}`;

/**
 * An element: h("button", { class: "x", onclick: f, "aria-pressed": false }, "text", child).
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value === "boolean")
      Object.assign(element, { [name]: value });
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * The same for the parts of a drawing.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {...(Node | string)} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * A control with its visible label; `control` gets an id.
 * @param {string} label
 * @param {HTMLElement} control
 */
export function field(label, control) {
  control.id ||= uid("field");
  return h("div", { class: "dgkit-field" }, h("label", { for: control.id }, label), control);
}

/**
 * A checkbox with its label beside it.
 * @param {string} label
 * @param {HTMLInputElement} box
 */
export function checkField(label, box) {
  const root = field(label, box);
  root.classList.add("dgkit-check");
  return root;
}

/**
 * @param {Child} label
 * @param {() => void} onclick
 * @param {Attributes} [attributes]
 */
export const button = (label, onclick, attributes = {}) =>
  h("button", { type: "button", class: "dgkit-button", onclick, ...attributes }, label);

/**
 * A choice of `options`, values or pairs of value and text; `onchange` is told the value.
 * @param {(string | number | (string | number)[])[]} options
 * @param {string} value
 * @param {(value: string) => void} onchange
 * @param {Attributes} [attributes]
 */
export function select(options, value, onchange, attributes = {}) {
  const element = h("select", { onchange: () => onchange(element.value), ...attributes });
  setOptions(element, options);
  element.value = value;
  return element;
}

/**
 * Give a choice other options.
 * @param {HTMLSelectElement} element
 * @param {(string | number | (string | number)[])[]} options
 */
export function setOptions(element, options) {
  const made = options.map((option) => {
    const [key, text] = Array.isArray(option) ? option : [option, option];
    return h("option", { value: key }, String(text));
  });
  element.replaceChildren(...made);
}

/**
 * Mark a control as one that does nothing now. It stays focusable, so that who just used it does
 * not lose the place.
 * @param {Element} control
 * @param {boolean} off
 */
export const setOff = (control, off) => control.setAttribute("aria-disabled", String(off));

/**
 * Whether a control was marked as one that does nothing now.
 * @param {Element} control
 */
export const isOff = (control) => control.getAttribute("aria-disabled") === "true";

/**
 * Listen to a model's trait; returns the function that stops listening.
 * @param {Model} model
 * @param {string} trait
 * @param {() => void} callback
 */
export function on(model, trait, callback) {
  model.on(`change:${trait}`, callback);
  return () => model.off(`change:${trait}`, callback);
}

/**
 * Ask Python to do something: dgkit_widgets._widget.Widget runs the method of that name that it
 * lists as an action.
 * @param {Model} model
 * @param {string} action
 * @param {Record<string, any>} [values]
 * @returns {boolean} whether it was sent
 */
export function act(model, action, values = {}) {
  const views = [...(waiting.get(model) ?? [])];
  if (values.token) for (const { wait } of views) wait(values.token);
  try {
    model.send({ action, values });
    return true;
  } catch {
    for (const { silent } of views) silent(); // there is no connection
    return false;
  }
}

/**
 * The views of a model, each told what was asked, and where nobody is there to answer.
 * @type {WeakMap<Model, Set<{ wait: (token: string) => void, silent: () => void }>>}
 */
const waiting = new WeakMap();
const PATIENCE = 8000; // milliseconds until a view says that nobody has answered
const SILENT =
  "No answer from Python yet: it is busy, or gone (then run the cell again). " +
  "Charts and numbers are those from before.";

/**
 * Whether a key is pressed together with Ctrl, Alt or Meta, and so meant for the page or the
 * browser.
 * @param {KeyboardEvent} event
 */
export const withModifier = (event) => event.ctrlKey || event.metaKey || event.altKey;

/**
 * Take a key for oneself: nobody else gets it.
 * @param {Event} event
 */
export function taken(event) {
  event.preventDefault();
  event.stopPropagation();
}

/**
 * The shell of a widget: a named section with a place for errors (role=alert) and a polite,
 * rate-limited status for screen readers. Push every undo function onto `cleanups`; `close` runs
 * them.
 * @param {HTMLElement} el
 * @param {Model} model
 * @param {string} name
 */
export function shell(el, model, name) {
  const alert = h("div", { class: "dgkit-error", role: "alert", hidden: true });
  const live = h("div", { class: "dgkit-visually-hidden", role: "status", "aria-live": "polite" });
  const body = h("div", { class: "dgkit-body" });
  const attributes = {
    class: "dgkit",
    "aria-label": name,
    "data-lm-suppress-shortcuts": "true", // else JupyterLab's command mode takes arrows and letters
  };
  const root = h("section", attributes, alert, body, live);
  // the attribute is not enough where a shortcut's selector is the focused control
  root.addEventListener("keydown", (event) => {
    const leaves = event.key === "Escape" || (event.shiftKey && event.key === "Enter");
    if (!leaves && !withModifier(event)) event.stopPropagation();
  });
  el.append(root);
  const showError = () => {
    const text = model.get("error");
    alert.textContent = text;
    alert.hidden = !text;
  };
  showError();

  // what is asked with a token is answered; until then controls may show what nobody computed
  let due = 0;
  let last = "";
  const silent = () => {
    alert.textContent = SILENT;
    alert.hidden = false;
  };
  const view = {
    silent,
    /** @param {string} token */
    wait(token) {
      last = token;
      clearTimeout(due);
      due = setTimeout(silent, PATIENCE);
    },
  };
  const views = waiting.get(model) ?? new Set();
  waiting.set(model, views.add(view));
  const answered = () => {
    if (model.get("answered") !== last) return; // to what was asked before
    clearTimeout(due);
    showError();
  };

  let said = 0;
  let speaking = 0;
  /**
   * At most one announcement every two seconds, the last one always.
   * @param {string} text
   */
  const say = (text) => {
    clearTimeout(speaking);
    const rest = said + 2000 - Date.now();
    const speak = () => {
      live.textContent = text;
      said = Date.now();
    };
    if (rest <= 0) speak();
    else speaking = setTimeout(speak, rest);
  };
  const cleanups = [
    on(model, "error", showError),
    on(model, "answered", answered),
    () => clearTimeout(speaking),
    () => clearTimeout(due),
    () => views.delete(view),
  ];
  return { root, body, say, cleanups, close: () => undoAll(cleanups) };
}

/**
 * Run every function of a list that undoes something, and forget it.
 * @param {(() => void)[]} list
 */
export function undoAll(list) {
  for (const undo of list.splice(0)) undo();
}

/**
 * Call `draw` at most once a frame, however often the returned function is called.
 * @param {() => void} draw
 */
export function oncePerFrame(draw) {
  let asked = 0;
  const ask = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
  ask.cancel = () => {
    cancelAnimationFrame(asked);
    asked = 0;
  };
  return ask;
}

/**
 * Call `f` at once, then at most `hz` times a second, the last call always; `.now()` runs a waiting
 * call at once.
 * @param {number} hz
 * @param {() => void} f
 */
export function atMost(hz, f) {
  let timer = 0;
  let waiting = false;
  const run = () => {
    waiting = false;
    timer = setTimeout(() => {
      timer = 0;
      if (waiting) run();
    }, 1000 / hz);
    f();
  };
  const ask = () => {
    if (timer) waiting = true;
    else run();
  };
  ask.now = () => {
    if (!waiting) return;
    clearTimeout(timer);
    run();
  };
  ask.cancel = () => {
    clearTimeout(timer);
    timer = 0;
    waiting = false;
  };
  return ask;
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
