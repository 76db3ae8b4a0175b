// Positions: the cosines of their vectors, or, where a score depends on distance, the effect of distance alone.

import { channels, colour, mixed } from "../../frontend/colours.js";
import { contextOf, element, shape } from "../../frontend/dom.js";
import { fixed } from "../../frontend/format.js";
import { extent, linear, linePath } from "../../frontend/scales.js";

/** @typedef {import("./view.js").Data} Data */

export class Positions {
  /** @param {Data} data */
  constructor(data) {
    this.data = data;
    this.byDistance = data.positions.curves !== null;
    this.root = element("div", "llm-positions");
    this.canvas = element("canvas", "llm-positions-matrix");
    this.canvas.setAttribute("role", "img");
    this.note = element("p", "llm-part-note");
    this.lines = element("div", "llm-part-panel");
    this.position = Math.floor(data.context / 2);
    if (this.byDistance) this.root.append(this.lines);
    else this.addMatrix();
    this.root.append(this.note);
  }

  addMatrix() {
    const label = element("label", "llm-positions-slider", "Position ");
    this.slider = element("input");
    Object.assign(this.slider, { type: "range", min: 0, max: this.data.context - 1, value: this.position });
    this.slider.addEventListener("input", () => this.choose(Number(this.slider.value)));
    this.canvas.addEventListener("click", (event) => {
      const box = this.canvas.getBoundingClientRect();
      this.choose(Math.min(this.data.context - 1, Math.floor(((event.clientY - box.top) / box.height) * this.data.context)));
    });
    label.append(this.slider);
    const side = element("div");
    side.append(label, this.lines);
    const body = element("div", "llm-positions-body");
    body.append(this.canvas, side);
    this.root.append(body);
  }

  /** @param {import("../../frontend/packing.js").PackedArray} curves [curve, position or distance] */
  show({ shape: [rows], values }) {
    this.rows = rows;
    this.numbers = values;
    this.draw();
  }

  /** @param {number} position */
  choose(position) {
    this.position = position;
    this.slider.value = String(position);
    this.draw();
  }

  draw() {
    if (!this.numbers) return;
    const { context, positions } = this.data;
    if (this.byDistance) {
      const curves = [...Array(this.rows).keys()].map((row) => this.numbers.subarray(row * context, (row + 1) * context));
      this.lines.replaceChildren(this.plot(positions.curves.title, curves, "distance between query and key"));
      this.note.textContent = positions.curves.note;
      return;
    }
    this.paint();
    const row = this.numbers.subarray(this.position * context, (this.position + 1) * context);
    this.lines.replaceChildren(this.plot(`Cosine of position ${this.position} with every other position`, [row], "position"));
    this.note.textContent = `Each cell: the cosine of two position vectors, from −1 over 0 to 1. Click the map, or move the slider, for one row of it.`
      + (positions.learned ? "" : " These vectors are fixed, not learned.");
  }

  paint() {
    const { context } = this.data;
    const [none, more, less] = ["neutral", "positive", "negative"].map((name) => channels(this.root, name));
    this.canvas.width = this.canvas.height = context;
    this.canvas.setAttribute("aria-label", `Cosines of ${context} by ${context} positions`);
    const image = new ImageData(context, context);
    this.numbers.forEach((value, index) => image.data.set([...mixed(none, value < 0 ? less : more, Math.min(1, Math.abs(value))), 255], 4 * index));
    const brush = contextOf(this.canvas);
    brush.putImageData(image, 0, 0);
    brush.fillStyle = colour(this.root, "--st-text-color");
    brush.fillRect(0, this.position, context, Math.max(1, context / 300));
  }

  /**
   * Lines over 0 … n − 1, from solid for the first to faint for the last.
   *
   * @param {string} title
   * @param {Float32Array[]} lines
   * @param {string} across
   */
  plot(title, lines, across) {
    const box = element("figure", "llm-part-figure");
    const svg = shape("svg", { viewBox: "0 0 460 230", class: "llm-part-chart llm-positions-plot", role: "img" });
    svg.setAttribute("aria-label", title);
    const [low, high] = extent(lines.flatMap((line) => [...line]), [0]);
    const count = lines[0].length;
    const x = linear([0, count - 1], [48, 444]);
    const y = linear([high, low], [12, 196]);
    svg.append(shape("line", { x1: 48, x2: 444, y1: y(0), y2: y(0), class: "llm-part-axis" }));
    lines.forEach((line, order) => svg.append(shape("path", {
      d: linePath(Array.from(line, (value, index) => [x(index), y(value)])),
      class: "llm-part-path", "stroke-opacity": (1 - (0.8 * order) / lines.length).toFixed(2) })));
    for (const value of new Set([low, 0, high])) {
      svg.append(shape("text", { x: 42, y: y(value) + 4, "text-anchor": "end" }, fixed(value, 1)));
    }
    svg.append(shape("text", { x: 48, y: 216 }, "0"), shape("text", { x: 444, y: 216, "text-anchor": "end" }, String(count - 1)),
      shape("text", { x: 246, y: 216, "text-anchor": "middle" }, across));
    box.append(element("figcaption", "llm-part-title", title), svg);
    return box;
  }
}
