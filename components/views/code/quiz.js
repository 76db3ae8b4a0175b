// The shapes quiz: which shape will the next line's tensor have? The wrong answers are shapes from the same trace.

import { element } from "../../frontend/dom.js";
import { shapeText } from "./source.js";

/** @typedef {import("./source.js").Variable} Variable */
/** @typedef {import("./source.js").Step} Step */

/**
 * The first line whose shape the quiz still hides: the current one until it is answered, else the one after it.
 *
 * @param {import("./source.js").CodeColumn} column
 * @param {boolean} own whether the current line is in this column
 * @param {Step} current
 * @param {boolean} asking
 */
export function hiddenFrom(column, own, current, asking) {
  const line = own ? current : column.described.steps[current.pairs[column.name]];
  if (!line) return column.described.first;
  return asking ? line.first : line.last + 1;
}

export class ShapesQuiz {
  constructor() {
    this.right = 0;
    this.asked = 0;
    this.answered = new Set();
  }

  /**
   * The right shape and up to three wrong ones, in an order that does not give it away.
   *
   * @param {Variable} variable
   * @param {Step[]} steps
   */
  options(variable, steps) {
    const right = shapeText(variable.axes);
    const others = new Set();
    const swapped = [...variable.axes];
    if (swapped.length > 2) [swapped[1], swapped[2]] = [swapped[2], swapped[1]];
    else swapped.reverse();
    for (const axes of [swapped, variable.axes.slice(0, -1), ...steps.flatMap((step) => step.variables.map((other) => other.axes))]) {
      const text = shapeText(axes);
      if (axes.length && text !== right) others.add(text);
    }
    return [right, ...[...others].slice(0, 3)].sort();
  }

  /**
   * Asks about `variable`; calls `then` once it has been answered.
   *
   * @param {HTMLElement} parent
   * @param {string} id
   * @param {Variable} variable
   * @param {Step[]} steps
   * @param {() => void} then
   */
  draw(parent, id, variable, steps, then) {
    parent.replaceChildren();
    const score = element("span", "llm-code-score", `${this.right} of ${this.asked} right`);
    score.setAttribute("role", "status");
    if (!variable || this.answered.has(id)) {
      parent.append(element("span", "", variable ? "Step to the next line for the next question." : "This line makes no tensor: step to the next one."), score);
      return;
    }
    const question = element("span");
    question.append("Which shape will ", element("code", "", variable.name), " have?");
    parent.append(question);
    const right = shapeText(variable.axes);
    for (const text of this.options(variable, steps)) {
      const answer = element("button", "llm-code-button llm-code-answer", text);
      answer.type = "button";
      answer.addEventListener("click", () => {
        this.asked += 1;
        this.answered.add(id);
        const correct = text === right;
        if (correct) this.right += 1;
        then();
        parent.replaceChildren(
          element("span", correct ? "llm-code-good" : "llm-code-bad", correct ? "Right: " : "Not quite: it is "),
          element("code", "", `${right} = ${shapeText(variable.axes, variable.shape)}`),
          element("span", "llm-code-score", `${this.right} of ${this.asked} right`));
      });
      parent.append(answer);
    }
    parent.append(score);
  }
}
