// The variables so far in a call, as cards: numbers and texts, then tensors, those of the current line first.

import { element } from "../../frontend/dom.js";
import { significant, withThousands } from "../../frontend/format.js";
import { shapeText } from "./source.js";

/** @typedef {import("./source.js").Step} Step */

/** @typedef {import("./source.js").Variable} Variable */

/**
 * The newest tensor of a name.
 *
 * @typedef {object} Entry
 * @property {Variable} variable
 * @property {number} index of the step that made it
 * @property {Variable | null} earlier of the same name
 */

/**
 * How the cards are drawn.
 *
 * @typedef {object} Options
 * @property {boolean} gradient statistics of gradients in place of values
 * @property {boolean} actual sizes in place of names of axes alone
 * @property {boolean} asking whether the quiz still hides what the current line makes
 */

export class VariableCards {
  /**
   * @param {HTMLElement} root
   * @param {(entry: Entry | null) => void} choose called with the tensor that is to be shown
   */
  constructor(root, choose) {
    this.root = root;
    this.choose = choose;
    /** @type {string | null} */
    this.selected = null;
  }

  /** Select the newest tensor at the next step. */
  forget() {
    this.selected = null;
  }

  /**
   * @param {Step[]} steps
   * @param {number} current
   * @param {Options} options
   */
  show(steps, current, options) {
    this.root.replaceChildren(element("div", "llm-code-title", options.gradient ? "Gradients" : "Variables"));
    const { values, tensors } = newestOfEach(steps, current);
    for (const [name, { text, index }] of values) {
      const made = element("div", "llm-code-variable");
      made.classList.toggle("llm-code-changed", index === current);
      made.append(element("code", "", name), element("span", "llm-code-numbers", text));
      this.root.append(made);
    }
    const shown = [...tensors.values()].filter(({ index }) => !(options.asking && index === current));
    for (const entry of shown) this.root.append(this.card(entry, current, options));
    if (!shown.length && !values.size) this.root.append(element("p", "llm-code-hint", "Nothing to show yet: step to the next line."));
    const chosen = shown.find(({ variable }) => variable.name === this.selected) ?? shown[0];
    if (chosen) this.select(chosen);
    else this.choose(null);
  }

  /**
   * @param {Entry} entry
   * @param {number} current
   * @param {Options} options
   */
  card(entry, current, { gradient, actual }) {
    const { variable, index, earlier } = entry;
    const made = element("button", "llm-code-variable");
    made.type = "button";
    made.dataset.name = variable.name;
    made.classList.toggle("llm-code-changed", index === current);
    const head = element("span", "llm-code-variable-head");
    head.append(element("code", "", variable.name));
    if (index === current) head.append(element("span", "llm-code-badge", earlier ? "changed" : "new"));
    const shape = element("span", "llm-code-shape", actual
      ? `[${variable.axes.map((axis, at) => `${axis} ${variable.shape[at]}`).join(", ")}]` : shapeText(variable.axes));
    made.append(head, shape, element("span", "llm-code-numbers", statistics(gradient ? variable.gradient : variable.values)));
    made.addEventListener("click", () => this.select(entry));
    return made;
  }

  /** @param {Entry} entry */
  select(entry) {
    this.selected = entry.variable.name;
    for (const card of this.root.querySelectorAll(".llm-code-variable")) {
      card.setAttribute("aria-pressed", String(card.getAttribute("data-name") === this.selected));
    }
    this.choose(entry);
  }
}

/**
 * The newest value and the newest tensor of every name, up to a step and within its call, newest first.
 *
 * @param {Step[]} steps
 * @param {number} current
 */
export function newestOfEach(steps, current) {
  /** @type {Map<string, { text: string, index: number }>} */
  const values = new Map();
  /** @type {Map<string, Entry>} */
  const tensors = new Map();
  const { call } = steps[current];
  for (let index = current; index >= 0 && steps[index].call === call; index--) {
    for (const [name, text] of steps[index].values) {
      if (!values.has(name)) values.set(name, { text, index });
    }
    for (const variable of steps[index].variables) {
      const newer = tensors.get(variable.name);
      if (newer) newer.earlier ??= variable;
      else tensors.set(variable.name, { variable, index, earlier: null });
    }
  }
  return { values, tensors };
}

/** @param {Variable["values"] | null} numbers */
function statistics(numbers) {
  if (!numbers) return "no gradient";
  return `min ${significant(numbers.min)} · mean ${significant(numbers.mean)} · max ${significant(numbers.max)}`
    + (numbers.infinite ? ` · ${withThousands(numbers.infinite)} not finite` : "");
}
