// How long each implementation of a layer takes on this input, and how far its output is from that of the first.

import { element } from "../../frontend/dom.js";
import { significant } from "../../frontend/format.js";

/**
 * One implementation against the einops one.
 *
 * @typedef {object} Compared
 * @property {string} implementation
 * @property {number} output largest difference
 * @property {number | null} gradient largest difference; null: of a layer without a gradient
 * @property {number} seconds
 */

/**
 * @param {HTMLElement} root
 * @param {Compared[]} compared
 */
export function drawProof(root, compared) {
  root.replaceChildren();
  if (compared.length) root.append(element("strong", "", "On this input: "));
  for (const { implementation, output, gradient, seconds } of compared) {
    const apart = implementation === "einops" ? "" : `, output differs by at most ${significant(output)}`
      + (gradient === null ? "" : `, gradient by ${significant(gradient)}`);
    root.append(element("span", "llm-code-proved", `${implementation} ${(1000 * seconds).toFixed(2)} ms${apart}`));
  }
}
