// Small helpers for building accessible DOM: elements, labelled controls, the shell every widget lives in.

let counter = 0;

/** A document-wide unique id, for label and control to find each other. */
export const uid = (name) => `dgkit-${name}-${++counter}`;

/** h("button", { class: "x", onclick: f, "aria-pressed": false }, "text", child): an element. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value === "boolean") element[name] = value;
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A control with its visible label; `control` gets an id. */
export function field(label, control, { hint } = {}) {
  control.id ||= uid("field");
  const parts = [h("label", { for: control.id }, label), control];
  if (hint) {
    const note = h("span", { id: uid("hint"), class: "dgkit-hint" }, hint);
    control.setAttribute("aria-describedby", note.id);
    parts.push(note);
  }
  return h("div", { class: "dgkit-field" }, ...parts);
}

export const button = (label, onclick, attributes = {}) =>
  h("button", { type: "button", class: "dgkit-button", onclick, ...attributes }, label);

/** options: array of values, or of [value, text]. */
export function select(options, value, onchange, attributes = {}) {
  const element = h("select", { onchange: () => onchange(element.value), ...attributes });
  for (const option of options) {
    const [key, text] = Array.isArray(option) ? option : [option, option];
    element.append(h("option", { value: key }, String(text)));
  }
  element.value = value;
  return element;
}

/** Listen to a model's trait; returns the function that stops listening. */
export function on(model, event, callback) {
  model.on(event, callback);
  return () => model.off(event, callback);
}

/** Ask Python to do something: dgkit_widgets._widget.Widget runs the method of that name that it lists as an action. */
export const act = (model, action, values = {}) => model.send({ action, values });

/**
 * The shell of a widget: a named section with a place for errors (role=alert) and a polite, rate-limited status for
 * screen readers. Returns { root, body, say, cleanups, close }; push every undo function onto cleanups.
 */
export function shell(el, model, name) {
  const alert = h("div", { class: "dgkit-error", role: "alert", hidden: true });
  const live = h("div", { class: "dgkit-visually-hidden", role: "status", "aria-live": "polite" });
  const body = h("div", { class: "dgkit-body" });
  const keys = { "data-lm-suppress-shortcuts": "true" }; // else JupyterLab's command mode takes arrows and letters
  const root = h("section", { class: "dgkit", "aria-label": name, ...keys }, alert, body, live);
  root.addEventListener("keydown", (event) => {
    // the attribute is not enough where a shortcut's selector is the focused control
    const theirs =
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.key === "Escape" ||
      (event.shiftKey && event.key === "Enter");
    if (!theirs) event.stopPropagation();
  });
  el.append(root);
  const showError = () => {
    const text = model.get("error");
    alert.textContent = text;
    alert.hidden = !text;
  };
  showError();
  let said = 0,
    waiting = null;
  const say = (text) => {
    // at most one announcement every two seconds, the last one always
    clearTimeout(waiting);
    const rest = said + 2000 - Date.now();
    const speak = () => {
      live.textContent = text;
      said = Date.now();
    };
    if (rest <= 0) speak();
    else waiting = setTimeout(speak, rest);
  };
  const cleanups = [on(model, "change:error", showError), () => clearTimeout(waiting)];
  const close = () => cleanups.splice(0).forEach((stop) => stop());
  return { root, body, say, cleanups, close };
}

/** Call `draw` at most once a frame, however often the returned function is called. */
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

/** Call `f` at once, then at most `hz` times a second, the last call always; `.now()` runs a waiting call at once. */
export function atMost(hz, f) {
  let timer = null,
    waiting = false;
  const run = () => {
    waiting = false;
    timer = setTimeout(() => {
      timer = null;
      if (waiting) run();
    }, 1000 / hz);
    f();
  };
  const ask = () => {
    if (timer) waiting = true;
    else run();
  };
  ask.now = () => {
    if (waiting) {
      clearTimeout(timer);
      run();
    }
  };
  ask.cancel = () => {
    clearTimeout(timer);
    timer = null;
    waiting = false;
  };
  return ask;
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** A number as people read it: 4 significant digits, thousands spelled out, small ones in powers of ten. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  if (size >= 1000)
    return (Number.isInteger(value) ? value : Number(value.toPrecision(4))).toLocaleString("en");
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
}

/** float32 (or int32) numbers of a trait that Python sent as bytes: a DataView, maybe at an odd offset. */
export function floats(view, Kind = Float32Array) {
  if (!view || !view.byteLength) return new Kind(0);
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
