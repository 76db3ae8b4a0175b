// A tensor: a heat map of two of its axes on a canvas, the other axes chosen by number.

import { colour, mixed } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";
import { significant, withThousands } from "../../frontend/format.js";
import { unpack } from "../../frontend/packing.js";
import { drawOrigin } from "./origin.js";

const POSITIONS = ["pos", "query_pos", "key_pos"];
const LARGEST_CELL = 22;
const MANY_ROWS = 128; // from more rows on all are shown at once, however flat
const LABELLED_CELL = 11; // pixels from which on a token fits beside its row
const WINDOW = 512; // rows or columns that are drawn at once, as the server hands them out; larger tensors are moved under it

const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);

export class TensorView {
  constructor(root, ask) {
    this.root = root;
    this.ask = ask; // (what, parameters) => Promise of a Response
    this.turn = 0;
  }

  /** Show `variable`, made by `step` of `implementation`; the chosen axes and cell stay where they fit. */
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
      this.at = shape.map(() => 0);
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
      rows: this.rows, columns: this.columns, at: this.at.join(",") });
    const { shape: [height, width], values } = unpack(await response.arrayBuffer()).window;
    if (turn !== this.turn) return; // another was asked for meanwhile
    this.numbers = values;
    this.height = height;
    this.width = width;
    const active = /** @type {HTMLElement} */ (document.activeElement);
    const focused = this.root.contains(active) ? active.dataset.keep : null;
    this.controls();
    this.draw();
    if (focused) this.root.querySelector(`[data-keep="${focused}"]`)?.focus({ preventScroll: true });
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
        for (let one = 0; one < size; one++) choice.append(new Option(String(one), String(one)));
        choice.value = String(this.at[index]);
        choice.addEventListener("change", () => {
          this.at[index] = Number(choice.value);
          this.load();
        });
        label.append(choice, ` of ${size}`);
        line.append(label);
      }
    });
    this.readout = element("span", "llm-code-readout");
    this.root.append(line);
  }

  /** Which part of a large axis is drawn: a window to move by a half of it, or to a number. */
  windowControl(role, axis, index) {
    const size = this.wanted.variable.shape[index];
    const begin = this.at[index];
    const control = element("span", "llm-code-axis llm-code-window", `${role} ${axis} `);
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

  /** The nearest beginning of a window that lies within the axis. */
  inside(index, begin) {
    return Math.max(0, Math.min(Math.round(begin) || 0, this.wanted.variable.shape[index] - WINDOW));
  }

  /** Begin at another place of an axis; the chosen cell stays the same number, as long as it is in sight. */
  moveWindow(index, begin) {
    const to = this.inside(index, begin);
    const side = index === this.columns ? 1 : 0;
    if (this.cell) {
      this.cell = this.cell.with(side, this.cell[side] + this.at[index] - to);
      if (this.cell[side] < 0 || this.cell[side] >= WINDOW) this.cell = null;
    }
    this.at[index] = to;
    return this.load();
  }

  label(axis, index) {
    const { variable, tokens } = this.wanted;
    return POSITIONS.includes(variable.axes[axis]) && tokens[index] !== undefined ? tokens[index] : null;
  }

  draw() {
    const room = Math.max(240, this.root.clientWidth - 118);
    this.wide = Math.max(1, Math.min(LARGEST_CELL, Math.floor(room / this.width)));
    this.tall = this.height > MANY_ROWS ? Math.max(1, Math.min(this.wide, Math.floor(544 / this.height)))
      : Math.min(LARGEST_CELL, Math.max(this.wide, Math.floor(264 / this.height))); // few rows of many cells stay legible
    this.left = this.tall >= LABELLED_CELL && this.label(this.rows, 0) !== null ? 78 : 0;
    this.top = this.wide >= LABELLED_CELL && this.label(this.columns, 0) !== null ? 62 : 0;
    const canvas = (this.canvas = element("canvas", "llm-code-canvas"));
    const right = this.top ? 36 : 0; // for the slanted label of the last column
    const [width, height] = [this.left + this.width * this.wide + right, this.top + this.height * this.tall];
    const sharp = window.devicePixelRatio || 1;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label",
      `Heat map of ${this.wanted.variable.name}, ${this.height} by ${this.width}${this.partSeen()}. Arrow keys move the chosen cell.`);
    canvas.dataset.keep = "canvas";
    const frame = element("div", "llm-code-frame");
    frame.append(canvas);
    this.origin = element("div", "llm-code-origin");
    this.root.append(frame, this.readout, this.origin);
    this.readout.textContent = "Click a cell to see where it came from.";
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.picture(), this.left, this.top, this.width * this.wide, this.height * this.tall);
    this.writeLabels(pen);
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
      .map((index) => `, ${axes[index]} ${this.at[index]} to ${this.at[index] + WINDOW - 1} of ${shape[index]}`).join("");
  }

  picture() {
    const image = new ImageData(this.width, this.height);
    const [low, middle, high, never] = ["negative", "neutral", "positive", "line"].map((name) => rgb(colour(this.root, name)));
    let greatest = 0;
    for (const value of this.numbers) if (isFinite(value) && Math.abs(value) > greatest) greatest = Math.abs(value);
    this.numbers.forEach((value, index) => {
      const share = greatest ? Math.abs(value) / greatest : 0;
      const shade = isFinite(value) ? mixed(middle, value < 0 ? low : high, Math.sqrt(share)) : never;
      image.data.set([...shade, 255], 4 * index);
    });
    const picture = element("canvas");
    picture.width = this.width;
    picture.height = this.height;
    picture.getContext("2d").putImageData(image, 0, 0);
    return picture;
  }

  writeLabels(pen) {
    pen.fillStyle = colour(this.root, "quiet");
    pen.textBaseline = "middle";
    pen.font = `${Math.min(12, this.tall)}px monospace`;
    for (let row = 0; this.left && row < this.height; row++) {
      pen.textAlign = "right";
      pen.fillText(visibleToken(this.label(this.rows, row + this.at[this.rows]), 10), this.left - 5,
        this.top + (row + 0.5) * this.tall);
    }
    pen.font = `${Math.min(12, this.wide)}px monospace`;
    for (let column = 0; this.top && column < this.width; column++) {
      pen.save();
      pen.translate(this.left + (column + 0.5) * this.wide, this.top - 5);
      pen.rotate(-Math.PI / 3);
      pen.textAlign = "left";
      pen.fillText(visibleToken(this.label(this.columns, column + this.at[this.columns]), 10), 0, 0);
      pen.restore();
    }
  }

  cellAt(event) {
    const column = Math.floor((event.offsetX - this.left) / this.wide);
    const row = Math.floor((event.offsetY - this.top) / this.tall);
    return row >= 0 && column >= 0 && row < this.height && column < this.width ? [row, column] : null;
  }

  read(cell) {
    if (!cell) return;
    const { variable } = this.wanted;
    const place = this.place(cell).map((at, axis) => {
      const label = this.label(axis, at);
      return `${variable.axes[axis]} ${at}${label === null ? "" : ` ${JSON.stringify(label)}`}`;
    });
    this.readout.textContent = `${significant(this.numbers[cell[0] * this.width + cell[1]])} at ${place.join(", ")}`;
  }

  place([row, column]) {
    const place = [...this.at];
    if (this.rows !== this.columns) place[this.rows] += row;
    place[this.columns] += column;
    return place;
  }

  /** Arrow keys choose the next cell. At an edge behind which the tensor goes on, the window moves along. */
  async move(event) {
    const stride = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!stride) return;
    event.preventDefault();
    if (this.moving) return;
    const next = (this.cell ?? [0, 0]).map((one, side) => one + stride[side]);
    const side = stride[0] ? 0 : 1;
    const index = side ? this.columns : this.rows;
    const beyond = next[side] < 0 || next[side] >= (side ? this.width : this.height);
    if (beyond && (side || this.rows !== this.columns) && this.wanted.variable.shape[index] > WINDOW) {
      const before = this.at[index];
      const to = this.inside(index, before + stride[side] * (WINDOW / 2));
      next[side] += before - to;
      this.moving = true;
      await this.moveWindow(index, to).finally(() => (this.moving = false));
    }
    this.choose([Math.min(this.height - 1, Math.max(0, next[0])), Math.min(this.width - 1, Math.max(0, next[1]))]);
    this.mark?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

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
    this.mark.style.left = `${this.left + this.cell[1] * this.wide - 1}px`;
    this.mark.style.top = `${this.top + this.cell[0] * this.tall - 1}px`;
    this.mark.style.width = `${this.wide + 2}px`;
    this.mark.style.height = `${this.tall + 2}px`;
    this.frame.append(this.mark);
  }

  async explain() {
    const turn = this.turn;
    const { variable, implementation, step } = this.wanted;
    const response = await this.ask("cell", { implementation, step, name: variable.name,
      at: this.place(this.cell).join(",") });
    const found = await response.json();
    if (turn === this.turn) drawOrigin(this.origin, variable.name, this.place(this.cell), found);
  }
}

/** A token short enough for a label, its spaces and line breaks visible. */
function visibleToken(text, most) {
  const shown = text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");
  return shown.length > most ? `${shown.slice(0, most - 1)}…` : shown;
}
