// Patching as a heat map, filled layer by layer: how much of the clean answer each activation restores.

import { element, oncePerFrame } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { duration, escapeToken, withSign } from "../../frontend/format.js";
import { Grid } from "../../frontend/grid.js";
import { mount } from "../../frontend/mount.js";
import { Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { clamp } from "../../frontend/scales.js";
import { toggled } from "../../frontend/selection.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {string[]} columns
 * @property {number} layers
 * @property {string} site
 * @property {Record<string, string>} sites
 * @property {number[]} changed columns in which the texts differ
 * @property {number} span positions that a column stands for
 * @property {[right: string, wrong: string]} answers
 * @property {import("../../frontend/selection.js").Cell | null} locked the selected cell
 * @property {Record<string, string>} sources addresses by layer
 */

class Patching {
  static identity = (/** @type {Data} */ data) => data.sources[0];

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.report = (/** @type {import("../../frontend/selection.js").Cell | null} */ cell) => page.report("locked", cell);
    /** @type {number[][]} by layer and column */
    this.effects = [];
    this.stopped = false;
    this.selected = data.locked;
    this.status = new Status("Running both texts, then patching layer 0 …");
    this.ends = element("div", "llm-patch-ends");
    this.heading = element("div", "llm-part-title llm-patch-heading");
    this.heading.setAttribute("aria-live", "polite");
    const rows = [...Array(data.layers).keys()].map((layer) => `layer ${layer}`);
    this.grid = new Grid(data.columns, rows, { width: 34, widest: 76, height: 34 }, {
      hover: oncePerFrame((layer, column) => !this.selected && this.select([layer, column])),
      choose: (row, column) => this.setSelection(toggled(this.selected, [row, column])),
      clear: () => this.setSelection(null),
    });
    this.grid.root.hidden = true;
    root.replaceChildren(this.ends, this.status.root, this.grid.root, this.heading,
      exportRow(data.export, () => asSeen(root, `${this.data.sites[this.data.site]} · ${this.data.title}`)));
    this.read();
  }

  async read() {
    const { layers, sources, locked } = this.data;
    const begun = performance.now();
    try {
      for (let layer = 0; layer < layers; layer++) {
        if (this.stopped) return;
        if (layer > 0) {
          const rest = ((performance.now() - begun) / 1000 / layer) * (layers - layer);
          this.status.show(`Patching layer ${layer} of ${layers}, about ${duration(rest)} left …`);
        }
        const { ends, effects } = await fetchJson(sources[layer]);
        this.effects.push(effects);
        if (layer === 0) this.showEnds(ends);
        this.grid.root.hidden = false;
        this.paint();
      }
    } catch (error) {
      this.status.fail(error);
      return;
    }
    this.select(locked ?? this.strongest());
    this.root.dataset.drawn = "patching";
  }

  /** @param {[clean: number, corrupt: number]} ends */
  showEnds([clean, corrupt]) {
    const [right, wrong] = this.data.answers.map(escapeToken);
    /** @type {(title: string, value: number, note: string) => HTMLElement} */
    const tile = (title, value, note) => {
      const box = element("div", "llm-part-panel");
      box.append(element("div", "llm-part-title", title), element("div", "llm-patch-number", withSign(value)),
        element("p", "llm-part-note", note));
      return box;
    };
    this.right = clean > 0 && corrupt < 0;
    this.ends.replaceChildren(
      tile(`Clean: ${right} over ${wrong}`, clean, clean > 0 ? `prefers ${right}: right` : `prefers ${wrong}: wrong`),
      tile(`Corrupted: ${right} over ${wrong}`, corrupt, corrupt < 0 ? `prefers ${wrong}: right` : `prefers ${right}: wrong`));
  }

  paint() {
    const { site, sites, layers } = this.data;
    this.grid.show((layer, column) => {
      const effect = this.effects[layer]?.[column];
      return effect === undefined ? [NaN, ""] : [clamp(effect, -1, 1), tidy(effect, 2)];
    }, `${sites[site]}: effect of patching, ${layers} layers by ${this.data.columns.length} ${site === "head" ? "heads" : "positions"}`,
    "Colour: from pale at 0 to full at 1; another colour below 0. 1: this activation alone restores the whole clean answer; 0: none of it."
      + (site === "head" ? " Each head is patched at all positions at once." : this.data.span > 1
        ? ` These texts are long: a column stands for ${this.data.span} neighbouring positions, patched together.` : ""));
  }

  /** @param {number | null} [layer] */
  strongest(layer = null) {
    let best = /** @type {import("../../frontend/selection.js").Cell} */ ([layer ?? 0, 0]);
    this.effects.forEach((row, at) => row.forEach((effect, column) => {
      if ((layer === null || at === layer) && effect > this.effects[best[0]][best[1]]) best = [at, column];
    }));
    return best;
  }

  /** @param {import("../../frontend/selection.js").Cell | null} cell */
  setSelection(cell) {
    this.selected = cell;
    const shown = cell ?? this.grid.focus;
    if (shown) this.select(shown);
    this.report(cell);
  }

  /** @param {import("../../frontend/selection.js").Cell} cell */
  select([layer, column]) {
    if (this.effects[layer] === undefined) return;
    this.grid.mark([layer, column], this.selected !== null);
    this.grid.reveal(column);
    this.heading.textContent = this.where([layer, column]);
    this.status.show(this.summary());
  }

  /** @param {import("../../frontend/selection.js").Cell} cell */
  where([layer, column]) {
    const { site, columns, sites, span } = this.data;
    const effect = tidy(this.effects[layer][column], 3);
    if (site === "head") return `Layer ${layer}, ${columns[column]}, at all positions: ${effect} of the answer restored`;
    const layerText = site === "resid_pre" ? `before layer ${layer}` : `in layer ${layer}`;
    return `${sites[site]} ${layerText} at ${escapeToken(columns[column])} (${column * span}): ${effect} of the answer restored`;
  }

  /** What was expected, and what was measured half-way: the question is about the residual stream. */
  summary() {
    const { site, layers, guess, columns, changed, span } = this.data;
    const doubt = this.right ? "" : " This model does not prefer the right answer to each text: interpret these effects with care.";
    if (site !== "resid_pre" || this.effects.length < layers) return `Hover over a cell, click to select it.${doubt}`;
    const layer = layers >> 1;
    const [, column] = this.strongest(layer);
    const position = changed.includes(column) ? ", the changed word" : column === columns.length - 1 ? ", the last token" : ", in between";
    return `${guess ? `You expected: ${guess.toLowerCase()}. ` : ""}Measured: before layer ${layer} the greatest effect, `
      + `${tidy(this.effects[layer][column], 2)}, is at ${escapeToken(columns[column])} (${column * span})${position}.${doubt}`;
  }

  stop() {
    this.stopped = true;
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.selected = data.locked;
    this.paint();
    if (this.grid.focus) this.select(this.selected ?? this.grid.focus);
  }
}

/** Without a sign before what rounds to 0. */
const tidy = (/** @type {number} */ effect, /** @type {number} */ digits) => effect.toFixed(digits).replace(/^-(?=0\.0*$)/, "").replace("-", "−");

export default mount(Patching);
