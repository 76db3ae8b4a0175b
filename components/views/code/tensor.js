// A tensor: a heat map of two of its axes on a canvas, the other axes chosen by number.

import { contextOf, element } from "../../frontend/dom.js";
import { significant } from "../../frontend/format.js";
import { unpack } from "../../frontend/packing.js";
import { clamp } from "../../frontend/scales.js";
import { arrowStep } from "../../frontend/selection.js";
import { axisControls } from "./axes.js";
import { heatmapLayout, heatmapPicture, writeLabels } from "./heatmap.js";
import { drawOrigin } from "./origin.js";
import { TensorWindow, WINDOW } from "./window.js";

/** @typedef {import("../../frontend/selection.js").Cell} Cell */

/**
 * Requests to the server about a variable of the layer that is shown; null where it refuses, which the page then says.
 *
 * @typedef {object} Ask
 * @property {(parameters: Record<string, string | number>) => Promise<ArrayBuffer | null>} array two of its axes
 * @property {(parameters: Record<string, string | number>) => Promise<import("./origin.js").Origin | null>} cell
 */

/**
 * A tensor, or its gradient, and what made it.
 *
 * @typedef {object} Wanted
 * @property {import("./source.js").Variable} variable
 * @property {boolean} gradient
 * @property {string} implementation
 * @property {number} step
 * @property {string[]} tokens
 */

const POSITIONS = ["pos", "query_pos", "key_pos"];

export class TensorView {
  /**
   * @param {HTMLElement} root
   * @param {Ask} ask
   */
  constructor(root, ask) {
    this.root = root;
    this.ask = ask;
    this.turn = 0;
    /** @type {Cell | null} */
    this.cell = null;
  }

  /**
   * Show `variable`, made by `step` of `implementation`; the chosen axes and cell stay where they fit.
   *
   * @param {Wanted} wanted
   */
  async show(wanted) {
    const same = this.wanted && this.wanted.variable.axes.join() === wanted.variable.axes.join()
      && this.wanted.variable.shape.join() === wanted.variable.shape.join();
    this.wanted = wanted;
    const { shape, name, values } = wanted.variable;
    if (!shape.length) {
      this.turn += 1;
      this.root.replaceChildren(element("p", "llm-code-hint", `${name} is a single number: ${significant(values.mean)}`));
      return;
    }
    if (!same) {
      this.window = new TensorWindow(shape);
      this.cell = null;
    }
    await this.load();
  }

  /** Show nothing. */
  clear() {
    this.turn += 1;
    this.root.replaceChildren();
  }

  async load() {
    const turn = ++this.turn;
    const { variable, gradient, implementation, step } = this.wanted;
    if (gradient && !variable.gradient) {
      this.controls();
      this.root.append(element("p", "llm-code-hint",
        `No gradient flows through ${variable.name}: the loss does not depend on it, or not in this text.`));
      return;
    }
    const packed = await this.ask.array({ implementation, step, name: variable.name, gradient: gradient ? 1 : 0,
      rows: this.window.rows, columns: this.window.columns, index: this.window.first.join(",") });
    if (turn !== this.turn) return; // another was asked for meanwhile
    if (!packed) {
      this.clear();
      return;
    }
    const { shape: [height, width], values } = unpack(packed).window;
    this.numbers = values;
    this.height = height;
    this.width = width;
    const active = /** @type {HTMLElement} */ (document.activeElement);
    const focused = this.root.contains(active) ? active.dataset.keep : null;
    this.controls();
    this.draw();
    if (focused) /** @type {HTMLElement} */ (this.root.querySelector(`[data-keep="${focused}"]`))?.focus({ preventScroll: true });
    if (this.cell) this.explain();
  }

  controls() {
    const { variable, gradient } = this.wanted;
    this.root.replaceChildren();
    const line = element("div", "llm-code-axes");
    line.append(element("strong", "", gradient ? `gradient of ${variable.name}` : variable.name));
    line.append(...axisControls(variable.axes, this.window, (axis, to) => this.moveTo(axis, to)));
    this.readout = element("span", "llm-code-readout");
    this.root.append(line);
  }

  /**
   * Draw from another index of an axis; the selected cell stays the same element, as long as it is drawn.
   *
   * @param {number} axis
   * @param {number} to
   */
  moveTo(axis, to) {
    if (this.window.isPart(axis)) this.cell = this.window.move(axis, to, this.cell);
    else this.window.first[axis] = to;
    return this.load();
  }

  /**
   * @param {number} axis
   * @param {number} index
   */
  label(axis, index) {
    const { variable, tokens } = this.wanted;
    return POSITIONS.includes(variable.axes[axis]) && tokens[index] !== undefined ? tokens[index] : null;
  }

  /**
   * The tokens of the first `count` indices of an axis that are drawn; of an axis without tokens, none.
   *
   * @param {number} axis
   * @param {number} count
   */
  labels(axis, count) {
    const labels = Array.from({ length: count }, (_, index) => this.label(axis, index + this.window.first[axis]));
    return labels[0] === null ? [] : labels.map((label) => label ?? "");
  }

