// A layer's equation: its symbols lead to the lines that make them, and are marked while one of those is the current line.

import { element } from "../../frontend/dom.js";

/** @typedef {{ lines: string[], words: string, source: string }} Equation */

const withSubscripts = (/** @type {string} */ text) => text.split(/(?<=(?:[WbΣ]|slope))_([A-Za-z]+)/)
  .map((piece, index) => (index % 2 ? element("sub", "", piece) : piece)); // W_Q with its Q below the line

/**
 * @param {HTMLElement} parent
 * @param {Equation | undefined} equation
 * @param {(name: string) => void} goTo
 */
export function drawEquation(parent, equation, goTo) {
  parent.replaceChildren();
  if (!equation) return;
  const exact = element("div", "llm-code-exact");
  for (const text of equation.lines) {
    const line = element("div");
    for (const piece of text.split(/(\{[^}]*\})/)) {
      const [name, symbol = name] = piece.startsWith("{") ? piece.slice(1, -1).split("|") : [];
      if (name === undefined) {
        line.append(...withSubscripts(piece));
        continue;
      }
      const made = element("button", "llm-code-symbol");
      made.append(...withSubscripts(symbol));
      made.type = "button";
      made.dataset.variable = name;
      made.addEventListener("click", () => goTo(name));
      line.append(made);
    }
    exact.append(line);
  }
  const words = element("div", "llm-code-words", equation.words);
  if (equation.source) words.append(element("div", "llm-code-quiet", equation.source));
  parent.append(exact, words);
}
