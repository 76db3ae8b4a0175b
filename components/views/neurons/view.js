// One neuron: its max-activating examples in the text, shaded token by token, and the tokens that it promotes.

import { element } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, fixed, withSign, withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { barList, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {number} layer
 * @property {number} neuron
 * @property {number} neurons
 * @property {number} parts of the text
 * @property {number} partTokens
 * @property {number} examples how many are shown
 * @property {Record<string, string>} sources addresses
 */

/**
 * A passage around a large activation.
 *
 * @typedef {object} Example
 * @property {string[]} tokens
 * @property {number[]} values
 * @property {number} peak the index of the largest
 */

/** @typedef {{ raised: [text: string, change: number][], lowered: [text: string, change: number][] }} Effect */

class Neuron {
  static identity = () => "";

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.move = (/** @type {number} */ neuron) => page.report("neuron", neuron);
    this.status = new Status("");
    this.name = element("span", "llm-neuron-name");
    this.name.setAttribute("aria-live", "polite");
    this.back = this.button("‹ Previous", -1);
    this.next = this.button("Next ›", 1);
    const hint = element("span", "llm-part-note", data.exported ? "" : "or the keys ← and → on these buttons");
    for (const part of [this.back, this.next, hint]) part.dataset.live = "";
    const head = element("div", "llm-neuron-head");
    head.append(this.back, this.name, this.next, hint);
    this.exampleList = element("div", "llm-neuron-examples");
    this.side = element("div", "llm-neuron-side");
    this.body = element("div", "llm-neuron-body");
    this.body.append(this.exampleList, this.side);
    this.exports = element("div");
    root.replaceChildren(head, this.status.root, this.body, this.exports);
    this.update(data);
  }

  /**
   * @param {string} label
   * @param {number} step
   */
  button(label, step) {
    const button = element("button", "llm-neuron-step", label);
    button.type = "button";
    button.addEventListener("click", () => this.go(step));
    button.addEventListener("keydown", (event) => {
      const stride = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!stride) return;
      event.preventDefault();
      this.go(stride);
    });
    return button;
  }

  /** @param {number} step */
  go(step) {
    const neuron = this.data.neuron + step;
    if (this.data.exported || neuron < 0 || neuron >= this.data.neurons) return;
    this.move(neuron);
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data?.sources.effect;
    this.data = data;
    if (before === data.sources.effect) return;
    this.name.textContent = `Layer ${data.layer} · neuron ${data.neuron}`;
    this.back.disabled = data.exported || data.neuron === 0;
    this.next.disabled = data.exported || data.neuron === data.neurons - 1;
    this.exports.replaceChildren(exportRow(data.export, () => asSeen(this.root, this.data.title)));
    this.body.classList.add("llm-neuron-pending");
    this.status.root.classList.remove("llm-part-bad");
    this.read(data);
  }

  /**
   * The text part by part; the strongest examples so far are shown.
   *
   * @param {Data} data
   */
  async read(data) {
    const { sources, parts, partTokens } = data;
    const current = () => this.data === data && this.root.isConnected;
    try {
      const effect = await fetchJson(sources.effect);
      if (!current()) return;
      this.showEffect(effect);
      /** @type {[activation: number, position: number][]} */
      let best = [];
      for (let part = 0; part < parts; part++) {
        this.status.show(`Reading the text: ${withThousands(part * partTokens)} of ${withThousands(parts * partTokens)} tokens …`);
        best = [...best, ...(await fetchJson(sources[`part/${part}`]))].sort(([first], [second]) => second - first)
          .slice(0, data.examples);
        if (!current()) return;
        if (part === 0 || part === parts - 1) await this.showExamples(data, best);
        if (!current()) return;
      }
      this.summary();
      this.root.dataset.drawn = `${data.layer}.${data.neuron}`;
    } catch (error) {
      if (current()) this.status.fail(error);
    }
  }

  /**
   * @param {Data} data
   * @param {[activation: number, position: number][]} best
   */
  async showExamples(data, best) {
    const { sources, exported } = data;
    const examples = /** @type {Example[]} */ (await fetchJson(exported ? sources.snippets : `${sources.snippets}&at=${best.map(([, position]) => position).join(".")}`));
    if (this.data !== data) return;
    this.examples = examples;
    const most = Math.max(...examples.flatMap(({ values }) => values.map(Math.abs))) || 1;
    this.exampleList.replaceChildren(...examples.map((example) => this.example(example, most)),
      element("p", "llm-part-note", "Shaded: the neuron's activation at each token, in the other colour below 0; framed: its maximum. Hover over a token for the number."));
    this.body.classList.remove("llm-neuron-pending");
  }

  /**
   * @param {Example} example
   * @param {number} most
   */
  example({ tokens, values, peak }, most) {
    const row = element("div", "llm-neuron-example");
    const text = element("div", "llm-neuron-text");
    tokens.forEach((label, index) => {
      const token = element("span", `llm-neuron-token ${values[index] < 0 ? "llm-neuron-less" : "llm-neuron-more"}`, escapeToken(label));
      token.style.setProperty("--strength", `${Math.round((70 * Math.abs(values[index])) / most)}%`);
      token.title = fixed(values[index], 2);
      if (index === peak) token.classList.add("llm-neuron-peak");
      text.append(token, element("wbr"));
    });
    row.append(element("span", "llm-neuron-value", fixed(values[peak], 2)), text);
    return row;
  }

  /** @param {Effect} effect */
  showEffect(effect) {
    this.effect = effect;
    const most = Math.max(...[...effect.raised, ...effect.lowered].map(([, by]) => Math.abs(by))) || 1;
    /** @type {(title: string, tokens: [text: string, change: number][], className: string) => HTMLElement} */
    const list = (title, tokens, className) => {
      const box = element("div", `llm-part-panel ${className}`);
      box.append(barList(title, tokens.map(([text, by]) => [escapeToken(text), Math.abs(by) / most, withSign(by, 3)])));
      return box;
    };
    this.side.replaceChildren(list("Promotes", effect.raised, "llm-neuron-up"), list("Suppresses", effect.lowered, "llm-neuron-down"),
      element("p", "llm-part-note", "Direct effect per unit of activation, before the final norm."));
  }

  /** How many different tokens the strongest examples peak at. */
  summary() {
    const counts = new Map();
    for (const { tokens, peak } of this.examples) counts.set(tokens[peak], (counts.get(tokens[peak]) ?? 0) + 1);
    const [token, count] = [...counts].sort(([, first], [, second]) => second - first)[0];
    const { guess, parts, partTokens } = this.data;
    this.status.show(`${guess ? `You expected: ${guess.toLowerCase()}. ` : ""}Measured, in up to ${withThousands(parts * partTokens)} tokens of the run's text: `
      + `the ${this.examples.length} max-activating examples peak at ${counts.size} different token${counts.size === 1 ? "" : "s"}, the most common, `
      + `${escapeToken(token)}, ${count} times.`);
  }
}

export default mount(Neuron);
