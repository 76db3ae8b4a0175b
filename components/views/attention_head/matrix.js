// A matrix of queries × keys with token labels. Long ones are seen through a window, which a small map moves.

import { channels, colour, mixed } from "../../frontend/colours.js";
import { contextOf, element } from "../../frontend/dom.js";
import { escapeToken, truncate } from "../../frontend/format.js";
import { largestMagnitude } from "../../frontend/scales.js";
import { windowAround, windowAt, windowShowing } from "../../frontend/selection.js";

/**
 * Called for the pointer.
 *
 * @typedef {object} Handlers
 * @property {(query: number, key: number) => void} hover
 * @property {(query: number, key: number) => void} choose
 */

const WINDOW = 48; // positions along each side that are drawn with labels
const MARGIN = { left: 96, top: 78 };

export class Matrix {
  /**
   * `handlers.hover(query, key)` and `handlers.choose(query, key)` are called as the pointer moves and clicks.
   *
   * @param {string[]} labels
   * @param {Handlers} handlers
   */
  constructor(labels, handlers) {
    this.labels = labels.map(escapeToken);
    this.count = labels.length;
    this.shown = Math.min(this.count, WINDOW);
    this.top = this.left = 0; // first query and first key in the window
    /** @type {Float32Array | null} */
    this.mapped = null; // the values that the map shows
    this.mapColours = "";
    this.width = 0; // pixels
    this.root = element("div", "llm-matrix");
    this.frame = element("div", "llm-matrix-frame");
    this.base = element("canvas", "llm-matrix-base");
    this.base.setAttribute("role", "img");
    this.marks = element("canvas", "llm-matrix-marks");
    this.legend = element("div", "llm-matrix-legend");
    this.frame.append(this.base, this.marks);
    this.root.append(this.frame, this.legend);
    this.marks.addEventListener("pointermove", (event) => {
      const cell = this.cellAt(event);
      if (cell) handlers.hover(...cell);
    });
    this.marks.addEventListener("click", (event) => {
      const cell = this.cellAt(event);
      if (cell) handlers.choose(...cell);
    });
    if (this.count > WINDOW) this.addMap();
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(this.root);
  }

