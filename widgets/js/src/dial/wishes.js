// What the PrivacyDial asks of Python, and which of it is one step for undo. No page is needed.

import { act, atMost, on } from "../lib/dom.js";

/** @import { Model } from "../lib/dom.js" */

/**
 * What Python is asked for. A wish goes out when the one before is answered: a drag asks for what
 * Python can do, and always for the last.
 * @param {Model} model
 */
export function wishList(model) {
  const owner = `${Math.random()}`;
  let count = 0;
  let sent = "";
  let stroke = "";
  let wanted = {};
  const token = () => `${owner}-${++count}`;
  const settled = () => !sent;
  const waiting = () => Object.keys(wanted).length > 0;
  const send = atMost(30, () => {
    if (!waiting() || !settled()) return;
    sent = token();
    if (act(model, "change", { ...wanted, token: sent })) wanted = {};
    else sent = "";
  });
  const endStroke = () => {
    stroke = "";
  };
  // an answer may be overtaken by that to a cell, or to another view
  const stop = on(model, "answered", () => {
    if (model.get("answered") === sent) sent = "";
    send();
  });
  return {
    send,
    stop,
    settled,
    waiting,
    endStroke,
    beginStroke() {
      stroke ||= token();
    },
    /**
     * Changes of one stroke of a slider are one step for undo, also the last, which may go out
     * after it has ended.
     * @param {object} changes
     */
    change(changes) {
      wanted = { ...wanted, ...changes, stroke: stroke || null };
      send();
    },
    /**
     * Another action, which takes the place of what still waits.
     * @param {string} action
     * @param {object} [values]
     */
    ask(action, values = {}) {
      endStroke();
      wanted = {};
      return act(model, action, values);
    },
    /** The same for an action that answers. */
    askAndWait(/** @type {string} */ action, /** @type {object} */ values) {
      sent = token();
      if (!this.ask(action, { ...values, token: sent })) sent = "";
    },
  };
}

/** @typedef {ReturnType<typeof wishList>} Wishes */
