import assert from "node:assert/strict";
import { test } from "node:test";

import { mount } from "../../components/frontend/mount.js";

/** A view that notes what happens to it. */
class Recorder {
  static identity = (/** @type {any} */ data) => data.source;

  /**
   * @param {HTMLElement} root
   * @param {{ source: string, text: string }} data
   * @param {import("../../components/frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.page = page;
    this.events = [`made ${data.text}`];
  }

  /** @param {{ source: string, text: string }} data */
  update(data) {
    this.events.push(`updated ${data.text}`);
  }

  stop() {
    this.events.push("stopped");
  }
}

/** A component as Streamlit hands it over, and what was reported to it. */
function component() {
  /** @type {any} */
  const root = { dataset: { drawn: "old" }, isConnected: true };
  /** @type {unknown[][]} */
  const reports = [];
  const draw = /** @type {any} */ (mount(Recorder));
  /** @type {(source: string, text: string, turn?: string) => () => void} */
  const show = (source, text, turn) => draw({
    data: { source, text },
    parentElement: { querySelector: (/** @type {string} */ selector) => (selector === "[data-view]" ? root : null) },
    setStateValue: (/** @type {string} */ name, /** @type {unknown} */ value) => reports.push([turn, name, value]),
    setTriggerValue: (/** @type {string} */ name, /** @type {unknown} */ value) => reports.push([turn, "trigger", name, value]),
  });
  return { root, reports, show };
}

test("data of the same identity update the view, others get a new one", () => {
  const { root, show } = component();
  show("a", "1");
  const first = root.llmView;
  show("a", "2");
  assert.equal(root.llmView, first);
  assert.deepEqual(first.events, ["made 1", "updated 2"]);
  root.dataset.drawn = "a";
  show("b", "3");
  assert.notEqual(root.llmView, first);
  assert.deepEqual(first.events.at(-1), "stopped");
  assert.equal(root.dataset.drawn, undefined);
});

test("reports go to the callbacks of the latest run", () => {
  const { root, reports, show } = component();
  show("a", "1", "first");
  show("a", "1", "second");
  root.llmView.page.report("locked", 3);
  root.llmView.page.trigger("stop", true);
  assert.deepEqual(reports, [["second", "locked", 3], ["second", "trigger", "stop", true]]);
});

test("a view stops when its root has left the page, and not before", () => {
  const { root, show } = component();
  const leave = show("a", "1");
  const view = root.llmView;
  leave();
  assert.equal(root.llmView, view);
  root.isConnected = false;
  leave();
  assert.equal(root.llmView, undefined);
  assert.deepEqual(view.events, ["made 1", "stopped"]);
});
