// Direct logit attribution: a bar for each part of the model; all bars sum to the model's own logit difference.

import { element } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, quoted, withSign } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { signedBars, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { TextLine } from "./text.js";

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
 * @property {number} position
 * @property {[token: string, against: string]} pair
 * @property {string} order by size or by layer
 * @property {string[]} groups
 * @property {boolean} capped whether the model's logits have a soft-cap
 * @property {number | null} few the most bars that are drawn; null: all
 * @property {{ attribution: string }} sources addresses
 */

/**
 * What each part of the model adds to the logit difference.
 *
 * @typedef {object} Result
 * @property {{ name: string, group: string, value: number }[]} bars
 * @property {number} difference the model's own, before a soft-cap of the logits
 * @property {number} output the same after it
 */

class AttributionBars {
  static identity = (/** @type {Data} */ data) => data.labels.join("\n");

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.status = new Status("Decomposing the last residual vector …");
    const alone = !data.export.csv; // an exported page holds a single position's numbers
    this.text = new TextLine(data.labels, data.own, alone ? null : (position) => page.report("position", position));
    this.bars = element("div", "llm-attribution-columns");
    root.replaceChildren(this.status.root, this.text.root, this.bars, this.exportRow());
    this.read();
  }

  exportRow = () => exportRow(this.data.export, () => asSeen(this.root, this.titled()));

  async read() {
    const address = this.data.sources.attribution;
    this.text.show(this.data.position);
    try {
      this.result = /** @type {Result} */ (await fetchJson(address));
    } catch (error) {
      this.status.fail(error);
      return;
    }
    if (address !== this.data.sources.attribution) return; // another pair was chosen in the meantime
    this.paint();
    this.root.dataset.drawn = "attribution";
  }

  /**
   * The bars to draw, in the chosen order; those too small for a bar of their own are combined in one.
   *
   * @returns {[name: string, value: number, text: string][]}
   */
  lines() {
    const { order, few } = this.data;
    const ranked = [...this.result.bars.keys()].sort((first, second) =>
      Math.abs(this.result.bars[second].value) - Math.abs(this.result.bars[first].value));
    const alone = ranked.slice(0, few !== null && ranked.length > few ? few - 1 : ranked.length);
    const rest = ranked.slice(alone.length);
    if (order === "layer") alone.sort((first, second) => first - second);
    /** @type {[name: string, value: number][]} */
    const lines = alone.map((index) => [this.result.bars[index].name, this.result.bars[index].value]);
    if (rest.length) lines.push([`${rest.length} smaller parts combined`, this.total(rest)]);
    return lines.map(([name, value]) => [name, value, withSign(value)]);
  }

  total = (/** @type {number[]} */ indices) => indices.reduce((sum, index) => sum + this.result.bars[index].value, 0);

  /** @returns {[name: string, value: number, text: string][]} */
  groups() {
    const totals = new Map(this.data.groups.map((group) => [group, 0]));
    for (const { group, value } of this.result.bars) totals.set(group, totals.get(group) + value);
    return [...totals].map(([name, value]) => [name, value, withSign(value)]);
  }

  most = (/** @type {[name: string, value: number, text: string][]} */ lines) => Math.max(...lines.map(([, value]) => Math.abs(value)));

  /** What the difference means for the two tokens. */
  likelihood() {
    const { pair, position, labels } = this.data;
    const { output } = this.result;
    const [token, against] = pair.map(quoted);
    const [likelier, other] = output < 0 ? [against, token] : [token, against];
    const times = Math.exp(Math.abs(output));
    return `After ${quoted(labels[position])} (${position}), ${likelier} is `
      + `${times > 9999 ? "more than 9,999" : times.toPrecision(3)} times as likely as ${other}.`;
  }

  sum() {
    const { difference } = this.result;
    const sum = this.total([...this.result.bars.keys()]);
    return `Sum of all bars ${withSign(sum, 4)} · the model's own logit difference${this.data.capped ? " before the soft-cap" : ""} `
      + `${withSign(difference, 4)} · `
      + `difference ${Math.abs(sum - difference).toExponential(0)}`;
  }

  paint() {
    const [token, against] = this.data.pair.map(quoted);
    const [lines, groups] = [this.lines(), this.groups()];
    const bars = element("div", "llm-part-panel");
    bars.append(signedBars(`Push towards ${token} (right), towards ${against} (left)`, lines, this.most(lines)));
    const totals = element("div", "llm-part-panel");
    totals.append(
      element("p", "llm-attribution-likelihood", this.likelihood()),
      signedBars("Totals", groups, this.most(groups)),
      element("p", "llm-attribution-sum", this.sum()),
      element("p", "llm-part-note", "An MLP's bar holds its bias. Direct effects only: what a part changes by way of later "
        + "layers counts as theirs."),
    );
    this.bars.replaceChildren(bars, totals);
    this.status.show(this.data.export.csv ? "Choose a token of the text to see the attribution at its position." : "");
  }

  titled() {
    const [token, against] = this.data.pair.map(escapeToken);
    return `${token} rather than ${against} · ${this.data.title}`;
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    const changed = data.sources.attribution !== before.sources.attribution;
    this.data = data;
    renewExportRow(this.root, before, data, this.exportRow);
    if (changed) {
      delete this.root.dataset.drawn;
      this.read();
    } else if (this.result) {
      this.paint();
    }
  }
}

export default mount(AttributionBars);
