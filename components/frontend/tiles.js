// Every head's pattern as a small picture in a tile, with its name and score; a tooltip describes each cell.

import { channels, mixed } from "./colours.js";
import { contextOf, element } from "./dom.js";
import { escapeToken } from "./format.js";
import { unpack } from "./packing.js";

/**
 * Data for the tiles of all heads.
 *
 * @typedef {object} TilesData
 * @property {string[]} labels
 * @property {number} layers
 * @property {number} heads
 * @property {number} group heads that use the same keys and values
 * @property {boolean} seesLater whether a query can attend to keys after it
 * @property {number} span tokens that a cell stands for
 * @property {Record<string, string>} names the scores' names
 * @property {number} labelAbove a head is named after a score above this
 */

/**
 * Scores by name, [layer][head], each head's label: the name and value of a high score, or null; and by name what a head
 * that attends evenly scores.
 *
 * @typedef {Record<string, number[][]> & { label: ([name: string, value: number] | null)[][], uniform: Record<string, number> }} Scores
 */

/**
 * The order of the heads: by layer, or by a score. A low entropy comes first: a head that attends to few tokens.
 *
 * @param {TilesData} data
 * @param {Scores | null} scores
 * @param {string} order
 */
function inOrder(data, scores, order) {
  const heads = [];
  for (let layer = 0; layer < data.layers; layer++) {
    for (let head = 0; head < data.heads; head++) heads.push([layer, head]);
  }
  if (order === "layer" || !scores) return heads;
  const value = (/** @type {number[]} */ [layer, head]) => scores[order][layer][head];
  const sign = order === "entropy" ? 1 : -1;
  return heads.sort((a, b) => sign * (value(a) - value(b)));
}

const NARROWEST = 124; // pixels that a tile needs for its name and the gap beside it

export class Tiles {
  /**
   * `open(layer, head)` is called when the user chooses a head.
   *
   * @param {HTMLElement} parent
   * @param {TilesData} data
   * @param {(layer: number, head: number) => void} open
   */
  constructor(parent, data, open) {
    this.parent = parent;
    this.data = data;
    this.open = open;
    this.cells = Math.ceil(data.labels.length / data.span);
    this.scores = null;
    this.tiles = new Map();
    this.tip = element("div", "llm-tiles-tip");
    this.tip.hidden = true;
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(parent);
    for (let layer = 0; layer < data.layers; layer++) {
      for (let head = 0; head < data.heads; head++) this.tiles.set(`${layer}.${head}`, this.tile(layer, head));
    }
  }

  /** As many columns as fit, with full rows, and without splitting a group of heads. */
  fit() {
    const { heads, group } = this.data;
    const fitting = [...Array(heads).keys()].map((index) => index + 1).filter((columns) => heads % columns === 0
      && (columns % group === 0 || group % columns === 0) && columns * NARROWEST <= this.parent.clientWidth);
    const columns = fitting.at(-1) ?? 1;
    this.parent.style.setProperty("--columns", String(columns));
    this.parent.style.setProperty("--shared", String(Math.min(columns, group)));
  }

  /**
   * @param {number} layer
   * @param {number} head
   */
  tile(layer, head) {
    const tile = element("button", "llm-tiles-tile");
    tile.type = "button";
    if (this.data.group > 1) tile.title = `uses key/value head ${Math.floor(head / this.data.group)}`;
    const canvas = element("canvas", "llm-tiles-canvas");
    canvas.width = canvas.height = this.cells;
    const name = element("span", "llm-tiles-name", `Layer ${layer} · head ${head}`);
    const note = element("span", "llm-tiles-note", "…");
    tile.append(name, canvas, note);
    tile.addEventListener("click", () => this.open(layer, head));
    canvas.addEventListener("pointermove", (event) => this.showTip(event, layer, head));
    canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    return { tile, canvas, note, layer, head };
  }

  /**
   * New patterns: a byte a cell, [layer, head, query_cell, key_cell], 255 · sqrt(weight).
   *
   * @param {ArrayBuffer} buffer
   */
  setGrid(buffer) {
    this.grid = unpack(buffer).pattern.values;
    this.paint();
  }

  paint() {
    if (!this.grid) return;
    const [none, all] = [channels(this.parent, "neutral"), channels(this.parent, "accent")];
    const ramp = Uint32Array.from({ length: 256 }, (_, byte) => {
      const [red, green, blue] = mixed(none, all, byte / 255);
      return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    });
    const { cells } = this;
    const image = new ImageData(cells, cells);
    const pixels = new Uint32Array(image.data.buffer);
    for (const { canvas, layer, head } of this.tiles.values()) {
      const start = (layer * this.data.heads + head) * cells * cells;
      for (let query = 0; query < cells; query++) { // keys that a mask hides stay transparent
        for (let key = 0; key < cells && this.shown(query, key); key++) {
          pixels[query * cells + key] = ramp[this.grid[start + query * cells + key]];
        }
      }
      contextOf(canvas).putImageData(image, 0, 0);
    }
  }

