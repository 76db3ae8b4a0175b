// A tensor: a heat map of two of its axes on a canvas, the other axes chosen by number.

import { contextOf, element } from "../../frontend/dom.js";
import { significant, withThousands } from "../../frontend/format.js";
import { unpack } from "../../frontend/packing.js";
import { clamp } from "../../frontend/scales.js";
import { arrowStep } from "../../frontend/selection.js";
import { heatmapLayout, heatmapPicture, writeLabels } from "./heatmap.js";
import { drawOrigin } from "./origin.js";

/** @typedef {import("../../frontend/selection.js").Cell} Cell */

/** @typedef {(what: string, parameters: Record<string, string | number>) => Promise<Response>} Ask */

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
const WINDOW = 512; // rows or columns that are drawn at once, as the server hands them out; larger tensors are moved under it

export class TensorView {
  /**
   * @param {HTMLElement} root
   * @param {Ask} ask
   */
  constructor(root, ask) {
    this.root = root;
    this.ask = ask; // (what, parameters) => Promise of a Response
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
      const wide = shape.map((size, axis) => [size, axis]).filter(([size]) => size > 1).map(([, axis]) => axis);
      this.columns = wide.at(-1) ?? Math.max(0, shape.length - 1);
      this.rows = wide.at(-2) ?? (this.columns > 0 ? this.columns - 1 : 0);
      this.first = shape.map(() => 0);
      this.cell = null;
    }
    await this.load();
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
    const response = await this.ask("array", { implementation, step, name: variable.name, gradient: gradient ? 1 : 0,
      rows: this.rows, columns: this.columns, index: this.first.join(",") });
    const { shape: [height, width], values } = unpack(await response.arrayBuffer()).window;
    if (turn !== this.turn) return; // another was asked for meanwhile
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
    variable.axes.forEach((axis, index) => {
      const size = variable.shape[index];
      if (index === this.rows || index === this.columns) {
        const role = index === this.columns ? "→" : "↓";
        line.append(size > WINDOW ? this.windowControl(role, axis, index) : element("span", "llm-code-axis", `${role} ${axis} ${size}`));
      } else if (size > 1) {
        const label = element("label", "llm-code-axis", `${axis} `);
        const choice = element("select");
        choice.setAttribute("aria-label", `Which ${axis}`);
        choice.dataset.keep = `which ${index}`;
        for (let value = 0; value < size; value++) choice.append(new Option(String(value), String(value)));
        choice.value = String(this.first[index]);
        choice.addEventListener("change", () => {
          this.first[index] = Number(choice.value);
          this.load();
        });
        label.append(choice, ` of ${size}`);
        line.append(label);
      }
    });
    this.readout = element("span", "llm-code-readout");
    this.root.append(line);
  }

  /**
   * Which part of a large axis is drawn: a window to move by a half of it, or to a number.
   *
   * @param {string} role
   * @param {string} axis
   * @param {number} index
   */
  windowControl(role, axis, index) {
    const size = this.wanted.variable.shape[index];
    const begin = this.first[index];
    const control = element("span", "llm-code-axis llm-code-window", `${role} ${axis} `);
    /** @type {(label: string, title: string, to: number) => HTMLButtonElement} */
    const button = (label, title, to) => {
      const made = element("button", "llm-code-button", label);
      made.type = "button";
      made.title = title;
      made.setAttribute("aria-label", title);
      made.dataset.keep = title;
      made.setAttribute("aria-disabled", String(to === begin)); // not `disabled`, which would lose the focus at the end
      made.addEventListener("click", () => this.moveWindow(index, to));
      return made;
    };
    const [back, on] = index === this.columns ? ["◀", "▶"] : ["▲", "▼"];
    const from = element("input");
    Object.assign(from, { type: "number", min: 0, max: size - WINDOW, step: WINDOW / 2, value: begin });
    from.setAttribute("aria-label", `First ${axis} that is drawn`);
    from.dataset.keep = `from ${index}`;
    from.addEventListener("change", () => this.moveWindow(index, Number(from.value)));
    control.append(button(back, `Earlier ${axis}`, this.inside(index, begin - WINDOW / 2)), from,
      `–${begin + WINDOW - 1} of ${withThousands(size)} `, button(on, `Later ${axis}`, this.inside(index, begin + WINDOW / 2)));
    return control;
  }

  /**
   * The nearest beginning of a window that lies within the axis.
   *
   * @param {number} index
   * @param {number} begin
   */
  inside(index, begin) {
    return clamp(Math.round(begin) || 0, 0, this.wanted.variable.shape[index] - WINDOW);
  }

  /**
   * Begin at another index of an axis; the selected cell stays the same element, as long as it is in the window.
   *
   * @param {number} index
   * @param {number} begin
   */
  moveWindow(index, begin) {
    const to = this.inside(index, begin);
    const side = index === this.columns ? 1 : 0;
    if (this.cell) {
      this.cell = /** @type {Cell} */ (this.cell.with(side, this.cell[side] + this.first[index] - to));
      if (this.cell[side] < 0 || this.cell[side] >= WINDOW) this.cell = null;
    }
    this.first[index] = to;
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
    const labels = Array.from({ length: count }, (_, index) => this.label(axis, index + this.first[axis]));
    return labels[0] === null ? [] : labels.map((label) => label ?? "");
  }

  draw() {
    const labelled = { rows: this.label(this.rows, 0) !== null, columns: this.label(this.columns, 0) !== null };
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
      `Heat map of ${this.wanted.variable.name}, ${this.height} by ${this.width}${this.partSeen()}. Arrow keys move the selected cell.`);
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
    writeLabels(context, this.root, this.layout, this.labels(this.rows, this.height), this.labels(this.columns, this.width));
    canvas.addEventListener("pointermove", (event) => this.read(this.cellAt(event)));
    canvas.addEventListener("click", (event) => this.choose(this.cellAt(event)));
    canvas.addEventListener("keydown", (event) => this.move(event));
    this.frame = frame;
    if (this.cell) this.markCell();
  }

  /** For whoever cannot see it: which part of a large tensor is drawn. */
  partSeen() {
    const { axes, shape } = this.wanted.variable;
    return [...new Set([this.rows, this.columns])].filter((index) => shape[index] > WINDOW)
      .map((index) => `, ${axes[index]} ${this.first[index]} to ${this.first[index] + WINDOW - 1} of ${shape[index]}`).join("");
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
    const position = this.indexOf(cell).map((index, axis) => {
      const label = this.label(axis, index);
      return `${variable.axes[axis]} ${index}${label === null ? "" : ` ${JSON.stringify(label)}`}`;
    });
    this.readout.textContent = `${significant(this.numbers[cell[0] * this.width + cell[1]])} at ${position.join(", ")}`;
  }

  /**
   * The index of a cell into the whole tensor.
   *
   * @param {import("../../frontend/selection.js").Cell} cell
   */
  indexOf([row, column]) {
    const index = [...this.first];
    if (this.rows !== this.columns) index[this.rows] += row;
    index[this.columns] += column;
    return index;
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
    const index = side ? this.columns : this.rows;
    const beyond = next[side] < 0 || next[side] >= (side ? this.width : this.height);
    if (beyond && (side || this.rows !== this.columns) && this.wanted.variable.shape[index] > WINDOW) {
      const before = this.first[index];
      const to = this.inside(index, before + step[side] * (WINDOW / 2));
      next[side] += before - to;
      this.moving = true;
      await this.moveWindow(index, to).finally(() => (this.moving = false));
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
    const response = await this.ask("cell", { implementation, step, name: variable.name,
      index: this.indexOf(this.cell).join(",") });
    const described = await response.json();
    if (turn === this.turn) drawOrigin(this.origin, variable.name, this.indexOf(this.cell), described);
  }
}
