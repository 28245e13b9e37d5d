// Widgets on a page of their own, without a kernel: a model that holds what Python wrote into the
// page, and for those whose data are in it too, answers to what the widget asks. The others show
// what they showed last.

import { browserAnswers } from "./alone/browser.js";
import { dialAnswers } from "./alone/dial.js";
import { explorerAnswers } from "./alone/explorer.js";

/**
 * What a page can do of a widget's actions: each returns the traits that
 * change. "start" is asked for once, before the widget is drawn.
 * @typedef {(values: any, get: (trait: string) => any) => Record<string, any>} Answer
 * @typedef {Record<string, Answer>} Answers
 */

/** @type {Record<string, (data: any) => Answers>} */
const KINDS = {
  Explorer: explorerAnswers,
  SeriesBrowser: browserAnswers,
  PrivacyDial: dialAnswers,
};

/**
 * The model of a widget, as anywidget would give it.
 * @param {Record<string, any>} state its traits
 * @param {string} kind the widget's class
 * @param {any} data what answers are made from; null where there are none
 */
export function aloneModel(state, kind, data) {
  /** @type {Map<string, Set<() => void>>} */
  const heard = new Map();
  const listeners = (/** @type {string} */ event) => {
    const found = heard.get(event) ?? new Set();
    heard.set(event, found);
    return found;
  };
  const get = (/** @type {string} */ trait) => state[trait];
  const answers = data === null ? {} : KINDS[kind](data);
  try {
    Object.assign(state, answers.start?.({}, get));
  } catch (error) {
    state.error = /** @type {Error} */ (error).message; // what Python drew stays
  }

  /** @param {Record<string, any>} changes */
  function take(changes) {
    Object.assign(state, changes);
    for (const trait of Object.keys(changes)) {
      for (const callback of [...listeners(`change:${trait}`)]) callback();
    }
  }
  return {
    get,
    /** @param {any} content */
    send({ action, values }) {
      if (!answers[action]) return;
      try {
        take({ error: "", ...answers[action](values, get) });
      } catch (error) {
        take({ error: /** @type {Error} */ (error).message });
      }
      if (values.token) take({ answered: values.token });
    },
    set() {},
    save_changes() {},
    on: (/** @type {string} */ event, /** @type {() => void} */ f) => listeners(event).add(f),
    off: (/** @type {string} */ event, /** @type {() => void} */ f) => listeners(event).delete(f),
  };
}

/**
 * Bytes that came as base64 become DataViews again, at any depth.
 * @param {any} value
 * @returns {any}
 */
export function revived(value) {
  if (Array.isArray(value)) return value.map(revived);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") {
    const bytes = Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0));
    return new DataView(bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revived(one)]));
}

/**
 * Light or dark, as the system or a page around this one says ({ dgkitTheme: "dark" }); and that
 * page is told the height, so that it can make room.
 */
export function followTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  /** @type {string | null} */
  let said = null;
  const show = () => {
    const isDark = said === null ? dark.matches : said === "dark";
    document.body.dataset.jpThemeLight = String(!isDark);
  };
  dark.addEventListener("change", show);
  addEventListener("message", ({ data }) => {
    if (data?.dgkitTheme === undefined) return;
    said = data.dgkitTheme;
    show();
  });
  show();
  if (window.parent === window) return;
  const tell = () =>
    window.parent.postMessage({ dgkitHeight: document.documentElement.offsetHeight }, "*");
  new ResizeObserver(tell).observe(document.documentElement);
  tell();
}
