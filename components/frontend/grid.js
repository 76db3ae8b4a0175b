// Rows × positions under token labels. A long text is seen through a window, moved on a small map of the whole text.

import { CellColours, colour } from "./colours.js";
import { contextOf, element } from "./dom.js";
import { escapeToken, truncate } from "./format.js";
import { arrowStep, stepped, windowAround, windowAt, windowShowing } from "./selection.js";

/**
 * In pixels.
 *
 * @typedef {object} Size
 * @property {number} width of the narrowest column
 * @property {number} widest of the widest column
 * @property {number} height of a row
 */

/**
 * Called for the pointer and the keyboard.
 *
 * @typedef {object} Handlers
 * @property {(row: number, position: number) => void} hover
 * @property {(row: number, position: number) => void} choose
 * @property {() => void} clear
 */

/**
 * The value of a cell, −1 … 1 (NaN: no colour), and the lines of text in it.
 *
 * @typedef {(row: number, position: number) => [value: number, ...lines: string[]]} Paint
 */

const GRID_LEFT = 96; // pixels for the names of rows
const SLANT = 26; // pixels to the right for the last slanted label

export class Grid {
  /**
   * @param {string[]} labels
   * @param {string[]} rows their names
   * @param {Size} size
   * @param {Handlers} handlers
   */
  constructor(labels, rows, size, handlers) {
    this.labels = labels.map(escapeToken);
    this.rows = rows;
    this.size = size;
    this.handlers = handlers;
    /** @type {Paint | null} until there is something to show */
    this.paint = null;
    this.more = "accent";
    this.start = 0; // the first position in the window
    /** @type {import("./selection.js").Cell | null} */
    this.focus = null;
    this.width = 0; // pixels
    this.shown = labels.length; // positions in the window
    this.cell = size.width; // pixels
    this.selected = false;
    /** @type {ImageData | null} */
    this.mapped = null;
    this.top = size.width >= 60 ? 24 : 66;
    this.root = element("div", "llm-grid");
    this.root.tabIndex = 0;
    this.root.setAttribute("role", "application");
    this.canvas = element("canvas", "llm-grid-cells");
    this.canvas.setAttribute("role", "img");
    this.frame = element("div", "llm-grid-mark");
    this.frame.hidden = true;
    const body = element("div", "llm-grid-body");
    body.append(this.canvas, this.frame);
    this.map = element("canvas", "llm-grid-map");
    this.hint = element("div", "llm-grid-legend", `All ${labels.length} positions. Drag here to move the window.`);
    this.hint.dataset.live = "";
    this.legend = element("div", "llm-grid-legend");
    this.root.append(body, this.map, this.hint, this.legend);
    this.listen();
    new ResizeObserver(() => this.fit()).observe(this.root);
  }