  /** @param {Scores | null} scores */
  setScores(scores) {
    this.scores = scores;
  }

  /**
   * Tiles by layer, those that share keys and values in one frame, or all in the order of a score.
   *
   * @param {string} order
   */
  arrange(order) {
    const { data, scores } = this;
    const sections = [];
    if (order === "layer") {
      for (let layer = 0; layer < data.layers; layer++) {
        const section = element("div", "llm-tiles-row");
        for (let first = 0; first < data.heads; first += data.group) {
          const group = data.group === 1 ? section : element("div", "llm-tiles-group");
          if (data.group > 1) {
            group.append(element("div", "llm-tiles-kv-head", `share key/value head ${first / data.group}`));
            section.append(group);
          }
          for (let head = first; head < first + data.group; head++) group.append(this.labelled(layer, head, order));
        }
        sections.push(section);
      }
    } else {
      const section = element("div", "llm-tiles-row");
      for (const [layer, head] of inOrder(data, scores, order)) section.append(this.labelled(layer, head, order));
      sections.push(section);
    }
    this.parent.replaceChildren(...sections, this.tip);
  }

  /**
   * @param {number} layer
   * @param {number} head
   * @param {string} order
   */
  labelled(layer, head, order) {
    const { tile, note } = this.tiles.get(`${layer}.${head}`);
    const [text, labelled] = this.label(layer, head, order);
    note.textContent = text;
    note.title = this.explanation(layer, head);
    note.classList.toggle("llm-tiles-labelled", labelled);
    return tile;
  }

  /**
   * A label's score, the threshold that it is above, and its control.
   *
   * @param {number} layer
   * @param {number} head
   */
  explanation(layer, head) {
    const { scores } = this;
    const label = scores?.label[layer][head];
    if (!scores || !label) return "";
    const [name, value] = label;
    return `${this.data.names[name]}: score ${value.toFixed(2)}, above the threshold ${this.data.labelAbove}; `
      + `even attention scores ${scores.uniform[name].toFixed(2)}`;
  }

  /**
   * Frame one head's tile.
   *
   * @param {number} layer
   * @param {number} head
   */
  highlight(layer, head) {
    this.tiles.get(`${layer}.${head}`)?.tile.classList.add("llm-tiles-best-tile");
  }

  /**
   * A name where a score is high, else its entropy; when sorted by a score, always that score.
   *
   * @param {number} layer
   * @param {number} head
   * @param {string} order
   */
  label(layer, head, order) {
    if (!this.scores) return ["…", false];
    const { data, scores } = this;
    const entropy = `entropy ${scores.entropy[layer][head].toFixed(2)}`;
    const scoreLabel = scores.label[layer][head];
    if (order !== "layer") {
      const value = scores[order][layer][head];
      const text = order === "entropy" ? entropy : `${data.names[order]} ${value.toFixed(2)}`;
      return [text, scoreLabel !== null && scoreLabel[0] === order];
    }
    return scoreLabel ? [`${data.names[scoreLabel[0]]} ${scoreLabel[1].toFixed(2)}`, true] : [entropy, false];
  }

  /**
   * @param {PointerEvent} event
   * @param {number} layer
   * @param {number} head
   */
  showTip(event, layer, head) {
    const { cells, data } = this;
    const box = /** @type {Element} */ (event.target).getBoundingClientRect();
    const query = Math.min(cells - 1, Math.floor(((event.clientY - box.top) / box.height) * cells));
    const key = Math.min(cells - 1, Math.floor(((event.clientX - box.left) / box.width) * cells));
    const { grid } = this;
    this.tip.hidden = !this.shown(query, key) || query < 0 || key < 0 || !grid;
    if (this.tip.hidden || !grid) return;
    const byte = grid[((layer * data.heads + head) * cells + query) * cells + key];
    const weight = ((byte / 255) ** 2).toFixed(2);
    const from = this.tokens(query);
    const to = this.tokens(key);
    this.tip.textContent = `${from} attends to ${to}: ${data.span > 1 ? "at most " : ""}${weight}`;
    const frame = this.parent.getBoundingClientRect();
    this.tip.style.left = `${Math.min(event.clientX - frame.left + 14, frame.width - 190)}px`;
    this.tip.style.top = `${event.clientY - frame.top + 16}px`;
  }

  /**
   * Whether the mask shows a key to a query: with a causal one only those up to itself.
   *
   * @param {number} query
   * @param {number} key
   */
  shown(query, key) {
    return key <= query || this.data.seesLater;
  }

  /**
   * The token of a cell, or the first and last of those that it stands for.
   *
   * @param {number} cell
   */
  tokens(cell) {
    const { labels, span } = this.data;
    const [first, last] = [cell * span, Math.min(labels.length, (cell + 1) * span) - 1];
    const named = (/** @type {number} */ position) => `${escapeToken(labels[position])} (${position})`;
    return first === last ? named(first) : `${named(first)} … ${named(last)}`;
  }
}
