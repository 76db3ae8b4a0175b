// Experts: which of them compute each token in each layer; a selected cell's layer, what its experts like, their loads.

import { element, oncePerFrame } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, percent, quoted } from "../../frontend/format.js";
import { Grid } from "../../frontend/grid.js";
import { lineChart } from "../../frontend/lines.js";
import { mount } from "../../frontend/mount.js";
import { barList, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
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
 * @property {number} layers
 * @property {number} experts 0: the model has none
 * @property {number} shared experts that compute every token
 * @property {number | null} expert whose weight is the colour; null: each token's first
 * @property {import("../../frontend/selection.js").Cell | null} locked the selected cell
 * @property {number} step
 * @property {Record<string, string>} sources addresses
 */

/** @typedef {[expert: number, weight: number][]} Choice the experts of a token, the greatest weight first */
/** @typedef {[token: string, fraction: number, occurred: number][]} Likes the tokens that an expert gets more often */
/** @typedef {{ steps: number[], load: number[][][], entropy: number[][] }} Load by layer and expert */

const NONE = "This model has one MLP in each block and no experts: every token goes through the same ones. "
  + "Train a run with n_experts above 0, in the group Experts of its settings, to see where its tokens go.";

class Experts {
  static identity = (/** @type {Data} */ data) => data.sources.routing;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.report = (/** @type {import("../../frontend/selection.js").Cell | null} */ cell) => page.report("locked", cell);
    this.status = new Status("Asking every router …");
    if (!data.experts) {
      this.status.show(NONE);
      root.replaceChildren(this.status.root);
      root.dataset.drawn = "experts";
      return;
    }
    const rows = Array.from({ length: data.layers }, (_, layer) => `layer ${layer}`);
    this.grid = new Grid(data.labels, rows, { width: 62, widest: 110, height: 36 }, {
      hover: oncePerFrame((row, position) => !this.selected && this.select([row, position])),
      choose: (row, column) => this.setSelection(toggled(this.selected, [row, column])),
      clear: () => this.setSelection(null),
    });
    this.heading = element("div", "llm-part-title llm-experts-heading");
    this.heading.setAttribute("aria-live", "polite");
    this.ofToken = element("div", "llm-part-columns");
    this.ofLayer = element("div", "llm-part-columns");
    /** @type {Map<number, Promise<Likes[]>>} */
    this.likes = new Map();
    root.replaceChildren(this.status.root, this.grid.root, this.heading, this.ofToken, this.ofLayer, this.exportRow());
    this.read();
  }

  exportRow = () => exportRow(this.data.export, () => asSeen(this.root, this.data.title));

  async read() {
    try {
      this.load = /** @type {Load} */ (await fetchJson(this.data.sources.load));
      this.routing = /** @type {Choice[][]} */ (await fetchJson(this.data.sources.routing));
    } catch (error) {
      this.status.fail(error);
      return;
    }
    this.paint();
    this.root.dataset.drawn = "experts";
  }

  paint() {
    const { expert, labels, layers, experts, shared } = this.data;
    this.selected = this.data.locked;
    const weight = (/** @type {Choice} */ choice) =>
      (expert === null ? choice[0][1] : choice.find(([one]) => one === expert)?.[1] ?? 0);
    const whose = expert === null ? "each token's first expert" : `expert ${expert}`;
    this.grid.show((row, position) => {
      const choice = this.routing[row][position];
      return [weight(choice), choice.map(([one]) => one).join(" · "), `${choice.map(([, of]) => Math.round(100 * of)).join(" · ")} %`];
    }, `Experts, ${layers} layers by ${labels.length} positions`,
    `In a cell: the experts that compute the token in this layer, of ${experts}, and their weights. Colour: the weight `
      + `of ${whose}.${shared ? ` Beside them ${shared} shared, for every token.` : ""}`);
    this.select(this.selected ?? this.grid.focus ?? [layers - 1, labels.length - 1]);
    this.grid.reveal(this.grid.focus[1]);
  }

  /** @param {import("../../frontend/selection.js").Cell | null} cell */
  setSelection(cell) {
    if (!this.routing) return;
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
    if (!this.routing) return;
    const [layer, position] = cell;
    const choice = this.routing[layer][position];
    this.grid.mark(cell, this.selected !== null);
    this.heading.textContent = `Layer ${layer}, at ${quoted(this.data.labels[position])} (${position})`;
    this.showLikes(layer, choice);
    this.showLoad(layer, choice.map(([expert]) => expert));
    this.status.show(this.selected ? "Selected. Click it again, or press Escape, to clear the selection."
      : "Hover over a cell for its experts. Click to select it. Choose another step above to see where they went then.");
  }

  /**
   * The tokens that the cell's experts get more often than others.
   *
   * @param {number} layer
   * @param {Choice} choice
   */
  async showLikes(layer, choice) {
    const panels = choice.map(([expert, weight]) => {
      const panel = element("div", "llm-part-panel");
      panel.append(element("div", "llm-part-title", `Expert ${expert}: weight ${percent(weight)}`));
      panel.append(element("p", "llm-part-note", "Counting its tokens in the run's text …"));
      return panel;
    });
    this.ofToken.replaceChildren(...panels);
    if (!this.likes.has(layer)) this.likes.set(layer, fetchJson(this.data.sources[`tokens/${layer}`]));
    try {
      const likes = await this.likes.get(layer);
      choice.forEach(([expert], index) => panels[index].lastElementChild?.replaceWith(barList(
        "Gets these more often than others",
        likes[expert].map(([token, fraction, occurred]) =>
          [escapeToken(token), fraction, `${Math.round(100 * fraction)}% of ${occurred}`]))));
    } catch (error) {
      this.likes.delete(layer);
      this.status.fail(error);
    }
  }

  /**
   * The load of each expert of a layer, and the entropy of its router, over the steps of the run.
   *
   * @param {number} layer
   * @param {number[]} chosen the token's experts, which stand out
   */
  showLoad(layer, chosen) {
    const { steps, load, entropy } = this.load;
    if (!steps.length) {
      this.ofLayer.replaceChildren(element("p", "llm-part-note", "This run has no record of its training here."));
      return;
    }
    const now = Math.min(this.data.step, steps.at(-1));
    this.ofLayer.replaceChildren(
      lineChart(`Layer ${layer}: load of each expert; equal loads would be ${percent(1 / this.data.experts)}`, steps,
        load[layer].map((values, expert) =>
          [`expert ${expert}`, values, ["chosen", "previous"][chosen.indexOf(expert)] ?? "faint"]), { now, room: 90 }),
      lineChart(`Layer ${layer}: entropy of the router, in nats; at most ${Math.log(this.data.experts).toFixed(2)}`, steps,
        [["", entropy[layer], "chosen"]], { now }),
    );
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = data;
    if (!data.experts) return;
    renewExportRow(this.root, before, data, this.exportRow);
    if (this.routing) this.paint();
  }
}

export default mount(Experts);
