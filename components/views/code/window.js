// Which part of a tensor is drawn: two of its axes, an index into each of the others, and a window along long ones.

import { clamp } from "../../frontend/scales.js";

/** @typedef {import("../../frontend/selection.js").Cell} Cell */

export const WINDOW = 512; // rows or columns that are drawn at once, as the server hands them out

export class TensorWindow {
  /**
   * The first part of a tensor: its last two axes that are longer than 1.
   *
   * @param {number[]} shape of at least one axis
   */
  constructor(shape) {
    const wide = shape.map((size, axis) => [size, axis]).filter(([size]) => size > 1).map(([, axis]) => axis);
    this.shape = shape;
    this.columns = wide.at(-1) ?? shape.length - 1;
    this.rows = wide.at(-2) ?? (this.columns > 0 ? this.columns - 1 : 0); // an axis may be both: then there is one row
    this.first = shape.map(() => 0);
  }

  /**
   * Whether this axis is drawn, and longer than the window.
   *
   * @param {number} axis
   */
  isPart(axis) {
    return (axis === this.rows || axis === this.columns) && this.shape[axis] > WINDOW;
  }

  /**
   * The nearest beginning of a window that lies within the axis.
   *
   * @param {number} axis
   * @param {number} begin
   */
  inside(axis, begin) {
    return clamp(Math.round(begin) || 0, 0, this.shape[axis] - WINDOW);
  }

  /**
   * Begin at another index of an axis. Returns where the element that was at `cell` is now; null if it is not drawn.
   *
   * @param {number} axis
   * @param {number} begin
   * @param {Cell | null} cell
   * @returns {Cell | null}
   */
  move(axis, begin, cell) {
    const before = this.first[axis];
    this.first[axis] = this.inside(axis, begin);
    if (!cell) return null;
    const side = axis === this.columns ? 1 : 0;
    const moved = /** @type {Cell} */ (cell.with(side, cell[side] + before - this.first[axis]));
    return moved[side] < 0 || moved[side] >= WINDOW ? null : moved;
  }

  /**
   * The index of a cell into the whole tensor.
   *
   * @param {Cell} cell
   */
  indexOf([row, column]) {
    const index = [...this.first];
    if (this.rows !== this.columns) index[this.rows] += row;
    index[this.columns] += column;
    return index;
  }

  /**
   * In words, of each axis that is longer than the window: which part of it is drawn.
   *
   * @param {string[]} axes
   */
  described(axes) {
    return this.shape.map((_, axis) => axis).filter((axis) => this.isPart(axis))
      .map((axis) => `, ${axes[axis]} ${this.first[axis]} to ${this.first[axis] + WINDOW - 1} of ${this.shape[axis]}`).join("");
  }
}
