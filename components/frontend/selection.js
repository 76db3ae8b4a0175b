// What is selected: cells, the keys that move between them, and the window through which a long axis is seen.

import { clamp } from "./scales.js";

/** @typedef {[row: number, column: number]} Cell */

/** @type {Record<string, Cell>} */
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * The step of an arrow key, or undefined for any other key.
 *
 * @param {string} key
 * @returns {Cell | undefined}
 */
export const arrowStep = (key) => ARROWS[key];

/**
 * The cell one step further, clamped to a grid of `counts`.
 *
 * @param {Cell} cell
 * @param {Cell} step
 * @param {[rows: number, columns: number]} counts
 * @returns {Cell}
 */
export const stepped = ([row, column], [down, right], [rows, columns]) =>
  [clamp(row + down, 0, rows - 1), clamp(column + right, 0, columns - 1)];

/**
 * @param {readonly number[] | null} first
 * @param {readonly number[] | null} second
 */
export const sameCell = (first, second) =>
  first === second || (first !== null && second !== null && first.join() === second.join());

/**
 * What is selected after a click on `cell`: nothing, if it was selected before.
 *
 * @param {Cell | null} selected
 * @param {Cell} cell
 */
export const toggled = (selected, cell) => (sameCell(selected, cell) ? null : cell);

/**
 * The first index in a window of `shown` of `count` indices, as near to `start` as it can be.
 *
 * @param {number} start
 * @param {number} shown
 * @param {number} count
 */
export const windowAt = (start, shown, count) => Math.max(0, Math.min(count - shown, start));

/**
 * The same for a window that has to show `index`: it stays if it does, else it moves until `index` is in its middle.
 *
 * @param {number} start
 * @param {number} shown
 * @param {number} count
 * @param {number} index
 */
export const windowShowing = (start, shown, count, index) =>
  (index >= start && index < start + shown ? start : windowAt(index - Math.floor(shown / 2), shown, count));

/**
 * The same for a window of which the middle lies at a fraction of the axis, as on a map of all of it.
 *
 * @param {number} fraction 0 … 1
 * @param {number} shown
 * @param {number} count
 */
export const windowAround = (fraction, shown, count) => windowAt(Math.round(fraction * count - shown / 2), shown, count);
