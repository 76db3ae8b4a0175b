// A text as a model writes it, each token shaded by its probability; hover or focus one for the alternatives.

import { element } from "../../frontend/dom.js";
import { poll } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} url where the server answers
 * @property {string} prompt
 * @property {boolean} waiting whether the page waits for the end
 */

/**
 * A token, its probability and the alternatives.
 *
 * @typedef {object} Token
 * @property {string} text
 * @property {number} probability with the sampling settings
 * @property {number} model_probability
 * @property {number} rank
 * @property {[text: string, probability: number][]} alternatives
 */

/** @type {Record<string, string>} */
const WRITING_STATES = { loading: "Opening the checkpoint …", writing: "Writing …", finished: "Finished",
  stopped: "Stopped", failed: "Failed" };

class Writing {
  static identity = (/** @type {Data} */ data) => data.url;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.page = page;
    this.count = 0;
    /** @type {Map<HTMLElement, Token>} */
    this.tokens = new Map();
    this.going = true;
    root.replaceChildren();
    this.status = element("div", "llm-writing-status");
    this.status.setAttribute("role", "status");
    this.button = element("button", "llm-writing-stop", "Stop");
    this.button.addEventListener("click", () => page.trigger("stop", true));
    const head = element("div", "llm-writing-head");
    head.append(this.status, this.button);
    this.text = element("div", "llm-writing-text");
    this.text.append(element("span", "llm-writing-prompt", data.prompt));
    this.card = element("div", "llm-writing-card");
    this.card.append(element("p", "llm-writing-hint", "Hover over a token to see the alternatives."));
    root.append(head, this.text, this.card);
    this.text.addEventListener("pointerover", (event) => this.explain(event.target));
    this.text.addEventListener("focusin", (event) => this.explain(event.target));
    this.text.addEventListener("click", (event) => this.explain(event.target));
    this.halt = poll(() => this.ask());
  }

  async ask() {
    let answer;
    try {
      const response = await fetch(`${this.data.url}?from=${this.count}`);
      if (response.status === 404) {
        this.button.hidden = true;
        this.status.textContent = "The server was restarted: this text is in the list below.";
        return 60000;
      }
      if (!response.ok) throw new Error(response.statusText);
      answer = await response.json();
    } catch (error) {
      this.status.textContent = `No answer from the server (${error.message}). Trying again …`;
      return 3000;
    }
    for (const token of answer.tokens) this.add(token);
    this.going = answer.state === "loading" || answer.state === "writing";
    this.status.textContent = (answer.message || WRITING_STATES[answer.state] || answer.state)
      + (this.count ? ` · ${this.count} tokens` : "");
    this.button.hidden = !this.going;
    this.status.classList.toggle("llm-writing-bad", answer.state === "failed");
    if (this.going) return answer.tokens.length > 2 ? 150 : 400; // while a run trains, tokens come slowly
    this.ended();
    return 86400000;
  }

  ended() {
    if (this.data.waiting) this.page.report("ended", this.data.url);
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    if (!this.going) this.ended();
  }

  stop() {
    this.halt();
  }

  /** @param {Token} token */
  add(token) {
    this.count += 1;
    const piece = element("span", "llm-writing-token", token.text);
    // the more probable the token, the stronger the shade
    piece.style.setProperty("--strength", `${Math.round(55 * token.model_probability)}%`);
    piece.tabIndex = 0;
    this.tokens.set(piece, token);
    this.text.append(piece);
  }

  /** @param {EventTarget | null} target */
  explain(target) {
    const piece = /** @type {HTMLElement} */ (target);
    const token = this.tokens.get(piece);
    if (!token) return;
    this.text.querySelector(".llm-writing-chosen")?.classList.remove("llm-writing-chosen");
    piece.classList.add("llm-writing-chosen");
    const percent = (/** @type {number} */ probability) => `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)}%`;
    this.card.replaceChildren();
    const title = element("div", "llm-writing-title");
    title.append("The model gave ", element("code", "", JSON.stringify(token.text)),
      ` ${percent(token.model_probability)}: rank ${token.rank}.`);
    if (Math.abs(token.probability - token.model_probability) > 0.0005) {
      title.append(` After the sampling settings it was drawn with ${percent(token.probability)}.`);
    }
    this.card.append(title);
    for (const [text, probability] of token.alternatives) {
      const row = element("div", "llm-writing-row");
      const bar = element("div", "llm-writing-bar");
      bar.style.width = `${100 * probability}%`;
      const track = element("div", "llm-writing-track");
      track.append(bar);
      row.append(element("code", "llm-writing-option", JSON.stringify(text)), track,
        element("span", "llm-writing-probability", percent(probability)));
      this.card.append(row);
    }
  }
}

export default mount(Writing);