  addMap() {
    this.map = element("canvas", "llm-matrix-map");
    this.map.width = this.map.height = this.count;
    this.map.setAttribute("role", "img");
    this.map.setAttribute("aria-label", `Map of all ${this.count} × ${this.count} cells; drag to move the window`);
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = this.map.getBoundingClientRect();
      const [down, right] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
      this.moveTo(windowAround(down, this.shown, this.count), windowAround(right, this.shown, this.count));
    };
    this.map.addEventListener("pointerdown", move);
    this.map.addEventListener("pointermove", move);
    this.root.append(this.map, element("div", "llm-matrix-legend",
      `All ${this.count} positions. Drag here to move the window of ${WINDOW}.`));
  }

  /**
   * @param {number} top
   * @param {number} left
   */
  moveTo(top, left) {
    [this.top, this.left] = [top, left].map((start) => windowAt(start, this.shown, this.count));
    this.draw();
  }

  /**
   * Move the window, if need be, so that this cell is in it.
   *
   * @param {number} query
   * @param {number} key
   */
  reveal(query, key) {
    const top = windowShowing(this.top, this.shown, this.count, query);
    const left = windowShowing(this.left, this.shown, this.count, key);
    if (top !== this.top || left !== this.left) this.moveTo(top, left);
  }

  /**
   * Values [query, key] row by row, NaN where the mask hides a key; `signed`: both sides of zero matter. `masked` says
   * why a key is hidden.
   *
   * @param {Float32Array} values
   * @param {boolean} signed
   * @param {string} title
   * @param {string} masked
   */
  show(values, signed, title, masked) {
    this.values = values;
    this.signed = signed;
    this.largest = largestMagnitude(values);
    this.base.setAttribute("aria-label", `${title}, ${this.count} queries by ${this.count} keys`);
    this.legend.textContent = (signed
      ? `Colour: from −${this.largest.toPrecision(3)} over 0 to ${this.largest.toPrecision(3)}. `
      : "Colour: the square root of the weight, from 0 to 1. ")
      + `Rows are queries, columns are keys. Hatched: masked, because the key ${masked}.`;
    this.draw();
  }

  ramp() {
    const zero = channels(this.root, "neutral");
    const more = channels(this.root, this.signed ? "positive" : "accent");
    const less = channels(this.root, "negative");
    return (/** @type {number} */ value) => {
      const fraction = this.signed ? Math.abs(value) / (this.largest || 1) : Math.sqrt(value);
      return mixed(zero, value < 0 ? less : more, Math.min(1, fraction));
    };
  }

  fit() {
    const width = Math.min(640, this.root.clientWidth);
    if (!width || width === this.width) return;
    this.width = width;
    this.draw();
  }

  draw() {
    if (!this.values || !this.width) return;
    const sharp = window.devicePixelRatio || 1;
    this.cell = Math.min(40, (this.width - MARGIN.left - 4) / this.shown);
    const [width, height] = [MARGIN.left + this.shown * this.cell + 4, MARGIN.top + this.shown * this.cell + 4];
    for (const canvas of [this.base, this.marks]) {
      canvas.width = width * sharp;
      canvas.height = height * sharp;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      contextOf(canvas).scale(sharp, sharp);
    }
    this.size = [width, height];
    const colourOf = this.ramp();
    const brush = contextOf(this.base);
    const hatch = this.hatch(brush);
    for (let row = 0; row < this.shown; row++) {
      for (let column = 0; column < this.shown; column++) {
        const value = this.values[(this.top + row) * this.count + this.left + column];
        brush.fillStyle = Number.isNaN(value) ? hatch : `rgb(${colourOf(value).join(" ")})`;
        const [x, y] = this.corner(row, column);
        brush.fillRect(x, y, this.cell + 0.3, this.cell + 0.3);
      }
    }
    this.write(brush);
    this.drawMap(colourOf);
    this.mark(this.marked);
  }

  /**
   * @param {number} row
   * @param {number} column
   */
  corner(row, column) {
    return [MARGIN.left + column * this.cell, MARGIN.top + row * this.cell];
  }

  /** @param {CanvasRenderingContext2D} brush */
  hatch(brush) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const lines = contextOf(tile);
    lines.strokeStyle = colour(this.root, "line");
    for (const shift of [-8, 0, 8]) {
      lines.moveTo(shift, 8);
      lines.lineTo(shift + 8, 0);
    }
    lines.stroke();
    return brush.createPattern(tile, "repeat");
  }

  /**
   * Token labels, as many as there is room for.
   *
   * @param {CanvasRenderingContext2D} brush
   */
  write(brush) {
    const stride = Math.ceil(11 / this.cell);
    brush.font = `${Math.max(9, Math.min(12, stride * this.cell - 1))}px ${getComputedStyle(this.root).fontFamily}`;
    brush.fillStyle = colour(this.root, "quiet");
    brush.textBaseline = "middle";
    for (let index = 0; index < this.shown; index += stride) {
      const [x, y] = this.corner(index, index).map((corner) => corner + this.cell / 2);
      brush.textAlign = "right";
      brush.fillText(truncate(this.labels[this.top + index], 12), MARGIN.left - 6, y);
      brush.save();
      brush.translate(x, MARGIN.top - 6);
      brush.rotate(-Math.PI / 3.2);
      brush.textAlign = "left";
      brush.fillText(truncate(this.labels[this.left + index], 12), 0, 0);
      brush.restore();
    }
  }

  /** @param {(value: number) => number[]} colourOf */
  drawMap(colourOf) {
    if (!this.map) return;
    const brush = contextOf(this.map);
    const key = `${this.signed}${colourOf(1)}`;
    if (this.mapped !== this.values || this.mapColours !== key) {
      this.image = new ImageData(this.count, this.count);
      this.values.forEach((value, index) => {
        if (!Number.isNaN(value)) this.image.data.set([...colourOf(value), 255], 4 * index);
      });
      this.mapped = this.values;
      this.mapColours = key;
    }
    brush.putImageData(this.image, 0, 0);
    brush.strokeStyle = colour(this.root, "--st-text-color");
    brush.lineWidth = this.count / 120;
    brush.strokeRect(this.left, this.top, this.shown, this.shown);
  }

  /**
   * Frame the row and the column of a cell, and the cell.
   *
   * @param {import("../../frontend/selection.js").Cell | null} cell
   */
  mark(cell) {
    this.marked = cell;
    const brush = contextOf(this.marks);
    if (!this.size) return;
    brush.clearRect(0, 0, this.size[0], this.size[1]);
    if (!cell) return;
    const [row, column] = [cell[0] - this.top, cell[1] - this.left];
    brush.strokeStyle = brush.fillStyle = colour(this.root, "--st-text-color");
    const side = this.shown * this.cell;
    const [x, y] = this.corner(row, column);
    const inside = [row, column].map((index) => index >= 0 && index < this.shown);
    brush.globalAlpha = 0.45;
    if (inside[0]) brush.strokeRect(MARGIN.left, y, side, this.cell);
    if (inside[1]) brush.strokeRect(x, MARGIN.top, this.cell, side);
    brush.globalAlpha = 1;
    brush.lineWidth = 2;
    if (inside[0] && inside[1]) brush.strokeRect(x, y, this.cell, this.cell);
  }

  /**
   * The cell under the pointer, or null.
   *
   * @param {MouseEvent} event
   * @returns {import("../../frontend/selection.js").Cell | null}
   */
  cellAt(event) {
    const box = this.marks.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - MARGIN.top) / this.cell);
    const column = Math.floor((event.clientX - box.left - MARGIN.left) / this.cell);
    if (Math.min(row, column) < 0 || Math.max(row, column) >= this.shown) return null;
    return [this.top + row, this.left + column];
  }
}
