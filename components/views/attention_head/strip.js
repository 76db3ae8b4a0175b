// The text on one line, with arcs: above, what a token attends to; below, what attends to it.

import { element, shape } from "../../frontend/dom.js";
import { arrowStep } from "../../frontend/selection.js";
import { onToken, tokenElements } from "../../frontend/tokens.js";

/**
 * Called for the pointer and the keyboard.
 *
 * @typedef {object} Handlers
 * @property {(position: number) => void} hover
 * @property {(position: number) => void} choose
 * @property {(step: number) => void} step
 * @property {() => void} toggle
 * @property {() => void} clear
 */

const ARC_ROOM = 64; // pixels above and below the text
const FAINTEST = 0.1; // of the greatest weight: what is below has no arc
const MOST_ARCS = 40;

export class Strip {
  /**
   * The last `own` tokens are the model's own.
   *
   * @param {string[]} labels
   * @param {number} own
   * @param {Handlers} handlers
   */
  constructor(labels, own, handlers) {
    this.root = element("div", "llm-strip");
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    this.root.setAttribute("aria-label",
      "The text. Arrow keys move from token to token, Enter selects one or clears the selection, Escape clears it.");
    this.line = element("div", "llm-strip-line");
    this.arcs = shape("svg", { class: "llm-strip-arcs", "aria-hidden": "true" });
    this.tokens = tokenElements(labels, own, "llm-strip");
    this.line.append(...this.tokens, this.arcs);
    this.root.append(this.line);
    onToken(this.line, "pointerover", handlers.hover);
    onToken(this.line, "click", handlers.choose);
    // token positions are measured once, not at every hover: measuring makes the browser lay all of them out
    /** @type {number[] | null} */
    this.middles = null;
    /** @type {HTMLElement[]} */
    this.shaded = [];
    new ResizeObserver(() => (this.middles = null)).observe(this.line);
    this.root.addEventListener("keydown", (event) => {
      const [, step] = arrowStep(event.key) ?? [0, 0];
      if (step) handlers.step(step);
      else if (event.key === "Enter") handlers.toggle();
      else if (event.key === "Escape") handlers.clear();
      else return;
      event.preventDefault();
    });
  }

  /**
   * Show what `query` attends to (`row`) and what attends to it (`column`), both by position; null: nothing.
   *
   * @param {number | null} query
   * @param {Float32Array} row
   * @param {Float32Array} column
   * @param {boolean} selected
   */
  show(query, row, column, selected) {
    this.arcs.replaceChildren();
    this.root.classList.toggle("llm-strip-selected", selected);
    for (const token of this.shaded) {
      token.style.removeProperty("--strength");
      token.classList.remove("llm-strip-chosen");
    }
    this.shaded = [];
    if (query === null) return;
    if (!this.middles) this.measure();
    const from = this.middles[query];
    const { foot, base } = this;
    for (const [position, weight] of strongest(row, MOST_ARCS)) {
      this.tokens[position].style.setProperty("--strength", `${Math.round(70 * Math.sqrt(weight))}%`);
      this.shaded.push(this.tokens[position]);
      this.arc(from, this.middles[position], foot, -1, weight);
    }
    for (const [position, weight] of strongest(column, MOST_ARCS)) {
      if (position !== query) this.arc(from, this.middles[position], base, 1, weight);
    }
    this.tokens[query].classList.add("llm-strip-chosen");
    this.shaded.push(this.tokens[query]);
  }

  measure() {
    this.middles = this.tokens.map((token) => token.offsetLeft + token.offsetWidth / 2);
    this.foot = this.tokens[0].offsetTop;
    this.base = this.foot + this.tokens[0].offsetHeight;
    this.arcs.setAttribute("width", String(this.line.scrollWidth));
    this.arcs.setAttribute("height", String(this.line.clientHeight));
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {number} y
   * @param {number} side
   * @param {number} weight
   */
  arc(from, to, y, side, weight) {
    const rise = side * Math.min(ARC_ROOM - 6, 12 + Math.abs(to - from) / 4);
    const middle = (from + to) / 2;
    const loop = from === to ? 9 : 0; // a token that attends to itself
    const path = `M ${from - loop} ${y} Q ${middle} ${y + 2 * rise - (side * Math.abs(rise)) / 2} ${to + loop} ${y}`;
    this.arcs.append(shape("path", { d: path, "stroke-width": (0.8 + 3.5 * weight).toFixed(2),
      "stroke-opacity": (0.25 + 0.75 * weight).toFixed(2), class: side < 0 ? "llm-arc-out" : "llm-arc-in" }));
  }

  /**
   * Scroll a token into view.
   *
   * @param {number} position
   */
  reveal(position) {
    const token = this.tokens[position];
    const { scrollLeft, clientWidth } = this.root;
    if (token.offsetLeft < scrollLeft || token.offsetLeft + token.offsetWidth > scrollLeft + clientWidth) {
      this.root.scrollLeft = token.offsetLeft - clientWidth / 2;
    }
  }
}

/**
 * Positions with the greatest weights, greatest first; those far below the greatest are left out.
 *
 * @param {Float32Array} weights
 * @param {number} most
 */
export function strongest(weights, most) {
  /** @type {[position: number, weight: number][]} */
  const strong = [];
  let greatest = 0;
  for (const weight of weights) if (weight > greatest) greatest = weight;
  weights.forEach((weight, position) => {
    if (weight > 0 && weight >= FAINTEST * greatest) strong.push([position, weight]);
  });
  return strong.sort((first, second) => second[1] - first[1]).slice(0, most);
}
