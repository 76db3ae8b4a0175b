// One head: hover over a token or a cell to see what it attends to and what attends to it; click to select it, again to clear.

import { element } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchBytes } from "../../frontend/fetching.js";
import { escapeToken } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { unpack } from "../../frontend/packing.js";
import { asSeen } from "../../frontend/picture.js";
import { clamp } from "../../frontend/scales.js";
import { sameCell } from "../../frontend/selection.js";
import { arithmeticPanel, distanceChart } from "./arithmetic.js";
import { Matrix } from "./matrix.js";
import { Strip, strongest } from "./strip.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {string[]} labels the tokens of the text
 * @property {number} own how many of the last tokens the model generated
 * @property {number} layer
 * @property {number} head
 * @property {number} heads
 * @property {number} group heads that use the same keys and values
 * @property {number} dHead
 * @property {number | null} softcap
 * @property {Positions} positions
 * @property {string} masked why the mask hides a key, as the end of "because it …"
 * @property {string} matrix the name of the one that is shown
 * @property {Record<string, string>} matrices titles by name
 * @property {boolean} rest whether the first token is hidden
 * @property {import("../../frontend/selection.js").Cell | null} locked the selected cell
 * @property {{ head: string }} sources addresses
 */

/**
 * How the model encodes positions.
 *
 * @typedef {object} Positions
 * @property {string} actsOn
 * @property {string} label
 * @property {string} title
 */

/**
 * The arrays of a head, by name.
 *
 * @typedef {object} Head
 * @property {number} count of positions
 * @property {Record<string, Float32Array>} arrays
 */

