// All heads of a model on one text: the patterns come first, names and scores as soon as they are measured.

import { element } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchBytes, fetchJson } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";
import { asSeen } from "../../frontend/picture.js";
import { Tiles } from "../../frontend/tiles.js";

/**
 * Data from the server.
 *
 * @typedef {import("../../frontend/tiles.js").TilesData & Own} Data
 */

/**
 * Data for this view only.
 *
 * @typedef {object} Own
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {string} order by layer or by a score
 * @property {{ grid: string, scores: string, best: string }} sources addresses
 */

class AllHeads {
  static identity = (/** @type {Data} */ data) => data.sources.grid;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.status = element("div", "llm-tiles-status", "Computing the patterns …");
    this.status.setAttribute("role", "status");
    this.best = element("p", "llm-tiles-best");
    this.grid = element("div", "llm-tiles");
    this.tiles = new Tiles(this.grid, data, (layer, head) => page.report("opened", [layer, head]));
    root.replaceChildren(this.best, this.status, this.grid, this.exportRow());
    this.read();
  }

  exportRow() {
    return exportRow(this.data.export, () => asSeen(this.root, this.data.title));
  }

  async read() {
    try {
      this.tiles.setGrid(await fetchBytes(this.data.sources.grid));
      this.tiles.arrange("layer");
      this.status.textContent = "Measuring every head on random tokens repeated twice …";
      this.root.dataset.drawn = "patterns";
      const [scores, best] = await Promise.all([this.data.sources.scores, this.data.sources.best].map(fetchJson));
      this.tiles.setScores(scores);
      this.tiles.arrange(this.data.order);
      this.summarise(scores);
      this.showBest(best);
      this.root.dataset.drawn = "scores";
    } catch (error) {
      this.status.textContent = error.message;
      this.status.classList.add("llm-tiles-bad");
    }
  }

  /**
   * What the best-labelled head does in this text, in a sentence; its tile stands out.
   *
   * @param {{ head: [layer: number, head: number] | null, sentence: string }} best
   */
  showBest({ head, sentence }) {
    this.best.textContent = sentence;
    if (head) this.tiles.highlight(...head);
  }

  /** @param {import("../../frontend/tiles.js").Scores} scores */
  summarise({ label, uniform }) {
    const { labelAbove, names } = this.data;
    const labels = label.flat();
    const named = labels.filter((one) => one !== null).length;
    const control = Object.keys(names).map((name) => `${names[name]} ${uniform[name].toFixed(2)}`).join(", ");
    this.status.textContent = `${named} of ${labels.length} heads have a score above ${labelAbove} and are named after it. `
      + `A head that attends evenly scores: ${control}; its entropy is the greatest possible, ${uniform.entropy.toFixed(2)} nats. `
      + "Choose a head for details.";
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = this.tiles.data = data;
    this.tiles.paint(); // also after a change of theme
    renewExportRow(this.root, before, data, () => this.exportRow());
    if (data.order !== before.order && this.tiles.grid) this.tiles.arrange(this.tiles.scores ? data.order : "layer");
  }
}

export default mount(AllHeads);
