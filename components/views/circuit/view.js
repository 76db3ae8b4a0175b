// A copying circuit as a story that is read from top to bottom: where two heads look, what they look for and write, how
// they fit together, what they add, what happens without them, and when they appeared in training.

import { element } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";
import { asSeen } from "../../frontend/picture.js";
import { breaking, composition, direct, looks, parts } from "./sections.js";
import { Timeline } from "./timeline.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {string[]} labels the tokens up to the piece to be predicted
 * @property {number} earlier where the last token occurred before
 * @property {number[]} places of the piece, after the same token
 * @property {string} piece the one to be copied
 * @property {string} other the one that replaces it
 * @property {import("./grids.js").Head} previous
 * @property {import("./grids.js").Head} copying
 * @property {number} layers
 * @property {number} heads
 * @property {number} group heads that use the same keys and values
 * @property {boolean} rotary
 * @property {number} copiesAbove
 * @property {number} labelAbove a head is named after a score above this
 * @property {string} advice what brings a copying head about
 * @property {string} control id of a one-layer run
 * @property {number[]} steps the snapshots
 * @property {number} step the selected one
 * @property {Record<string, string>} sources addresses
 */

/** @typedef {(root: HTMLElement, data: Data, content: any) => Node[]} Draw */

/**
 * A section of the page, and what the server said it shows.
 *
 * @typedef {object} Section
 * @property {string} name
 * @property {HTMLElement} body
 * @property {Draw} draw
 * @property {any} [content] once it is here
 */

/** @type {[name: string, title: string, draw: Draw][]} */
const SECTIONS = [
  ["heads", "Where the two heads look", looks],
  ["parts", "What the copying head looks for, and what it writes", parts],
  ["composition", "Does the copying head read what the other one writes?", composition],
  ["direct", "Which heads raise the logit of the right piece?", direct],
  ["test", "Now break it", breaking],
];

class Circuit {
  static identity = (/** @type {Data} */ data) => data.sources.heads + data.control;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.stopped = false;
    root.replaceChildren();
    /** @type {Section[]} */
    this.sections = SECTIONS.map(([name, title, draw], index) => ({ name, body: this.section(index + 1, title), draw }));
    this.timeline = new Timeline(this.section(SECTIONS.length + 1, "When did it appear?"), data,
      (step) => page.report("moved", step));
    root.append(this.exportRow());
    this.read();
  }

  /**
   * Adds a numbered section to the page; returns its body.
   *
   * @param {number} number
   * @param {string} title
   */
  section(number, title) {
    const section = element("section", "llm-circuit-section");
    const heading = element("h2", "llm-circuit-heading");
    heading.append(element("span", "llm-circuit-index", number), title);
    const body = element("div", "llm-circuit-body");
    body.append(element("p", "llm-part-status", "Computing …"));
    section.append(heading, body);
    this.root.append(section);
    return body;
  }

  exportRow() {
    return exportRow(this.data.export, () => asSeen(this.root, this.data.title));
  }

  /** One section after the other, in the order in which they are read. */
  async read() {
    for (const section of this.sections) {
      if (this.stopped) return;
      const { name } = section;
      try {
        const content = await fetchJson(this.data.sources[name]);
        if (name === "test") content.heldOut = await fetchJson(this.data.sources.heldOut);
        section.content = content;
      } catch (error) {
        section.body.replaceChildren(element("p", "llm-part-status llm-part-bad", error.message));
        if (name === "heads") return;
      }
      this.draw(section);
    }
    await this.timeline.measure(() => this.stopped);
    this.root.dataset.drawn = "circuit";
  }

  /** @param {Section} section */
  draw({ body, draw, content }) {
    if (content) body.replaceChildren(...draw(this.root, this.data, content));
  }

  stop() {
    this.stopped = true;
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = this.timeline.data = data;
    for (const section of this.sections) this.draw(section);
    this.timeline.draw();
    renewExportRow(this.root, before, data, () => this.exportRow());
  }
}

export default mount(Circuit);
