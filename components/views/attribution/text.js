// The text as tokens in a row that wraps, one of which is chosen: by a click, or with arrow keys and Enter.

import { element } from "../../frontend/dom.js";
import { clamp } from "../../frontend/scales.js";
import { arrowStep } from "../../frontend/selection.js";
import { onToken, tokenElements } from "../../frontend/tokens.js";

export class TextLine {
  /**
   * Without `choose(position)` the text only shows its chosen token.
   *
   * @param {string[]} labels
   * @param {number} own
   * @param {((position: number) => void) | null} choose
   */
  constructor(labels, own, choose) {
    this.root = element("div", "llm-text");
    this.tokens = tokenElements(labels, own, "llm-text");
    this.root.append(...this.tokens);
    if (choose) this.listen(choose);
  }

  /** @param {(position: number) => void} choose */
  listen(choose) {
    this.root.tabIndex = 0;
    this.root.classList.add("llm-text-active");
    this.root.setAttribute("role", "application");
    this.root.setAttribute("aria-label", "The text. Arrow keys move from token to token, Enter chooses one.");
    onToken(this.root, "click", choose);
    this.root.addEventListener("keydown", (event) => {
      const [, step] = arrowStep(event.key) ?? [0, 0];
      if (step) this.move(clamp(this.position + step, 0, this.tokens.length - 1));
      else if (event.key === "Enter") choose(this.position);
      else return;
      event.preventDefault();
    });
  }

  /** @param {number} position */
  move(position) {
    this.tokens[this.position]?.classList.remove("llm-text-focus");
    this.position = position;
    this.tokens[position].classList.add("llm-text-focus");
    this.reveal(position);
  }

  /**
   * Scroll the text, not the page, so that a token is in sight.
   *
   * @param {number} position
   */
  reveal(position) {
    const { offsetTop, offsetHeight } = this.tokens[position];
    const { scrollTop, clientHeight } = this.root;
    if (offsetTop < scrollTop || offsetTop + offsetHeight > scrollTop + clientHeight) {
      this.root.scrollTop = offsetTop - clientHeight / 2;
    }
  }

  /**
   * Show which position is chosen.
   *
   * @param {number} position
   */
  show(position) {
    for (const token of this.tokens) token.classList.remove("llm-text-chosen", "llm-text-focus");
    this.position = position;
    this.tokens[position].classList.add("llm-text-chosen");
    this.reveal(position);
  }
}
