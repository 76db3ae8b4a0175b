// Embeddings: the vocabulary as a map on fixed axes, a slider over the snapshots, a token and its nearest neighbours.

import { channels, colour, mixed } from "../../frontend/colours.js";
import { contextOf, element } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { fetchBytes, fetchJson } from "../../frontend/fetching.js";
import { escapeToken, fixed, withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { unpack } from "../../frontend/packing.js";
import { barList, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { Cloud, SHAPES } from "./cloud.js";
import { Positions } from "./positions.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {number | null} token the selected one
 * @property {number | null} at the selected snapshot
 * @property {number[]} steps the snapshots
 * @property {number} axesOf the step whose axes all snapshots use
 * @property {string} map
 * @property {string} colour
 * @property {string[]} kinds
 * @property {number} context length of the context
 * @property {PositionScheme} positions
 * @property {Record<string, string>} sources addresses
 */

/**
 * How the model encodes positions.
 *
 * @typedef {object} PositionScheme
 * @property {{ title: string, note: string } | null} curves where scores depend on distance
 * @property {boolean} learned
 */

/** @typedef {{ points: Float32Array, explained: Float32Array }} Snapshot */

/** @typedef {{ texts: string[], kinds: number[], counts: number[] }} Tokens */

const KIND_COLOURS = ["train", "accent", "positive", "warning", "negative", "baseline", "validation"];

class Embeddings {
  static identity = (/** @type {Data} */ data) => data.sources[`map/${data.axesOf}`];

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.page = page;
    this.status = new Status("Reading the embeddings …");
    this.token = data.token;
    this.at = Math.max(0, data.steps.indexOf(data.at));
    this.cloud = new Cloud((token) => this.take(token));
    this.positions = new Positions(data);
    this.legend = element("div", "llm-embed-legend");
    this.near = element("div", "llm-part-panel");
    this.near.setAttribute("aria-live", "polite");
    const left = element("div");
    left.append(this.cloud.root, this.legend);
    const side = element("div", "llm-embed-side");
    side.append(this.finder(), this.near);
    this.map = element("div", "llm-embed-body");
    this.map.append(left, side);
    root.replaceChildren(this.slider(), this.status.root, this.map, this.positions.root,
      exportRow(data.export, () => asSeen(root, this.data.title)));
    this.read();
  }

  slider() {
    const row = element("label", "llm-embed-slider");
    const input = element("input");
    Object.assign(input, { type: "range", min: 0, max: this.data.steps.length - 1, value: this.at });
    input.setAttribute("aria-label", "Snapshot");
    input.addEventListener("input", () => {
      this.at = Number(input.value);
      this.draw();
    });
    input.addEventListener("change", () => this.page.report("at", this.data.steps[this.at]));
    this.caption = element("span", "llm-embed-step");
    row.append(input, this.caption);
    return row;
  }

  finder() {
    const box = element("div", "llm-part-panel");
    box.dataset.live = "";
    const label = element("label", "llm-part-title", "Find a token");
    const input = element("input", "llm-embed-find");
    input.type = "search";
    const matches = element("div", "llm-embed-matches");
    input.addEventListener("input", () => {
      const wanted = escapeToken(input.value);
      const hits = wanted ? this.order.filter((token) => this.names[token].includes(wanted)).slice(0, 12) : [];
      matches.replaceChildren(...hits.map((token) => {
        const button = element("button", "llm-embed-token", this.names[token]);
        button.type = "button";
        button.addEventListener("click", () => this.take(token));
        return button;
      }));
    });
    label.append(input);
    box.append(label, matches);
    return box;
  }

  async read() {
    const { sources } = this.data;
    /** @type {Map<number, Snapshot>} by step */
    this.maps = new Map();
    try {
      this.tokens = /** @type {Tokens} */ (await fetchJson(sources.tokens));
      this.names = this.tokens.texts.map(escapeToken);
      this.order = [...this.names.keys()].sort((first, second) => this.tokens.counts[second] - this.tokens.counts[first]);
      // the step of the axes sets the scale of all
      this.reach = reachOf((await this.mapOf(this.data.axesOf)).points);
      await this.draw();
      this.summary(await fetchJson(sources.alike));
    } catch (error) {
      this.status.fail(error);
    }
  }

  /**
   * A snapshot's points and explained variance, fetched once.
   *
   * @param {number} step
   */
  async mapOf(step) {
    if (!this.maps.has(step)) {
      const { points, explained } = unpack(await fetchBytes(this.data.sources[`map/${step}`]));
      this.maps.set(step, { points: points.values, explained: explained.values });
    }
    return this.maps.get(step);
  }

  async draw() {
    const { steps, map, sources } = this.data;
    const step = steps[this.at];
    this.map.hidden = map === "positions";
    this.map.style.display = this.map.hidden ? "none" : "";
    this.positions.root.hidden = !this.map.hidden;
    this.caption.textContent = `Step ${withThousands(step)}${step === 0 ? " · untrained" : ""}`;
    try {
      if (map === "positions") {
        const { curves } = unpack(await fetchBytes(sources[`positions/${step}`]));
        if (steps[this.at] === step) this.positions.show(curves);
      } else {
        const snapshot = await this.mapOf(step);
        if (steps[this.at] === step) this.showMap(snapshot);
      }
      this.status.root.classList.remove("llm-part-bad");
      this.root.dataset.drawn = map === "positions" ? "positions" : "map";
    } catch (error) {
      this.status.fail(error);
    }
  }

  /** @param {Snapshot} snapshot */
  showMap({ points, explained }) {
    const { map, axesOf } = this.data;
    const axes = [...explained].map((fraction, index) => `PC ${index + 1} · ${(100 * fraction).toFixed(1)}%`);
    const space = map === "3";
    const total = [...explained].slice(0, space ? 3 : 2).reduce((sum, fraction) => sum + fraction, 0);
    this.caption.textContent += ` · ${(100 * total).toFixed(0)}% of the variance`;
    this.caption.title = `Axes of step ${axesOf}`;
    this.cloud.show({ points, space, reach: this.reach, appearance: this.appearance(), order: this.order, axes, chosen: this.token,
      title: `Map of ${this.names.length} token embeddings` });
    this.showNear();
  }

  /** How each token is drawn, and the text of its tooltip. */
  appearance() {
    const { kinds, colour: by } = this.data;
    const { counts } = this.tokens;
    const kindColours = KIND_COLOURS.map((name) => colour(this.root, name));
    const ends = ["neutral", "accent"].map((name) => channels(this.root, name));
    const most = Math.log(1 + Math.max(...counts));
    const ramp = (/** @type {number} */ count) => `rgb(${mixed(ends[0], ends[1], 0.15 + (0.85 * Math.log(1 + count)) / (most || 1)).join(" ")})`;
    this.writeLegend(kindColours);
    return (/** @type {number} */ token) => ({
      fill: by === "kind" ? kindColours[this.tokens.kinds[token]] : ramp(counts[token]),
      shape: by === "kind" ? this.tokens.kinds[token] : 0,
      name: this.names[token],
      hover: `${this.names[token]} · ${kinds[this.tokens.kinds[token]]} · ${withThousands(counts[token])} times in the text`,
    });
  }

  /** @param {string[]} kindColours */
  writeLegend(kindColours) {
    const { kinds, colour: by } = this.data;
    if (by === "frequency") {
      this.legend.replaceChildren(element("span", "", "never"), element("span", "llm-embed-ramp"), element("span", "", "often (logarithmic)"));
      return;
    }
    const used = new Set(this.tokens.kinds);
    this.legend.replaceChildren(...kinds.flatMap((kind, index) => {
      if (!used.has(index)) return [];
      const key = element("span", "llm-embed-key");
      const sample = element("canvas");
      [sample.width, sample.height] = [14, 14];
      const brush = contextOf(sample);
      brush.fillStyle = kindColours[index];
      brush.beginPath();
      SHAPES[index](brush, 7, 7, 4.5);
      brush.fill();
      key.append(sample, element("span", "", kind));
      return [key];
    }));
  }

  /** @param {number} token */
  take(token) {
    this.token = this.cloud.chosen = token;
    this.cloud.draw();
    this.page.report("token", token);
    this.showNear();
  }

  async showNear() {
    const { token } = this;
    const step = this.data.steps[this.at];
    if (token === null || token >= this.names.length) {
      this.near.replaceChildren(element("p", "llm-part-note", "Choose a token on the map, or find it by name, to see its nearest neighbours."));
      return;
    }
    try {
      const nearest = await this.neighbours(step, token);
      if (token !== this.token || step !== this.data.steps[this.at]) return;
      const title = `Nearest to ${this.names[token]} at step ${withThousands(step)}, by cosine`;
      const { kinds, counts } = this.tokens;
      this.near.replaceChildren(
        barList(title, nearest.map(([other, cosine]) => [this.names[other], Math.max(0, cosine), fixed(cosine, 3)])),
        element("p", "llm-part-note", `${this.names[token]}: ${this.data.kinds[kinds[token]]}, ${withThousands(counts[token])} times in the text.`));
    } catch (error) {
      this.near.replaceChildren(element("p", "llm-part-note", error.message));
    }
  }

  /**
   * An exported page holds those of one step only.
   *
   * @param {number} step
   * @param {number} token
   * @returns {Promise<[token: number, cosine: number][]>}
   */
  async neighbours(step, token) {
    const { sources, exported, axesOf } = this.data;
    if (!exported) return fetchJson(`${sources[`near/${step}`]}&token=${token}`);
    const known = step === axesOf ? (await fetchJson(sources[`near/${step}`]))[token] : null;
    if (!known) throw new Error(`This page holds the neighbours at step ${withThousands(axesOf)} only, as many as fit.`);
    return known;
  }

  /** @param {{ same: number, chance: number, tokens: number }} measured */
  summary({ same, chance, tokens }) {
    const percentage = (/** @type {number} */ fraction) => `${(100 * fraction).toFixed(0)}%`;
    const { guess, axesOf } = this.data;
    this.status.show(`${guess ? `You expected: ${guess.toLowerCase()}. ` : ""}Measured at step ${withThousands(axesOf)}, over the ${tokens} most frequent tokens: `
      + `${percentage(same)} have a nearest neighbour of the same kind; by chance it would be ${percentage(chance)}. `
      + `All snapshots use the axes of step ${withThousands(axesOf)}, at one scale.`);
    this.status.root.classList.remove("llm-part-bad");
    this.root.dataset.alike = "read";
  }

  /** @param {Data} data */
  update(data) {
    this.data = this.positions.data = data;
    if (data.token !== null) this.token = data.token;
    if (this.names && this.reach) this.draw();
  }
}

/**
 * The greatest number along each axis, with a little room.
 *
 * @param {Float32Array} points
 */
function reachOf(points) {
  const reach = [1e-9, 1e-9, 1e-9];
  points.forEach((value, index) => (reach[index % 3] = Math.max(reach[index % 3], 1.05 * Math.abs(value))));
  return reach;
}

export default mount(Embeddings);
