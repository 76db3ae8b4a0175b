// The text of the example, shaded by where one of the two heads looks.

import { element } from "../../frontend/dom.js";
import { escapeToken, percent, wholePercent } from "../../frontend/format.js";

/** A token in running text: its spaces stay spaces. */
const inText = (/** @type {string} */ label) => label.split(" ").map(escapeToken).join(" ");

/**
 * The text, and a choice of the head whose attention shades it.
 *
 * @param {import("./view.js").Data} data
 * @param {any} content
 */
export function readText(data, content) {
  const { labels, earlier, piece } = data;
  const box = element("div", "llm-circuit-text");
  const line = element("p", "llm-circuit-story");
  const tokens = labels.map((label, position) => {
    const token = element("span", "llm-circuit-word", inText(label));
    if (position === earlier || position === labels.length - 1) token.classList.add("llm-circuit-word-token");
    if (position === earlier + 1) token.classList.add("llm-circuit-word-piece");
    return token;
  });
  const next = element("span", "llm-circuit-next", inText(piece));
  next.append(element("small", "", ` ${wholePercent(content.probabilities[0])}`));
  line.append(...tokens, next);
  const shade = (/** @type {number[]} */ row, /** @type {string} */ colour) => tokens.forEach((token, position) => {
    const weight = row[position] ?? 0;
    token.style.background = weight < 0.005 ? "" : `color-mix(in srgb, var(--llm-${colour}) ${Math.round(60 * Math.sqrt(weight))}%, transparent)`;
    token.title = `position ${position}: ${percent(weight)} of the head's attention`;
  });
  const choice = element("div", "llm-circuit-choice");
  choice.setAttribute("role", "group");
  choice.setAttribute("aria-label", "Shade the text by the attention of");
  /** @type {[string, number[], string][]} */
  const looks = [["Copying head, from the last token", content.copyingRow, "accent"],
    ["Previous-token head, from the piece", content.previousRow, "train"]];
  const buttons = looks.map(([name, row, colour]) => {
    const button = element("button", "llm-circuit-button", name);
    button.type = "button";
    button.addEventListener("click", () => show(button, row, colour));
    return button;
  });
  /** @type {(pressed: HTMLElement, row: number[], colour: string) => void} */
  const show = (pressed, row, colour) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === pressed));
    shade(row, colour);
  };
  choice.append(...buttons);
  show(buttons[0], looks[0][1], looks[0][2]);
  box.append(line, choice);
  return box;
}
