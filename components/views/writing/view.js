// A text as a model writes it, each token shaded by its probability; hover over one, or click it, for how it was chosen.

import { element } from "../../frontend/dom.js";
import { fetchJson, poll } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";
import { branchList } from "./branches.js";
import { explained } from "./stages.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} url where the server answers
 * @property {string} prompt
 * @property {boolean} waiting whether the page waits for the end
 * @property {boolean} forks whether one can go on from another token
 */

/** @type {Record<string, string>} */
const WRITING_STATES = { loading: "Opening the checkpoint …", writing: "Writing …", finished: "Finished",
  stopped: "Stopped", failed: "Failed" };
const HINT = "Hover over a token to see how it was chosen; click it to keep that in view.";
const NUMBERED = 10; // each of so many tokens shows its position

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
    /** @type {HTMLElement | null} */
    this.shown = null; // the token that the card explains
    this.kept = false; // whether it was clicked
    this.going = true;
    root.replaceChildren();
    this.status = element("div", "llm-writing-status");
    this.status.setAttribute("role", "status");
    this.button = this.action("Stop", () => page.trigger("stop", true));
    const head = element("div", "llm-writing-head");
    head.append(this.status, this.button, this.actions());
    this.branches = element("div", "llm-writing-tree");
    this.listed = ""; // the branches, as JSON
    this.link = ""; // the address that opens this text
    this.text = element("div", "llm-writing-text");
    this.text.append(element("span", "llm-writing-prompt", data.prompt));
    this.card = element("div", "llm-writing-card");
    this.card.append(element("p", "llm-writing-hint", HINT));
    root.append(head, this.branches, this.text, this.card);
    this.text.addEventListener("pointerover", (event) => this.show(event.target));
    this.text.addEventListener("focusin", (event) => this.show(event.target));
    this.text.addEventListener("click", (event) => this.keep(event.target));
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.keep(event.target);
    });
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
    for (const token of answer.tokens) this.add(token, answer.choices);
    if (this.data.forks) this.list(answer.branches);
    this.link = answer.link;
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

  /**
   * @param {[text: string, probability: number]} token with the model's own probability
   * @param {number[]} choices positions of tokens that were not drawn
   */
  add([text, probability], choices) {
    const piece = element("span", "llm-writing-token", text);
    // the more probable the token, the stronger the shade
    piece.style.setProperty("--strength", `${Math.round(55 * probability)}%`);
    if (text) piece.tabIndex = 0; // else it completes no character
    piece.dataset.position = String(this.count);
    if (choices.includes(this.count)) piece.classList.add("llm-writing-choice");
    if (this.count % NUMBERED === 0) piece.classList.add("llm-writing-tenth");
    this.text.append(piece);
    this.count += 1;
  }

  /**
   * Explain a token under the pointer, unless another was clicked.
   *
   * @param {EventTarget | null} target
   */
  show(target) {
    const piece = /** @type {HTMLElement} */ (target);
    if (this.kept || !piece.dataset.position || piece === this.shown) return;
    this.shown?.classList.remove("llm-writing-chosen");
    this.shown = piece;
    piece.classList.add("llm-writing-chosen");
    this.explain(piece);
  }

  /**
   * Explain a token until it is clicked again, or another one.
   *
   * @param {EventTarget | null} target
   */
  keep(target) {
    const again = this.kept && target === this.shown;
    this.kept = false;
    this.show(target);
    this.kept = !again && target === this.shown;
    this.text.classList.toggle("llm-writing-kept", this.kept);
  }

  /** @param {import("./branches.js").Branch[]} branches */
  list(branches) {
    const content = JSON.stringify(branches);
    if (content === this.listed) return;
    this.listed = content;
    const own = this.data.url.split("/").at(-1) ?? "";
    this.branches.replaceChildren(...branchList(branches, own, (id) => this.page.trigger("open", id)));
  }

  /** @param {HTMLElement} piece */
  async explain(piece) {
    const position = Number(piece.dataset.position);
    const goOn = this.data.forks
      ? (/** @type {number} */ token) => this.page.trigger("go_on", { position, token }) : null;
    let content;
    try {
      content = explained(await fetchJson(`${this.data.url}/token?position=${position}`), goOn);
    } catch (error) {
      content = [element("p", "llm-writing-hint", error.message)];
    }
    if (piece === this.shown) this.card.replaceChildren(...content); // else another was asked for since
  }

  actions() {
    const row = element("div", "llm-writing-actions");
    const numbers = this.action("Position numbers", () => {
      const on = this.text.classList.toggle("llm-writing-numbered");
      numbers.setAttribute("aria-pressed", String(on));
    });
    numbers.setAttribute("aria-pressed", "false");
    row.append(numbers, this.copies("Copy", () => this.text.textContent ?? ""));
    for (const [label, file] of [["Text", "text"], ["JSON", "json"]]) {
      const link = element("a", "llm-writing-action", label);
      link.href = `${this.data.url}/${file}`;
      link.download = "";
      link.title = file === "json" ? "Download the text with every setting and every token's probabilities" : "Download the text";
      row.append(link);
    }
    const link = this.copies("Copy link", () => new URL(this.link, location.href).href);
    link.title = "Copy the address that opens this text with its step and settings";
    row.append(link);
    return row;
  }

  /**
   * A button that copies what `content` returns.
   *
   * @param {string} label
   * @param {() => string} content
   */
  copies(label, content) {
    const made = this.action(label, async () => {
      try {
        await navigator.clipboard.writeText(content());
        made.textContent = "Copied";
      } catch {
        made.textContent = "Copying failed"; // only pages of this machine, or over https, may copy
      }
      setTimeout(() => { made.textContent = label; }, 2000);
    });
    return made;
  }

  /**
   * @param {string} label
   * @param {() => void} act
   */
  action(label, act) {
    const made = element("button", "llm-writing-action", label);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }
}

export default mount(Writing);