  draw() {
    const { rows, columns } = this.window;
    const labelled = { rows: this.label(rows, 0) !== null, columns: this.label(columns, 0) !== null };
    const room = Math.max(240, this.root.clientWidth - 118);
    this.layout = heatmapLayout(this.height, this.width, room, labelled);
    const { left, top, cellWidth, cellHeight } = this.layout;
    const canvas = (this.canvas = element("canvas", "llm-code-canvas"));
    const right = top ? 36 : 0; // for the slanted label of the last column
    const [width, height] = [left + this.width * cellWidth + right, top + this.height * cellHeight];
    const sharp = window.devicePixelRatio || 1;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label",
      `Heat map of ${this.wanted.variable.name}, ${this.height} by ${this.width}${this.window.described(this.wanted.variable.axes)}. Arrow keys move the selected cell.`);
    canvas.dataset.keep = "canvas";
    const frame = element("div", "llm-code-frame");
    frame.append(canvas);
    this.origin = element("div", "llm-code-origin");
    this.root.append(frame, this.readout, this.origin);
    this.readout.textContent = "Click a cell to see where it came from.";
    const context = contextOf(canvas);
    context.scale(sharp, sharp);
    context.imageSmoothingEnabled = false;
    context.drawImage(heatmapPicture(this.root, this.numbers, this.height, this.width), left, top,
      this.width * cellWidth, this.height * cellHeight);
    writeLabels(context, this.root, this.layout, this.labels(rows, this.height), this.labels(columns, this.width));
    canvas.addEventListener("pointermove", (event) => this.read(this.cellAt(event)));
    canvas.addEventListener("click", (event) => this.choose(this.cellAt(event)));
    canvas.addEventListener("keydown", (event) => this.move(event));
    this.frame = frame;
    if (this.cell) this.markCell();
  }

  /**
   * The cell under the pointer, or null.
   *
   * @param {MouseEvent} event
   * @returns {Cell | null}
   */
  cellAt(event) {
    const { left, top, cellWidth, cellHeight } = this.layout;
    const column = Math.floor((event.offsetX - left) / cellWidth);
    const row = Math.floor((event.offsetY - top) / cellHeight);
    return row >= 0 && column >= 0 && row < this.height && column < this.width ? [row, column] : null;
  }

  /** @param {import("../../frontend/selection.js").Cell | null} cell */
  read(cell) {
    if (!cell) return;
    const { variable } = this.wanted;
    const position = this.window.indexOf(cell).map((index, axis) => {
      const label = this.label(axis, index);
      return `${variable.axes[axis]} ${index}${label === null ? "" : ` ${JSON.stringify(label)}`}`;
    });
    this.readout.textContent = `${significant(this.numbers[cell[0] * this.width + cell[1]])} at ${position.join(", ")}`;
  }

  /**
   * Arrow keys choose the next cell. At an edge behind which the tensor goes on, the window moves along.
   *
   * @param {KeyboardEvent} event
   */
  async move(event) {
    const step = arrowStep(event.key);
    if (!step) return;
    event.preventDefault();
    if (this.moving) return;
    const current = this.cell ?? [0, 0];
    const next = [current[0] + step[0], current[1] + step[1]];
    const side = step[0] ? 0 : 1;
    const { rows, columns, first } = this.window;
    const axis = side ? columns : rows;
    const beyond = next[side] < 0 || next[side] >= (side ? this.width : this.height);
    if (beyond && (side || rows !== columns) && this.window.isPart(axis)) {
      const before = first[axis];
      this.moving = true;
      await this.moveTo(axis, before + step[side] * (WINDOW / 2)).finally(() => (this.moving = false));
      next[side] += before - first[axis];
    }
    this.choose([clamp(next[0], 0, this.height - 1), clamp(next[1], 0, this.width - 1)]);
    this.mark?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {import("../../frontend/selection.js").Cell | null} cell */
  choose(cell) {
    if (!cell) return;
    this.cell = cell;
    this.read(cell);
    this.markCell();
    this.explain();
  }

  markCell() {
    this.mark?.remove();
    if (this.cell[0] >= this.height || this.cell[1] >= this.width) return;
    this.mark = element("div", "llm-code-mark");
    const { left, top, cellWidth, cellHeight } = this.layout;
    Object.assign(this.mark.style, { left: `${left + this.cell[1] * cellWidth - 1}px`,
      top: `${top + this.cell[0] * cellHeight - 1}px`, width: `${cellWidth + 2}px`, height: `${cellHeight + 2}px` });
    this.frame.append(this.mark);
  }

  async explain() {
    const turn = this.turn;
    const { variable, implementation, step } = this.wanted;
    const origin = await this.ask.cell({ implementation, step, name: variable.name,
      index: this.window.indexOf(this.cell).join(",") });
    if (origin && turn === this.turn) drawOrigin(this.origin, variable.name, this.window.indexOf(this.cell), origin);
  }
}