class OneHead {
  static identity = (/** @type {Data} */ data) => data.sources.head;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.selected = data.locked;
    /** @type {import("../../frontend/selection.js").Cell | null} query and key */
    this.focus = null;
    /** @type {import("../../frontend/selection.js").Cell | null} the cell to show in the next frame */
    this.wanted = null;
    /** @type {Head | null} */
    this.head = null;
    this.report = (/** @type {import("../../frontend/selection.js").Cell | null} */ cell) => page.report("locked", cell);
    this.build();
    this.read();
  }

  build() {
    const { labels, own } = this.data;
    this.status = element("div", "llm-head-status", "Computing this head …");
    this.status.setAttribute("role", "status");
    this.status.dataset.live = ""; // pointer hints: left out of a picture
    this.strip = new Strip(labels, own, {
      hover: (query) => this.hover([query, this.strongestKey(query)]),
      choose: (query) => this.choose([query, this.strongestKey(query)], query === this.selected?.[0]),
      step: (step) => this.step(step),
      toggle: () => this.focus && this.choose(this.focus, this.selected !== null),
      clear: () => this.setSelection(null),
    });
    this.matrix = new Matrix(labels, {
      hover: (query, key) => this.hover([query, key]),
      choose: (...cell) => this.choose(cell, sameCell(this.selected, cell)),
    });
    this.lists = element("div", "llm-head-lists");
    this.sums = element("div", "llm-head-panel");
    this.distance = element("div", "llm-head-panel");
    const side = element("div", "llm-head-side");
    side.append(this.lists, this.sums, this.distance);
    const body = element("div", "llm-head-body");
    body.append(this.matrix.root, side);
    this.root.replaceChildren(this.status, this.shared(), this.strip.root, body, this.exportRow());
  }

  exportRow() {
    return exportRow(this.data.export, () => asSeen(this.root, this.titled()));
  }

  /** Which heads share keys and values with this one. */
  shared() {
    const { head, group, heads } = this.data;
    const first = head - (head % group);
    return element("p", "llm-head-note", group === 1 ? ""
      : `Heads ${first} to ${first + group - 1} share key/value head ${first / group} of ${heads / group}: `
        + "each has a query of its own.");
  }

  async read() {
    const { labels, sources } = this.data;
    try {
      const packed = Object.entries(unpack(await fetchBytes(sources.head)));
      this.head = { count: labels.length, arrays: Object.fromEntries(packed.map(([name, { values }]) => [name, values])) };
    } catch (error) {
      this.status.textContent = error.message;
      this.status.classList.add("llm-head-bad");
      return;
    }
    this.paint();
    this.root.dataset.drawn = "head";
  }

  /** The matrix that is drawn, and the weights that arcs and lists show: without the first token, if it is hidden. */
  paint() {
    const { arrays } = this.head;
    const { matrix, matrices, rest } = this.data;
    const name = matrix in arrays ? matrix : "pattern";
    this.weights = arrays[`${name === "weighted" ? "weighted" : "pattern"}${rest ? "_rest" : ""}`];
    const signed = !["pattern", "weighted"].includes(name);
    this.markDistance = distanceChart(this.distance, this.head, this.data);
    this.matrix.fit();
    this.matrix.show(signed ? this.withoutFirst(arrays[name]) : this.weights, signed, matrices[name], this.data.masked);
    this.select(this.selected ?? this.focus ?? [this.head.count - 1, this.strongestKey(this.head.count - 1)]);
    this.strip.reveal(this.focus[0]);
    this.matrix.reveal(...this.focus);
  }

  /**
   * Scores do not sum to 1, so that hiding the first token only removes its column.
   *
   * @param {Float32Array} values
   */
  withoutFirst(values) {
    if (!this.data.rest) return values;
    return values.map((value, index) => (index % this.head.count === 0 ? NaN : value));
  }

  row = (/** @type {number} */ query) => this.weights.subarray(query * this.head.count, (query + 1) * this.head.count);

  column = (/** @type {number} */ key) => Float32Array.from({ length: this.head.count }, (_, query) =>
    this.weights[query * this.head.count + key]);

  /**
   * The key that a query attends to most.
   *
   * @param {number} query
   */
  strongestKey(query) {
    if (!this.head) return query;
    return this.row(query).reduce((best, value, key, row) => (value > row[best] || Number.isNaN(row[best]) ? key : best),
      0);
  }

  /**
   * Once a frame at most: a pointer reports more positions than are drawn.
   *
   * @param {import("../../frontend/selection.js").Cell} cell
   */
  hover(cell) {
    if (!this.head || this.selected) return;
    if (!this.wanted) {
      requestAnimationFrame(() => {
        const wanted = this.wanted;
        this.wanted = null;
        if (!this.selected && !sameCell(wanted, this.focus)) this.select(wanted);
      });
    }
    this.wanted = cell;
  }

  /**
   * @param {import("../../frontend/selection.js").Cell} cell
   * @param {boolean} again
   */
  choose(cell, again) {
    if (this.head) this.setSelection(again ? null : cell);
  }

  /** @param {import("../../frontend/selection.js").Cell | null} cell */
  setSelection(cell) {
    if (!this.head) return;
    this.selected = cell;
    this.select(cell ?? this.focus);
    this.report(cell);
  }

  /** @param {number} step */
  step(step) {
    if (!this.head) return;
    const query = clamp((this.focus?.[0] ?? 0) + step, 0, this.head.count - 1);
    const cell = /** @type {import("../../frontend/selection.js").Cell} */ ([query, this.strongestKey(query)]);
    if (this.selected) this.setSelection(cell);
    else this.select(cell);
    this.strip.reveal(query);
    this.matrix.reveal(...cell);
  }

  /**
   * Show one cell everywhere at once.
   *
   * @param {import("../../frontend/selection.js").Cell} cell
   */
  select(cell) {
    this.focus = cell;
    const [query, key] = cell;
    const [row, column] = [this.row(query), this.column(query)];
    this.strip.show(query, row, column, this.selected !== null);
    if (this.selected) this.matrix.reveal(query, key);
    this.matrix.mark(cell);
    this.list(query, row, column);
    arithmeticPanel(this.sums, this.head, this.data, query, key);
    this.markDistance(query - key);
    this.status.textContent = this.selected
      ? "Selected. Click it again, or press Escape, to clear the selection."
      : "Hover over a token or a cell. Click to select it.";
  }

  /**
   * @param {number} query
   * @param {Float32Array} row
   * @param {Float32Array} column
   */
  list(query, row, column) {
    const name = escapeToken(this.data.labels[query]);
    this.lists.replaceChildren(
      this.ranking(`${name} attends to`, strongest(row, 5)),
      this.ranking(`${name} is attended to by`, strongest(column.fill(0, query, query + 1), 5)),
    );
  }

  /**
   * @param {string} title
   * @param {[position: number, weight: number][]} ranked
   */
  ranking(title, ranked) {
    const box = element("div", "llm-head-ranking");
    box.append(element("div", "llm-head-title", title));
    if (!ranked.length) box.append(element("p", "llm-head-note", "none"));
    for (const [position, weight] of ranked) {
      const line = element("div", "llm-head-line");
      const bar = element("span", "llm-head-bar");
      bar.style.width = `${100 * weight}%`;
      const track = element("span", "llm-head-track");
      track.append(bar);
      line.append(element("span", "llm-head-token", escapeToken(this.data.labels[position])),
        element("span", "llm-head-position", String(position)), track, element("span", "", weight.toFixed(weight < 0.1 ? 3 : 2)));
      box.append(line);
    }
    return box;
  }

  titled() {
    return `${this.data.matrices[this.data.matrix]} · ${this.data.title}`;
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = data;
    this.selected = data.locked;
    if (this.head) this.paint();
    renewExportRow(this.root, before, data, () => this.exportRow());
  }
}

export default mount(OneHead);