  listen() {
    /** @type {(act: (row: number, position: number) => void) => (event: MouseEvent) => void} */
    const onCell = (act) => (event) => {
      const cell = this.cellAt(event);
      if (cell) act(...cell);
    };
    this.canvas.addEventListener("pointermove", onCell((row, position) => this.handlers.hover(row, position)));
    this.canvas.addEventListener("click", onCell((row, position) => this.handlers.choose(row, position)));
    this.root.addEventListener("keydown", (event) => {
      const step = arrowStep(event.key);
      if (step && this.focus) this.step(this.focus, step);
      else if (event.key === "Enter" && this.focus) this.handlers.choose(...this.focus);
      else if (event.key === "Escape") this.handlers.clear();
      else return;
      event.preventDefault();
    });
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const box = this.map.getBoundingClientRect();
      this.moveTo(windowAround((event.clientX - box.left) / box.width, this.shown, this.labels.length));
    };
    this.map.addEventListener("pointerdown", move);
    this.map.addEventListener("pointermove", move);
  }

  /**
   * @param {import("./selection.js").Cell} focus
   * @param {import("./selection.js").Cell} step
   */
  step(focus, step) {
    const cell = stepped(focus, step, [this.rows.length, this.labels.length]);
    this.handlers.hover(...cell);
    this.reveal(cell[1]);
  }

  /**
   * `paint(row, position)` returns [value, ...lines]: colour from −1 to 1 (NaN: none), and the text in the cell.
   * `more` is the colour of 1 by meaning.
   *
   * @param {Paint} paint
   * @param {string} title
   * @param {string} legend
   * @param {string} [more]
   */
  show(paint, title, legend, more = "accent") {
    this.paint = paint;
    this.more = more;
    this.legend.textContent = legend;
    this.canvas.setAttribute("aria-label", title);
    this.root.setAttribute("aria-label",
      `${title}. Arrow keys move from cell to cell, Enter selects one or clears the selection, Escape clears it.`);
    this.mapped = null;
    this.draw();
  }

  fit() {
    const width = this.root.clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    this.draw();
  }

  /** @param {number} start */
  moveTo(start) {
    this.start = windowAt(start, this.shown, this.labels.length);
    this.draw();
  }

  /**
   * Move the window, if need be, so that this position is in it.
   *
   * @param {number} position
   */
  reveal(position) {
    const start = windowShowing(this.start, this.shown, this.labels.length, position);
    if (start !== this.start) this.moveTo(start);
  }

  /**
   * @param {number} row
   * @param {number} position
   */
  corner(row, position) {
    return [GRID_LEFT + (position - this.start) * this.cell, this.top + row * this.size.height];
  }

  draw() {
    const { paint } = this;
    if (!paint || !this.width) return;
    const beside = GRID_LEFT + (this.slanted ? SLANT : 2);
    const room = this.width - beside;
    this.shown = Math.min(this.labels.length, Math.max(1, Math.floor(room / this.size.width)));
    this.cell = Math.min(this.size.widest, room / this.shown);
    this.start = windowAt(this.start, this.shown, this.labels.length);
    const sharp = window.devicePixelRatio || 1;
    const [width, height] = [beside + this.shown * this.cell, this.top + this.rows.length * this.size.height + 2];
    Object.assign(this.canvas, { width: width * sharp, height: height * sharp });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    const brush = contextOf(this.canvas);
    brush.scale(sharp, sharp);
    const colours = new CellColours(this.root, this.more);
    this.mapped = null;
    for (let row = 0; row < this.rows.length; row++) {
      for (let position = this.start; position < this.start + this.shown; position++) {
        this.fill(brush, colours, paint(row, position), this.corner(row, position));
      }
    }
    this.write(brush);
    this.drawMap(paint, colours);
    this.mark(this.focus, this.selected);
  }

  /**
   * @param {CanvasRenderingContext2D} brush
   * @param {CellColours} colours
   * @param {ReturnType<Paint>} painted
   * @param {number[]} corner
   */
  fill(brush, colours, [value, ...lines], [x, y]) {
    if (!Number.isNaN(value)) {
      brush.fillStyle = colours.background(value);
      brush.fillRect(x, y, this.cell - 1, this.size.height - 1);
    }
    brush.textAlign = "center";
    brush.textBaseline = "middle";
    brush.fillStyle = colours.text(value);
    lines.forEach((line, index) => {
      const small = index > 0 || this.slanted;
      brush.font = small ? "10px sans-serif" : "12px ui-monospace, monospace";
      const height = (this.size.height * (index + 1)) / (lines.length + 1) + (lines.length > 1 ? 2 * index - 1 : 0);
      const fitting = truncate(line, Math.floor(this.cell / (small ? 5.2 : 7.4)));
      brush.fillText(fitting, x + this.cell / 2, y + height, this.cell - 4);
    });
  }

  /**
   * Names of rows and tokens.
   *
   * @param {CanvasRenderingContext2D} brush
   */
  write(brush) {
    brush.fillStyle = colour(this.root, "quiet");
    brush.font = `12px ${getComputedStyle(this.root).fontFamily}`;
    brush.textAlign = "right";
    this.rows.forEach((name, row) =>
      brush.fillText(name, GRID_LEFT - 8, this.corner(row, 0)[1] + this.size.height / 2, GRID_LEFT - 10));
    const stride = this.slanted ? Math.ceil(12 / this.cell) : 1;
    for (let position = this.start; position < this.start + this.shown; position += stride) {
      const middle = this.corner(0, position)[0] + this.cell / 2;
      brush.save();
      brush.translate(middle, this.top - (this.slanted ? 6 : 11));
      if (this.slanted) brush.rotate(-Math.PI / 3.2);
      brush.textAlign = this.slanted ? "left" : "center";
      brush.font = "12px ui-monospace, monospace";
      const room = this.slanted ? 10 : Math.floor(this.cell / 7.4);
      brush.fillText(truncate(this.labels[position], room), 0, 0, this.slanted ? 200 : this.cell - 4);
      brush.restore();
    }
  }

  get slanted() {
    return this.top > 24;
  }

  /**
   * The map: all positions, a pixel each, drawn once for each figure, under the window's frame.
   *
   * @param {Paint} paint
   * @param {CellColours} colours
   */
  drawMap(paint, colours) {
    this.map.hidden = this.hint.hidden = this.shown === this.labels.length;
    if (this.map.hidden) return;
    const [width, height] = [this.labels.length, this.rows.length];
    const brush = contextOf(this.map, { willReadFrequently: true });
    if (!this.mapped) {
      Object.assign(this.map, { width, height });
      for (let row = 0; row < height; row++) {
        for (let position = 0; position < width; position++) {
          const [value] = paint(row, position);
          brush.fillStyle = colours.background(Number.isNaN(value) ? 0 : value);
          brush.fillRect(position, row, 1, 1);
        }
      }
      this.mapped = brush.getImageData(0, 0, width, height);
    }
    this.map.style.setProperty("--rows", String(height));
    brush.putImageData(this.mapped, 0, 0);
    brush.globalAlpha = 0.55;
    brush.fillStyle = colour(this.root, "--st-background-color");
    brush.fillRect(0, 0, this.start, height);
    brush.fillRect(this.start + this.shown, 0, width, height);
    brush.globalAlpha = 1;
  }

  /**
   * Frame a cell; a selected one stands out.
   *
   * @param {import("./selection.js").Cell | null} cell
   * @param {boolean} selected
   */
  mark(cell, selected) {
    this.focus = cell;
    this.selected = selected;
    const seen = this.paint && this.width && cell && cell[1] >= this.start && cell[1] < this.start + this.shown;
    this.frame.hidden = !seen;
    if (!seen) return;
    const [x, y] = this.corner(...cell);
    this.frame.classList.toggle("llm-grid-selected", Boolean(selected));
    Object.assign(this.frame.style, { left: `${x}px`, top: `${y}px`, width: `${this.cell - 1}px`,
      height: `${this.size.height - 1}px` });
  }

  /**
   * The cell under the pointer, or null.
   *
   * @param {MouseEvent} event
   * @returns {import("./selection.js").Cell | null}
   */
  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - this.top) / this.size.height);
    const column = Math.floor((event.clientX - box.left - GRID_LEFT) / this.cell);
    if (Math.min(row, column) < 0 || row >= this.rows.length || column >= this.shown) return null;
    return [row, this.start + column];
  }
}
