// Tables of heads: a number in a coloured cell for each, the heads of the circuit framed.

import { CellColours } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";

/** @typedef {[layer: number, head: number]} Head */

/** @param {Head} head */
export const headName = ([layer, head]) => `layer ${layer} · head ${head}`;

/**
 * One table.
 *
 * @typedef {object} HeadGrid
 * @property {string} title
 * @property {string} corner what rows and columns are
 * @property {string[]} rows
 * @property {string[]} columns
 * @property {number[][]} values
 * @property {(value: number) => string} format
 * @property {number} most the value of a full colour
 * @property {string} more the colour of positive values, by meaning
 * @property {[row: number, column: number, kind: string][]} marked framed cells
 */

/**
 * @param {HTMLElement} root an element in the theme
 * @param {HeadGrid} grid
 */
export function headGrid(root, { title, corner, rows, columns, values, format, most, more, marked }) {
  const colours = new CellColours(root, more);
  const table = element("table", "llm-circuit-grid");
  table.append(element("caption", "", title));
  const head = element("tr");
  head.append(element("th", "llm-circuit-corner", corner), ...columns.map((name) => headed(name, "col")));
  table.append(head);
  values.forEach((row, index) => {
    const line = element("tr");
    line.append(headed(rows[index], "row"), ...row.map((value, column) => {
      const cell = element("td", "", format(value));
      const scaled = Math.max(-1, Math.min(1, value / (most || 1)));
      Object.assign(cell.style, { background: colours.background(scaled), color: colours.text(scaled) });
      const mark = marked.find(([markedRow, markedColumn]) => markedRow === index && markedColumn === column);
      if (mark) cell.classList.add("llm-circuit-marked", `llm-circuit-marked-${mark[2]}`);
      return cell;
    }));
    table.append(line);
  });
  const frame = element("div", "llm-circuit-frame");
  frame.append(table);
  return frame;
}

/**
 * @param {string} name
 * @param {"col" | "row"} scope
 */
function headed(name, scope) {
  const cell = element("th", "", name);
  cell.scope = scope;
  return cell;
}

/**
 * The heads of a circuit as marks of a grid of layers by heads.
 *
 * @param {Head} previous
 * @param {Head} copying
 * @returns {[number, number, string][]}
 */
export const circuitMarks = (previous, copying) => [[...previous, "previous"], [...copying, "copying"]];
