// The residual stream: norm by layer and position, and the fraction of the last vector that each part wrote.

import { element, oncePerFrame } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { quoted, short, wholePercent, withSign } from "../../frontend/format.js";
import { Grid } from "../../frontend/grid.js";
import { mount } from "../../frontend/mount.js";
import { barList, rowChart, signedBars, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { largestMagnitude, logarithmicScale, signedScale } from "../../frontend/scales.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {string[]} labels the tokens of the text
 * @property {string[]} rows
 * @property {"norm" | "fraction" | "component_norm"} figure
 * @property {Record<string, string>} figures
 * @property {number | null} locked the selected position
 * @property {{ residual: string }} sources addresses
 */

/**
 * Figures by row or part, and position.
 *
 * @typedef {object} Stream
 * @property {string[]} parts
 * @property {number[][]} norm
 * @property {number[][]} fraction
 * @property {number[][]} component_norm
 */

class Residual {
  static identity = (/** @type {Data} */ data) => data.sources.residual;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    /** @type {number | null} */
    this.selected = null;
    /** @type {Grid | null} */
    this.grid = null;
    this.report = (/** @type {number[] | null} */ position) => page.report("locked", position);
    this.status = new Status("Computing every layer …");
    this.container = element("div");
    this.details = element("div", "llm-part-columns");
    root.replaceChildren(this.status.root, this.container, this.details, this.exportRow());
    this.read();
  }

  exportRow = () => exportRow(this.data.export, () =>
    asSeen(this.root, `${this.data.figures[this.data.figure]} · ${this.data.title}`));

  async read() {
    try {
      this.stream = /** @type {Stream} */ (await fetchJson(this.data.sources.residual));
    } catch (error) {
      this.status.fail(error);
      return;
    }
    this.paint();
    this.root.dataset.drawn = "residual";
  }

  /** Another figure has other rows, so that it gets a grid of its own. */
  paint() {
    const { figure, figures, labels, rows } = this.data;
    const names = figure === "norm" ? rows : this.stream.parts;
    const focus = this.grid?.focus?.[1] ?? labels.length - 1;
    this.selected = this.data.locked;
    this.grid = new Grid(labels, names, { width: 22, widest: 64, height: 24 }, {
      hover: oncePerFrame((/** @type {number} */ row, /** @type {number} */ position) => (this.selected === null ? this.select(row, position) : null)),
      choose: (row, position) => this.setSelection(this.selected === position ? null : position, row),
      clear: () => this.setSelection(null, this.grid.focus?.[0] ?? 0),
    });
    this.container.replaceChildren(this.grid.root);
    const values = this.stream[figure];
    const { scale, legend } = figure === "fraction" ? fractionShades(values) : normShades(values);
    this.grid.show((row, position) => {
      const value = values[row][position];
      return [scale(value), ...(this.grid.cell >= 30 ? [figure === "fraction" ? wholePercent(value) : short(value)] : [])];
    }, `${figures[figure]}, ${names.length} rows by ${labels.length} positions`, legend,
    figure === "fraction" ? "positive" : "accent");
    const position = this.selected ?? Math.min(focus, labels.length - 1);
    this.grid.fit();
    this.select(names.length - 1, position);
    this.grid.reveal(position);
  }

  /**
   * @param {number | null} position
   * @param {number} row
   */
  setSelection(position, row) {
    if (!this.stream) return;
    this.selected = position;
    this.select(row, position ?? this.grid.focus[1]);
    this.report(position === null ? null : [position]);
  }

  /**
   * Show one position everywhere at once.
   *
   * @param {number} row
   * @param {number} position
   */
  select(row, position) {
    this.grid.mark([row, position], this.selected !== null);
    const parts = [this.fractions(position), this.norms(position, row), this.componentNorms(position)];
    this.details.replaceChildren(...parts.map((part) => {
      const panel = element("div", "llm-part-panel");
      panel.append(part);
      return panel;
    }));
    this.status.show(this.selected === null ? "Hover over a position to decompose its vector. Click to select it."
      : "Selected. Click it again, or press Escape, to clear the selection.");
  }

  tokenAt = (/** @type {number} */ position) => `${quoted(this.data.labels[position])} (${position})`;

  /** @param {number} position */
  fractions(position) {
    const values = this.stream.fraction.map((fractions) => fractions[position]);
    /** @type {[name: string, value: number, text: string][]} */
    const lines = this.stream.parts.map((part, index) => [part, values[index], signedPercent(values[index])]);
    const title = `What wrote the last vector of ${this.tokenAt(position)}`;
    const bars = signedBars(title, lines, largestMagnitude(values));
    bars.append(element("p", "llm-part-note", "The percentages sum to 100%. A part below 0 writes against the sum."));
    return bars;
  }

  /**
   * @param {number} position
   * @param {number} row
   */
  norms(position, row) {
    const norms = this.stream.norm.map((values) => values[position]);
    const focus = this.data.figure === "norm" ? row : -1;
    return rowChart(`Norm of the vector at ${this.tokenAt(position)}`, this.data.rows, norms, focus, short);
  }

  /** @param {number} position */
  componentNorms(position) {
    const values = this.stream.component_norm.map((norms) => norms[position]);
    const longest = Math.max(...values) || 1;
    return barList("Norm of what each part wrote",
      this.stream.parts.map((part, index) => [part, values[index] / longest, short(values[index])]));
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    const repaint = data.figure !== before.figure || data.locked !== this.selected;
    this.data = data;
    renewExportRow(this.root, before, data, this.exportRow);
    if (this.stream && repaint) this.paint();
    else this.grid?.draw(); // after a change of theme
  }
}

const signedPercent = (/** @type {number} */ fraction) => (Math.abs(fraction) < 0.0005 ? "0.0%" : `${withSign(100 * fraction, 1)}%`);

/**
 * Norms differ by orders of magnitude (the first token's is often far greater): colour follows their logarithm.
 *
 * @param {number[][]} values
 */
function normShades(values) {
  const { scale, low, high } = logarithmicScale(values.flat());
  return { scale, legend: `Colour: norm on a logarithmic scale, from ${short(low)} to ${short(high)}.` };
}

/** @param {number[][]} values */
function fractionShades(values) {
  const { scale, largest } = signedScale(values.flat());
  const end = wholePercent(largest || 1);
  return { scale, legend: `Colour: from −${end} over 0 to ${end} of the last vector.` };
}

export default mount(Residual);
