// How one token was chosen: likely tokens, row by row, and their probabilities after each filter, column by column.

import { element } from "../../frontend/dom.js";
import { withThousands } from "../../frontend/format.js";
import { scrollBox } from "../../frontend/parts.js";

/**
 * The distribution after a filter, or, at first, the model's own.
 *
 * @typedef {object} Stage
 * @property {string} name the plain name of the setting
 * @property {string} value
 * @property {string} filter the field of the settings
 * @property {number} kept how many tokens can still be drawn
 * @property {number[]} probabilities of the alternatives, in their order
 */

/**
 * A token that was drawn.
 *
 * @typedef {object} Token
 * @property {number} position in the new text, from 0 on
 * @property {number} id
 * @property {number} probability with the sampling settings
 * @property {number} model_probability
 * @property {number} rank
 * @property {{ id: number, text: string }[]} alternatives
 * @property {Stage[]} stages
 */

/** @param {number} probability */
const percent = (probability) => `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)}%`;

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/**
 * @param {Token} token
 * @param {((id: number) => void) | null} goOn goes on with another token in place of this one, where that can be done
 * @returns {HTMLElement[]} a sentence and a table
 */
export function explained(token, goOn) {
  return [sentence(token), table(token, goOn)];
}

/** @param {Token} token */
function sentence(token) {
  const text = token.alternatives.find((other) => other.id === token.id)?.text ?? "";
  const title = element("div", "llm-writing-title");
  title.append(`Position ${token.position}. The model gave `, element("code", "", JSON.stringify(text)),
    ` ${percent(token.model_probability)}: rank ${token.rank}.`);
  if (Math.abs(token.probability - token.model_probability) > 0.0005) {
    title.append(` After the sampling settings it was drawn with ${percent(token.probability)}.`);
  }
  return title;
}

/**
 * @param {Token} token
 * @param {((id: number) => void) | null} goOn
 */
function table(token, goOn) {
  const { stages, alternatives } = token;
  const most = Math.max(...stages.flatMap((stage) => stage.probabilities)); // as long as a bar can be
  const head = element("tr");
  head.append(heading("col", "Token"), ...stages.map(columnTitle));
  const rows = alternatives.map((other, index) => {
    const row = element("tr", other.id === token.id ? "llm-writing-drawn" : "");
    const name = heading("row");
    const code = element("code", "llm-writing-option", JSON.stringify(other.text));
    name.append(goOn && other.id !== token.id ? fork(code, () => goOn(other.id)) : code);
    row.append(name, ...stages.map((stage, column) => {
      const before = column ? stages[column - 1].probabilities[index] : 1;
      return cell(stage.probabilities[index], most, before > 0 ? "cut" : "");
    }));
    return row;
  });
  const others = element("tr", "llm-writing-others");
  others.append(heading("row", "all others"), ...stages.map((stage) =>
    element("td", "llm-writing-number", percent(Math.max(0, 1 - sum(stage.probabilities))))));
  const kept = element("tr", "llm-writing-others");
  kept.append(heading("row", "can be drawn"), ...stages.map((stage) =>
    element("td", "llm-writing-number", withThousands(stage.kept))));
  const made = element("table", "llm-writing-stages");
  made.style.setProperty("--columns", String(stages.length));
  const header = element("thead");
  header.append(head);
  const body = element("tbody");
  body.append(...rows, others, kept);
  made.append(header, body);
  return scrollBox("Probabilities after each filter", made); // six columns may have no room
}

/**
 * A button that goes on with a token.
 *
 * @param {HTMLElement} code
 * @param {() => void} act
 */
function fork(code, act) {
  const made = element("button", "llm-writing-fork");
  made.type = "button";
  made.title = "Write the text again from here, with this token in place of the one that was drawn";
  made.append(code);
  made.addEventListener("click", act);
  return made;
}

/** @param {Stage} stage */
function columnTitle(stage) {
  const title = heading("col", stage.name);
  if (stage.value) {
    title.title = stage.filter;
    title.append(element("span", "llm-writing-setting", stage.value));
  }
  return title;
}

/**
 * @param {"row" | "col"} scope
 * @param {string} text
 */
function heading(scope, text = "") {
  const made = element("th", "", text);
  made.scope = scope;
  return made;
}

/**
 * A probability as a bar and a number; of a token that was cut, by this filter or an earlier one, neither.
 *
 * @param {number} probability
 * @param {number} most
 * @param {string} word what a probability of 0 is called
 */
function cell(probability, most, word) {
  const made = element("td", probability > 0 ? "" : "llm-writing-cut");
  const bar = element("div", "llm-writing-bar");
  bar.style.width = `${(100 * probability) / most}%`;
  const track = element("div", "llm-writing-track");
  track.append(bar);
  made.append(track, element("span", "llm-writing-number", probability > 0 ? percent(probability) : word));
  return made;
}
