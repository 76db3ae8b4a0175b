// The logit lens: every layer's prediction at every position; hover over a cell for its five most likely tokens.

import { element, oncePerFrame } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, percent, quoted } from "../../frontend/format.js";
import { Grid } from "../../frontend/grid.js";
import { mount } from "../../frontend/mount.js";
import { barList, rowChart, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { rankScale } from "../../frontend/scales.js";
import { toggled } from "../../frontend/selection.js";

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
 * @property {string[]} rows
 * @property {number} vocabulary
 * @property {"guess" | "truth" | "rank"} colour
 * @property {Record<string, string>} colours
 * @property {boolean} postNorm
 * @property {import("../../frontend/selection.js").Cell | null} locked the selected cell
 * @property {{ lens: string }} sources addresses
 */

/**
 * Row by row and position by position.
 *
 * @typedef {object} Lens
 * @property {number} top predictions a cell
 * @property {Record<number, string>} texts by token
 * @property {number[]} guesses
 * @property {number[]} probabilities
 * @property {number[]} truth probability of the true next token
 * @property {number[]} rank
 */

/**
 * The numbers of a cell.
 *
 * @typedef {object} Numbers
 * @property {[text: string, probability: number][]} guesses
 * @property {number | null} truth
 * @property {number | null} rank
 */

class LogitLens {
  static identity = (/** @type {Data} */ data) => data.sources.lens;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.report = (/** @type {import("../../frontend/selection.js").Cell | null} */ cell) => page.report("locked", cell);
    this.status = new Status("Computing every layer …");
    const rows = [...data.rows.slice(0, -1), `${data.rows.at(-1)}: output`];
    this.grid = new Grid(data.labels, rows, { width: 62, widest: 110, height: 36 }, {
      hover: oncePerFrame((row, position) => !this.selected && this.select([row, position])),
      choose: (row, column) => this.setSelection(toggled(this.selected, [row, column])),
      clear: () => this.setSelection(null),
    });
    this.details = element("div", "llm-part-columns");
    this.heading = element("div", "llm-part-title llm-lens-heading");
    this.heading.setAttribute("aria-live", "polite");
    root.replaceChildren(this.status.root, this.grid.root, this.heading, this.details, this.exportRow());
    this.read();
  }

  exportRow = () => exportRow(this.data.export, () =>
    asSeen(this.root, `${this.data.colours[this.data.colour]} · ${this.data.title}`));

  async read() {
    try {
      this.lens = /** @type {Lens} */ (await fetchJson(this.data.sources.lens));
    } catch (error) {
      this.status.fail(error);
      return;
    }
    this.paint();
    this.root.dataset.drawn = "lens";
  }

  /**
   * The numbers of a cell; the last position has no true next token.
   *
   * @param {import("../../frontend/selection.js").Cell} cell
   * @returns {Numbers}
   */
  at([row, position]) {
    const count = this.data.labels.length;
    const { top, texts, guesses, probabilities, truth, rank } = this.lens;
    const start = (row * count + position) * top;
    const known = position + 1 < count;
    const target = row * (count - 1) + position;
    return {
      guesses: Array.from({ length: top }, (_, index) =>
        [escapeToken(texts[guesses[start + index]]), probabilities[start + index]]),
      truth: known ? truth[target] : null,
      rank: known ? rank[target] : null,
    };
  }

  /** @param {Numbers} cell */
  shade(cell) {
    const { colour, vocabulary } = this.data;
    if (colour === "guess") return Math.sqrt(cell.guesses[0][1]);
    if (cell.rank === null) return NaN;
    if (colour === "truth") return Math.sqrt(cell.truth);
    return rankScale(cell.rank, vocabulary);
  }

  paint() {
    this.selected = this.data.locked;
    const legend = {
      guess: "the square root of the probability of the top prediction",
      truth: "the square root of the probability of the true next token",
      rank: "the rank of the true next token, on a logarithmic scale; full: rank 1, "
        + `none: rank ${this.data.vocabulary}`,
    }[this.data.colour];
    this.grid.show((row, position) => {
      const cell = this.at([row, position]);
      const rank = cell.rank === null ? "" : ` · #${cell.rank}`;
      return [this.shade(cell), cell.guesses[0][0], `${(100 * cell.guesses[0][1]).toFixed(0)}%${rank}`];
    }, `Logit lens, ${this.data.rows.length} rows by ${this.data.labels.length} positions`,
    `Colour: ${legend}. In a cell: the top prediction, its probability, and # the rank of the true next token.`
      + (this.data.postNorm ? " Post-norm: each layer's vectors are normalised, the embedding's are not." : ""));
    this.select(this.selected ?? this.grid.focus ?? [this.data.rows.length - 1, Math.max(0, this.data.labels.length - 2)]);
    this.grid.reveal(this.grid.focus[1] + 1 < this.data.labels.length ? this.grid.focus[1] + 1 : this.grid.focus[1]);
  }

  /** @param {import("../../frontend/selection.js").Cell | null} cell */
  setSelection(cell) {
    if (!this.lens) return;
    this.selected = cell;
    this.select(cell ?? this.grid.focus);
    this.report(cell);
  }

  /**
   * Show one cell everywhere at once.
   *
   * @param {import("../../frontend/selection.js").Cell} cell
   */
  select(cell) {
    if (!this.lens) return;
    this.grid.mark(cell, this.selected !== null);
    this.heading.textContent = this.where(cell);
    const numbers = this.at(cell);
    const guesses = element("div", "llm-part-panel");
    guesses.append(barList("Top predictions", numbers.guesses.map(([text, probability]) => [text, probability, percent(probability)])));
    this.details.replaceChildren(guesses, this.truth(cell, numbers));
    this.status.show(this.selected ? "Selected. Click it again, or press Escape, to clear the selection."
      : "Hover over a cell for its five most likely tokens. Click to select it.");
  }

  /**
   * The probability of the true next token, layer by layer.
   *
   * @param {import("../../frontend/selection.js").Cell} cell
   * @param {Numbers} numbers
   */
  truth([row, position], numbers) {
    const { labels, rows, own } = this.data;
    const panel = element("div", "llm-part-panel");
    if (numbers.rank === null) {
      panel.append(element("p", "llm-part-note", "The text ends here: there is no true next token."));
      return panel;
    }
    const whose = position + 1 >= labels.length - own ? "The model's own next token" : "The true next token";
    const values = rows.map((_, index) => this.at([index, position]).truth);
    panel.append(
      element("p", "llm-part-note",
        `${whose}: ${quoted(labels[position + 1])}, rank ${numbers.rank}, ${percent(numbers.truth)}`),
      rowChart("Its probability, layer by layer", rows, values, row, percent),
    );
    return panel;
  }

  /** @param {import("../../frontend/selection.js").Cell} cell */
  where([row, position]) {
    const { rows, labels } = this.data;
    const output = row === rows.length - 1 ? ", the model's output" : "";
    const layer = row === 0 ? "At the embedding" : `After ${rows[row]}${output}`;
    return `${layer}, at ${quoted(labels[position])} (${position})`;
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = data;
    renewExportRow(this.root, before, data, this.exportRow);
    if (this.lens) this.paint();
  }
}

export default mount(LogitLens);
