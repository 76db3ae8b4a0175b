// Intervene: a switch for each head and MLP; loss, next tokens and the text that follows, original beside altered.

import { element } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, fixed, withSign } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";

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
 * @property {number} heads
 * @property {number} group heads that use the same keys and values
 * @property {string[]} off the parts that are switched off, such as "0.3" and "1.m"
 * @property {string} description of what is changed
 * @property {number} negligible nats: a smaller rise in loss hardly matters
 * @property {{ ablations: string, effect: string, continuations: string }} sources addresses
 */

/**
 * Figures of the original and the altered model.
 *
 * @typedef {object} Effect
 * @property {[before: number | null, after: number]} loss
 * @property {[before: number, after: number]} difference
 * @property {string[]} pair
 * @property {[text: string, before: number, after: number][]} next
 * @property {[before: number[], after: number[]]} losses by position
 */

const FULL_SHADE = 1; // nats: the rise in loss that is shaded fully

class Intervene {
  static identity = (/** @type {Data} */ data) => data.sources.ablations;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.switches = new Map();
    this.report = (/** @type {string} */ off) => page.report("off", off);
    this.status = new Status("");
    this.summary = element("p", "llm-part-title");
    this.summary.setAttribute("aria-live", "polite");
    this.board = element("div", "llm-board");
    this.board.tabIndex = 0; // it can be wider than a narrow page
    this.board.setAttribute("role", "group");
    this.board.setAttribute("aria-label", "Switches of all parts");
    this.result = element("div", "llm-change");
    this.strip = element("div", "llm-part-panel");
    this.texts = element("div", "llm-part-columns");
    this.build(data);
    root.replaceChildren(this.board, this.summary, this.status.root, this.result, this.strip, this.texts,
      exportRow(data.export, () => asSeen(root, this.data.title)));
    this.update(data);
    this.readAblations();
  }

  /** @param {Data} data */
  build(data) {
    for (let layer = 0; layer < data.layers; layer++) {
      const row = element("div", "llm-board-row");
      row.append(element("span", "llm-board-name", `Layer ${layer}`));
      for (let first = 0; first < data.heads; first += data.group) {
        const group = element("span", `llm-board-group${data.group > 1 ? " llm-board-shared" : ""}`);
        if (data.group > 1) group.title = `share key/value head ${first / data.group}`;
        for (let head = first; head < first + data.group; head++) group.append(this.switch(layer, head, data.exported));
        row.append(group);
      }
      row.append(this.switch(layer, "m", data.exported));
      this.board.append(row);
    }
  }

  /**
   * @param {number} layer
   * @param {number | "m"} which
   * @param {boolean | undefined} exported
   */
  switch(layer, which, exported) {
    const name = which === "m" ? "MLP" : `Head ${which}`;
    const button = element("button", "llm-board-switch");
    const rise = element("span", "llm-board-change", "…");
    button.type = "button";
    button.disabled = Boolean(exported);
    button.setAttribute("aria-label", `Layer ${layer}, ${name}`);
    button.append(element("span", "", name), rise);
    button.addEventListener("click", () => this.toggle(`${layer}.${which}`));
    this.switches.set(`${layer}.${which}`, { button, rise });
    return button;
  }

  /** @param {string} part */
  toggle(part) {
    const off = new Set(this.data.off);
    if (!off.delete(part)) off.add(part);
    this.data.off = [...off]; // before the page answers, so that quick clicks add up
    this.press();
    this.report(this.data.off.join(","));
  }

  press() {
    for (const [part, { button }] of this.switches) {
      button.setAttribute("aria-pressed", String(this.data.off.includes(part)));
    }
  }

  /** The rise in loss on this text when each part alone is switched off (zero ablation). */
  async readAblations() {
    try {
      this.ablations = /** @type {number[]} */ (await fetchJson(this.data.sources.ablations));
    } catch (error) {
      this.status.fail(error);
      return;
    }
    const parts = [...this.switches.values()];
    parts.forEach(({ button, rise }, index) => {
      const change = this.ablations[index];
      rise.textContent = change === undefined ? "–" : withSign(change, 2);
      tint(button, change ?? 0, FULL_SHADE);
    });
    this.note();
    this.root.dataset.ablations = "read";
  }

  note() {
    const { heads, layers, guess, negligible } = this.data;
    const negligibleHeads = (this.ablations ?? []).filter((change, index) => index % (heads + 1) < heads && change <= negligible).length;
    const measured = this.ablations?.length
      ? ` ${guess ? `You expected: ${guess.toLowerCase()}. ` : ""}Measured: ${negligibleHeads} of ${heads * layers} heads raise the loss by `
        + `${negligible} nats or less on this text, each switched off alone.` : this.ablations ? "" : " Measuring each part …";
    this.summary.textContent = this.data.description;
    this.status.show(`On each switch: the rise in loss when this part alone is switched off, in nats (zero ablation).${measured}`);
  }

  async read() {
    const { effect, continuations } = this.data.sources;
    this.result.classList.add("llm-change-pending");
    this.texts.classList.add("llm-change-pending");
    try {
      const answer = /** @type {Effect} */ (await fetchJson(effect));
      if (effect !== this.data.sources.effect) return; // a later click has superseded this one
      this.effect = answer;
      this.showEffect();
      const texts = /** @type {[original: string[], altered: string[]]} */ (await fetchJson(continuations));
      if (continuations !== this.data.sources.continuations) return;
      this.continuations = texts;
      this.showTexts();
      this.root.dataset.drawn = "intervene";
    } catch (error) {
      this.result.replaceChildren(element("p", "llm-part-status llm-part-bad", error.message));
    }
  }

  showEffect() {
    const { loss, difference, pair, next } = this.effect;
    /** @type {(title: string, pair: [before: number, after: number], comment: (change: number) => string) => HTMLElement} */
    const tile = (title, [before, after], comment) => {
      const box = element("div", "llm-part-panel");
      const change = after - before;
      box.append(element("div", "llm-part-title", title),
        element("div", "llm-change-number", `${fixed(before)} → ${fixed(after)}`),
        element("div", "llm-part-note", Math.abs(change) < 5e-4 ? "no change" : `${withSign(change)} ${comment(change)}`));
      return box;
    };
    const boxes = [];
    if (loss[0] !== null) {
      boxes.push(tile("Loss on this text, nats per token", [loss[0], loss[1]],
        (change) => (change > 0 ? "(worse)" : "(better)")));
    }
    const [token, against] = pair.map(escapeToken);
    if (against !== undefined) boxes.push(tile(`Logit difference: ${token} over ${against}`, difference, () => ""));
    const figures = element("div", "llm-change-figures");
    figures.append(...boxes);
    this.result.replaceChildren(figures, this.nextTokens(next));
    this.result.classList.remove("llm-change-pending");
    this.showStrip();
  }

  /** @param {[text: string, before: number, after: number][]} next */
  nextTokens(next) {
    const box = element("div", "llm-part-panel");
    box.append(element("div", "llm-part-title", "The next token"),
      element("div", "llm-part-note", "grey: original, coloured: altered"));
    for (const [text, before, after] of next) {
      const line = element("div", "llm-change-line");
      line.append(element("span", "llm-part-token", escapeToken(text)));
      for (const [index, probability] of [before, after].entries()) {
        const track = element("span", "llm-part-track");
        const bar = element("span", `llm-part-bar${index === 0 ? " llm-change-before" : ""}`);
        bar.style.width = `${100 * probability}%`;
        track.append(bar);
        line.append(track, element("span", "llm-part-number", `${(100 * probability).toFixed(1)}%`));
      }
      box.append(line);
    }
    return box;
  }

  /** The text, each token shaded by how much worse (or better) it is predicted now. */
  showStrip() {
    const [before, after] = this.effect.losses;
    const text = element("div", "llm-change-text");
    text.tabIndex = 0;
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", "The text, shaded by the change in loss of each token");
    this.data.labels.forEach((label, position) => {
      const token = element("span", "llm-change-token", escapeToken(label));
      if (position > 0) {
        const change = after[position - 1] - before[position - 1];
        tint(token, change, 3 * FULL_SHADE);
        token.title = `${before[position - 1].toFixed(2)} → ${after[position - 1].toFixed(2)} nats`;
      }
      text.append(token, element("wbr"));
    });
    this.strip.replaceChildren(element("div", "llm-part-title", "Where the loss changes"), text,
      element("p", "llm-part-note", "Red: a token is predicted worse, green: better. Hover over one for its losses."));
  }

  showTexts() {
    const [original, altered] = this.continuations;
    const first = original.findIndex((token, index) => token !== altered[index]);
    /** @type {(title: string, tokens: string[]) => HTMLElement} */
    const text = (title, tokens) => {
      const box = element("div", "llm-part-panel");
      const words = element("div", "llm-change-text");
      tokens.forEach((token, index) => words.append(
        element("span", `llm-change-token${first >= 0 && index >= first ? " llm-change-differs" : ""}`, escapeToken(token)), element("wbr")));
      box.append(element("div", "llm-part-title", title),
        tokens.length ? words : element("p", "llm-part-note", "The text fills the context: there is no room for a continuation."));
      return box;
    };
    this.texts.replaceChildren(text("Continuation of the original model", original), text("Continuation of the altered model", altered));
    this.texts.classList.remove("llm-change-pending");
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data?.sources.effect;
    this.data = data;
    this.press();
    this.note();
    if (before !== data.sources.effect) this.read();
  }
}

/**
 * Shade by a change in loss: worse in one colour, better in another, fully from `most` nats on.
 *
 * @param {HTMLElement} target
 * @param {number} change
 * @param {number} most
 */
function tint(target, change, most) {
  target.classList.toggle("llm-worse", change > 0);
  target.classList.toggle("llm-better", change < 0);
  target.style.setProperty("--strength", `${Math.round(55 * Math.sqrt(Math.min(1, Math.abs(change) / most)))}%`);
}

export default mount(Intervene);
