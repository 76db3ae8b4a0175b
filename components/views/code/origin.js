// The origin of a cell: the line that computed it, the numbers that the line read as bars, and intermediate results.

import { colour } from "../../frontend/colours.js";
import { contextOf, element } from "../../frontend/dom.js";
import { significant } from "../../frontend/format.js";

/**
 * Where an element comes from.
 *
 * @typedef {object} Origin
 * @property {number | string} value
 * @property {number | string | null} gradient
 * @property {(string | null)[]} labels the tokens at its positions
 * @property {string} expression
 * @property {keyof typeof KINDS} kind
 * @property {boolean} from_einops
 * @property {{ name: string, numbers: number[] }[]} parts the numbers that the line read
 * @property {Record<string, number | string>} intermediates
 */

const KINDS = {
  contraction: "The dot product of two vectors: multiply element by element, then add up.",
  softmax: "The exponential of each score minus the maximum, divided by the sum of all of them.",
  mean: "The mean of a row.",
  sum: "The sum of a row.",
  norm: "One row, normalised.",
  fused: "Computed inside one kernel, which never stores the intermediate results.",
  elementwise: "Computed from the elements at the same index.",
};

/**
 * Draws the value of a cell, the line, the numbers it read and its intermediate results.
 *
 * @param {HTMLElement} parent
 * @param {string} name
 * @param {number[]} cell
 * @param {Origin} origin
 */
export function drawOrigin(parent, name, cell, origin) {
  parent.replaceChildren();
  const title = element("div", "llm-code-origin-title");
  title.append(element("code", "", `${name}[${cell.join(", ")}]`), ` = ${significant(origin.value)}`);
  if (origin.labels.some((label) => label !== null)) {
    title.append(element("span", "llm-code-quiet",
      ` at ${origin.labels.filter((label) => label !== null).map((label) => JSON.stringify(label)).join(", ")}`));
  }
  if (origin.gradient !== null) title.append(element("span", "llm-code-quiet", ` · gradient ${significant(origin.gradient)}`));
  parent.append(title, element("code", "llm-code-expression", origin.expression));
  parent.append(element("p", "llm-code-hint",
    KINDS[origin.kind] + (origin.from_einops ? " (Shown for the einops line that computes the same tensor.)" : "")));
  for (const part of origin.parts) {
    const row = element("div", "llm-code-origin-row");
    row.append(element("code", "llm-code-origin-name", part.name));
    row.append(part.numbers.length === 1 ? element("span", "", significant(part.numbers[0])) : bars(parent, part.numbers));
    parent.append(row);
  }
  for (const [label, value] of Object.entries(origin.intermediates)) {
    const row = element("div", "llm-code-origin-row llm-code-intermediate");
    row.append(element("span", "llm-code-origin-name", label), element("span", "", significant(value)));
    parent.append(row);
  }
}

/**
 * Numbers as a strip of bars around zero; its title says how many and how large.
 *
 * @param {HTMLElement} parent
 * @param {number[]} numbers
 */
function bars(parent, numbers) {
  const canvas = element("canvas", "llm-code-bars");
  canvas.width = Math.max(numbers.length, 256);
  canvas.height = 36;
  const finite = numbers.filter((value) => isFinite(value));
  const greatest = Math.max(...finite.map(Math.abs), 1e-30);
  const context = contextOf(canvas);
  const [up, down] = [colour(parent, "positive"), colour(parent, "negative")];
  const wide = canvas.width / numbers.length;
  numbers.forEach((value, index) => {
    if (!isFinite(value)) return;
    context.fillStyle = value < 0 ? down : up;
    const tall = (18 * Math.abs(value)) / greatest;
    context.fillRect(index * wide, value < 0 ? 18 : 18 - tall, Math.max(1, wide - 1), tall);
  });
  canvas.title = `${numbers.length} numbers, largest magnitude ${significant(greatest)}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", canvas.title);
  return canvas;
}
