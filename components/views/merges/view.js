// A text that fuses into tokens, merge by merge, beside the pairs that it has and why one of them comes next.

import { element } from "../../frontend/dom.js";
import { escapeToken, quoted, withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { piecesAfter } from "./steps.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} key changes with the text and the tokenizer
 * @property {boolean} training whether the merges are learned from this very text
 * @property {Record<string, string>} texts of the tokens
 * @property {number[][]} chunks the bytes of the text, as tokens
 * @property {import("./steps.js").Step[]} steps
 */

const PLAY = 700; // milliseconds a merge

/** @type {(count: number, name: string) => string} */
const counted = (count, name) => `${withThousands(count)} ${name}${count === 1 ? "" : "s"}`;

class Merges {
  static identity = (/** @type {Data} */ data) => data.key;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.done = 0;
    this.build();
    this.show();
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.show();
  }

  build() {
    const toolbar = element("div", "llm-merges-toolbar");
    /** @type {(label: string, title: string, act: () => void) => HTMLButtonElement} */
    const button = (label, title, act) => {
      const made = element("button", "llm-merges-button", label);
      made.type = "button";
      made.title = title;
      made.addEventListener("click", act);
      return made;
    };
    this.back = button("◀ Back", "Undo the last merge", () => this.go(this.done - 1));
    this.next = button("Merge ▶", "Do the next merge", () => this.go(this.done + 1));
    this.playing = button("Play", "Merge automatically", () => (this.timer ? this.stop() : this.play()));
    this.slider = element("input", "llm-merges-slider");
    this.slider.type = "range";
    this.slider.min = "0";
    this.slider.setAttribute("aria-label", "Merges done");
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.status = element("span", "llm-merges-status");
    this.status.setAttribute("role", "status");
    toolbar.append(this.back, this.next, this.playing, this.slider, this.status);
    this.pieces = element("div", "llm-merges-pieces");
    this.pieces.tabIndex = 0; // a long text scrolls
    this.pieces.setAttribute("role", "group");
    this.pieces.setAttribute("aria-label", "Pieces of the text");
    this.why = element("p", "llm-merges-why");
    this.table = element("table", "llm-merges-table");
    this.others = element("p", "llm-merges-others");
    this.root.replaceChildren(toolbar, this.pieces, this.why, this.table, this.others);
  }

  get last() {
    return this.data.steps.length - 1;
  }

  /** @param {number} done */
  go(done) {
    this.done = Math.min(Math.max(0, done), this.last);
    if (this.done === this.last) this.stop();
    this.show();
  }

  play() {
    if (this.done === this.last) this.done = 0;
    this.playing.textContent = "Stop";
    this.timer = setInterval(() => this.go(this.done + 1), PLAY);
    this.show();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing.textContent = "Play";
  }

  /** @param {number | null} token */
  named(token) {
    return quoted(this.data.texts[String(token)]);
  }

  show() {
    const { done, last } = this;
    const pieces = piecesAfter(this.data.chunks, this.data.steps, done);
    const step = this.data.steps[done];
    this.slider.max = String(last);
    this.slider.value = String(done);
    this.back.disabled = done === 0;
    this.next.disabled = this.playing.disabled = done === last;
    this.playing.disabled = last === 0;
    this.status.textContent = `${done} of ${counted(last, "merge")} done · ${counted(pieces.flat().length, "piece")}`;
    this.pieces.replaceChildren(...pieces.map((chunk) => this.chunk(chunk, done === last)));
    this.why.textContent = step.made === null ? this.ending(step) : this.reason(step);
    this.table.replaceChildren(...this.rows(step));
    this.others.textContent = step.others ? `and ${counted(step.others, "other pair")}` : "";
    this.root.dataset.drawn = "merges";
  }

  /**
   * @param {import("./steps.js").Piece[]} pieces
   * @param {boolean} withIds
   */
  chunk(pieces, withIds) {
    const box = element("span", "llm-merges-chunk");
    for (const { token, state } of pieces) {
      const piece = element("span", `llm-merges-piece${state ? ` llm-merges-${state}` : ""}`);
      piece.append(element("span", "llm-merges-text", escapeToken(this.data.texts[token])));
      if (withIds && !this.data.training) piece.append(element("span", "llm-merges-id", token));
      piece.title = `token ${token}`;
      box.append(piece);
    }
    return box;
  }

  /** @param {import("./steps.js").Step} step */
  reason({ pairs: [[left, right, count, merge, trained]], made }) {
    const next = `Next: ${this.named(left)} + ${this.named(right)} → ${this.named(made)}.`;
    if (this.data.training) return `${next} No pair occurs more often in this text: ${counted(count, "time")}.`;
    const often = trained === null ? "" : `, when it was the most frequent pair of the training text, with ${counted(trained, "occurrence")}`;
    return `${next} Of the pairs in this text, training merged it first: as merge ${withThousands(Number(merge))}${often}. `
      + `How often it occurs in this text (${counted(count, "time")}) makes no difference.`;
  }

  /** @param {import("./steps.js").Step} step */
  ending({ pairs }) {
    if (this.data.training) {
      return "No pair is left that occurs twice: a merge would help nowhere else, so training ends here.";
    }
    const left = pairs.length ? "Training never merged any pair that is left" : "No chunk has two pieces left";
    return `${left}, so these pieces are the tokens of the text, with their ids.`;
  }

  /** @param {import("./steps.js").Step} step */
  rows({ pairs, made }) {
    const names = this.data.training ? ["Pair", "In this text"] : ["Pair", "Merge", "In the training text", "In this text"];
    const head = element("tr");
    for (const name of names) {
      const cell = element("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    return [head, ...pairs.map(([left, right, count, merge, trained], index) => {
      const row = element("tr", index === 0 && made !== null ? "llm-merges-first" : "");
      const known = merge === null ? ["never", ""] : [withThousands(merge), trained === null ? "not known" : withThousands(trained)];
      const cells = [`${escapeToken(this.data.texts[left])} + ${escapeToken(this.data.texts[right])}`,
        ...(this.data.training ? [] : known), withThousands(count)];
      row.append(...cells.map((text) => element("td", "", text)));
      return row;
    })];
  }
}

export default mount(Merges);
