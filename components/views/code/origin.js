// Where a cell came from: the line that made it, the numbers that it read as strips of bars, and named results.

import { colour } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";
import { significant } from "../../frontend/format.js";

const MAKINGS = {
  contraction: "The dot product of two vectors: multiply number by number, then add up.",
  softmax: "e to the power of each score, less the greatest one, as a share of their sum.",
  mean: "The mean of a row.",
  norm: "One row, brought to a steady scale.",
  hidden: "Made inside one kernel, which never stores the numbers in between.",
  cells: "Made from the numbers at the same place.",
};

/** Where a cell came from: the line, its parts as strips of bars, and named results. */
export function drawOrigin(place, name, cell, found) {
  place.replaceChildren();
  const title = element("div", "llm-code-origin-title");
  title.append(element("code", "", `${name}[${cell.join(", ")}]`), ` = ${significant(found.value)}`);
  if (found.labels.some((label) => label !== null)) {
    title.append(element("span", "llm-code-quiet",
      ` at ${found.labels.filter((label) => label !== null).map((label) => JSON.stringify(label)).join(", ")}`));
  }
  if (found.gradient !== null) title.append(element("span", "llm-code-quiet", ` · gradient ${significant(found.gradient)}`));
  place.append(title, element("code", "llm-code-expression", found.expression));
  place.append(element("p", "llm-code-hint",
    MAKINGS[found.kind] + (found.borrowed ? " (Told by the einops line that makes the same tensor.)" : "")));
  for (const part of found.parts) {
    const row = element("div", "llm-code-origin-row");
    row.append(element("code", "llm-code-origin-name", part.name));
    row.append(part.numbers.length === 1 ? element("span", "", significant(part.numbers[0])) : bars(place, part.numbers));
    place.append(row);
  }
  for (const [fact, value] of Object.entries(found.facts)) {
    const row = element("div", "llm-code-origin-row llm-code-fact");
    row.append(element("span", "llm-code-origin-name", fact), element("span", "", significant(value)));
    place.append(row);
  }
}

/** Numbers as a strip of bars around zero; the title of the strip tells their range. */
function bars(place, numbers) {
  const canvas = element("canvas", "llm-code-bars");
  canvas.width = Math.max(numbers.length, 256);
  canvas.height = 36;
  const finite = numbers.filter((value) => isFinite(value));
  const greatest = Math.max(...finite.map(Math.abs), 1e-30);
  const pen = canvas.getContext("2d");
  const [up, down] = [colour(place, "positive"), colour(place, "negative")];
  const wide = canvas.width / numbers.length;
  numbers.forEach((value, index) => {
    if (!isFinite(value)) return;
    pen.fillStyle = value < 0 ? down : up;
    const tall = (18 * Math.abs(value)) / greatest;
    pen.fillRect(index * wide, value < 0 ? 18 : 18 - tall, Math.max(1, wide - 1), tall);
  });
  canvas.title = `${numbers.length} numbers, largest size ${significant(greatest)}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", canvas.title);
  return canvas;
}
