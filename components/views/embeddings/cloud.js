// Points on a plane or in space, each of a colour and a shape. Space is turned by dragging, or with the arrow keys.

import { colour } from "../../frontend/colours.js";
import { contextOf, element, oncePerFrame } from "../../frontend/dom.js";
import { clamp } from "../../frontend/scales.js";
import { arrowStep } from "../../frontend/selection.js";

/**
 * What the map shows.
 *
 * @typedef {object} Shown
 * @property {Float32Array} points [point, 3]
 * @property {boolean} space three dimensions rather than two
 * @property {number[]} reach the greatest numbers along the axes, the same for all snapshots
 * @property {(point: number) => Appearance} appearance
 * @property {number[]} order whose names matter first
 * @property {string[]} axes their names
 * @property {number | null} chosen
 * @property {string} title
 */

/**
 * How a point is drawn, and the text of its tooltip.
 *
 * @typedef {object} Appearance
 * @property {string} fill
 * @property {number} shape of SHAPES
 * @property {string} name
 * @property {string} hover
 */

const NAMED = 70; // tokens whose names are written, if there is room
const NEAR_ENOUGH = 14; // pixels between pointer and point

/**
 * Shapes, so that kinds can be told apart without their colours.
 *
 * @type {((brush: CanvasRenderingContext2D, x: number, y: number, r: number) => void)[]}
 */
export const SHAPES = [
  (brush, x, y, r) => brush.arc(x, y, r, 0, 7),
  (brush, x, y, r) => brush.rect(x - r, y - r, 2 * r, 2 * r),
  (brush, x, y, r) => polygon(brush, x, y, 1.3 * r, [0, 120, 240]),
  (brush, x, y, r) => polygon(brush, x, y, 1.3 * r, [0, 90, 180, 270]),
  (brush, x, y, r) => polygon(brush, x, y, 1.3 * r, [60, 180, 300]),
  (brush, x, y, r) => polygon(brush, x, y, 1.4 * r, [0, 144, 288, 72, 216]),
  (brush, x, y, r) => polygon(brush, x, y, 1.3 * r, [30, 90, 150, 210, 270, 330]),
];

/**
 * @param {CanvasRenderingContext2D} brush
 * @param {number} x
 * @param {number} y
 * @param {number} r
 * @param {number[]} angles
 */
function polygon(brush, x, y, r, angles) {
  angles.forEach((angle, index) => {
    const turn = (angle * Math.PI) / 180;
    brush[index ? "lineTo" : "moveTo"](x + r * Math.sin(turn), y - r * Math.cos(turn));
  });
  brush.closePath();
}

export class Cloud {
  /**
   * `choose(point)` is called for a click.
   *
   * @param {(point: number) => void} choose
   */
  constructor(choose) {
    this.turn = { yaw: 0.6, pitch: 0.4 };
    this.chosen = null;
    this.root = element("div", "llm-cloud");
    this.canvas = element("canvas", "llm-cloud-canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.tip = element("div", "llm-cloud-tip");
    this.tip.hidden = true;
    this.root.append(this.canvas, this.tip);
    this.listen(choose);
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  /** @param {(point: number) => void} choose */
  listen(choose) {
    /** @type {[x: number, y: number, dragged: number] | null} */
    let from = null;
    const hover = oncePerFrame((/** @type {MouseEvent} */ event) => {
      const point = this.at(event);
      this.showTip(point, event);
    });
    this.canvas.addEventListener("pointerdown", (event) => (from = [event.clientX, event.clientY, 0]));
    this.canvas.addEventListener("pointerup", (event) => {
      const point = this.at(event);
      if (from && from[2] < 5 && point !== null) choose(point);
      from = null;
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (from && event.buttons && this.space) {
        const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
        from = [event.clientX, event.clientY, from[2] + Math.abs(right) + Math.abs(down)];
        this.rotate(right / 150, down / 150);
      } else hover(event);
    });
    this.canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("keydown", (event) => {
      const step = arrowStep(event.key);
      if (!step || !this.space) return;
      this.rotate(0.1 * step[1], 0.1 * step[0]);
      event.preventDefault();
    });
  }

  /**
   * @param {number} right
   * @param {number} down
   */
  rotate(right, down) {
    this.turn.yaw += right;
    this.turn.pitch = clamp(this.turn.pitch + down, -1.5, 1.5);
    this.draw();
  }

  /**
   * `points`: numbers [point, 3]; `reach`: the greatest numbers along the axes, the same for all snapshots;
   * `appearance(point)`: { fill, shape, name, hover }; `order`: whose names matter first; `axes`: the names of the axes.
   *
   * @param {Shown} shown
   */
  show({ points, space, reach, appearance, order, axes, chosen, title }) {
    this.points = points;
    this.space = space;
    this.reach = reach;
    this.appearance = appearance;
    this.order = order;
    this.axes = axes;
    this.chosen = chosen;
    this.canvas.setAttribute("aria-label", `${title}.${space ? " Arrow keys turn it." : ""} Tokens can be found by name below.`);
    this.draw();
  }

  /**
   * Where a point is on the canvas, and how near to the viewer.
   *
   * @param {number} x
   * @param {number} y
   * @param {number} z
   */
  spot(x, y, z) {
    const { width, height } = this.size;
    const [wide, high] = this.reach;
    const room = [width / 2 - 26, height / 2 - 26];
    if (!this.space) {
      const scale = Math.min(room[0] / wide, room[1] / high); // one for both, so that distances can be compared
      return [width / 2 + x * scale, height / 2 - y * scale, 0];
    }
    const scale = Math.min(...room) / (1.2 * Math.max(...this.reach));
    const [sin, cos] = [Math.sin(this.turn.yaw), Math.cos(this.turn.yaw)];
    const [rise, level] = [Math.sin(this.turn.pitch), Math.cos(this.turn.pitch)];
    const [right, deep] = [x * cos + z * sin, z * cos - x * sin];
    return [width / 2 + right * scale, height / 2 - (y * level - deep * rise) * scale, deep * level + y * rise];
  }

  draw() {
    const width = this.root.clientWidth;
    if (!this.points || !width) return;
    const sharp = window.devicePixelRatio || 1;
    this.size = { width, height: Math.min(560, Math.round(0.8 * width)) };
    Object.assign(this.canvas, { width: width * sharp, height: this.size.height * sharp });
    this.canvas.style.height = `${this.size.height}px`;
    const brush = contextOf(this.canvas);
    brush.scale(sharp, sharp);
    this.drawAxes(brush);
    const count = this.points.length / 3;
    this.spots = Array.from({ length: count }, (_, point) => {
      const [x, y, z] = this.points.subarray(3 * point, 3 * point + 3);
      return this.spot(x, y, z);
    });
    const order = [...this.spots.keys()];
    if (this.space) order.sort((one, other) => this.spots[other][2] - this.spots[one][2]); // the nearest last
    const radius = count > 5000 ? 1.6 : count > 400 ? 2.6 : 4;
    for (const point of order) this.dot(brush, point, radius);
    this.writeNames(brush);
    if (this.chosen !== null && this.chosen < count) this.ring(brush, this.chosen);
  }

  /**
   * @param {CanvasRenderingContext2D} brush
   * @param {number} point
   * @param {number} radius
   */
  dot(brush, point, radius) {
    const { fill, shape } = this.appearance(point);
    brush.globalAlpha = 0.8;
    brush.fillStyle = fill;
    brush.beginPath();
    const [x, y] = this.spots[point];
    SHAPES[shape](brush, x, y, radius);
    brush.fill();
    brush.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} brush
   * @param {number} point
   */
  ring(brush, point) {
    const [x, y] = this.spots[point];
    brush.strokeStyle = brush.fillStyle = colour(this.root, "--st-text-color");
    brush.lineWidth = 2;
    brush.beginPath();
    brush.arc(x, y, 9, 0, 7);
    brush.stroke();
    brush.font = "bold 13px ui-monospace, monospace";
    brush.textAlign = "left";
    brush.fillText(this.appearance(point).name, x + 12, y + 4);
  }

  /** @param {CanvasRenderingContext2D} brush */
  drawAxes(brush) {
    brush.strokeStyle = colour(this.root, "line");
    brush.fillStyle = colour(this.root, "quiet");
    brush.font = `12px ${getComputedStyle(this.root).fontFamily}`;
    const [wide, high, deep] = this.reach;
    const ends = [[wide, 0, 0], [0, high, 0], [0, 0, deep]].slice(0, this.space ? 3 : 2);
    ends.forEach(([x, y, z], index) => {
      const [from, to] = [this.spot(-x, -y, -z), this.spot(x, y, z)];
      brush.beginPath();
      brush.moveTo(from[0], from[1]);
      brush.lineTo(to[0], to[1]);
      brush.stroke();
      brush.textAlign = to[0] > 0.8 * this.size.width ? "right" : "left";
      brush.fillText(this.axes[index], to[0] + (brush.textAlign === "right" ? 0 : 5), Math.max(12, to[1] - 6));
    });
  }

  /**
   * Names beside points, in the order of what matters, where none stands yet.
   *
   * @param {CanvasRenderingContext2D} brush
   */
  writeNames(brush) {
    brush.font = "11px ui-monospace, monospace";
    brush.fillStyle = colour(this.root, "--st-text-color");
    brush.strokeStyle = colour(this.root, "panel");
    brush.lineWidth = 3;
    brush.textAlign = "left";
    /** @type {number[][]} */
    const taken = [];
    let written = 0;
    for (const point of this.order) {
      if (written === NAMED) break;
      const [x, y] = this.spots[point];
      const name = this.appearance(point).name;
      const box = [x + 5, y - 6, x + 9 + 6.7 * [...name].length, y + 6];
      if (taken.some(([left, top, right, low]) => box[0] < right && box[2] > left && box[1] < low && box[3] > top)) continue;
      taken.push(box);
      brush.strokeText(name, x + 6, y + 4); // a rim that keeps points from running into the letters
      brush.fillText(name, x + 6, y + 4);
      written++;
    }
  }

  /**
   * The point under the pointer, or nothing.
   *
   * @param {MouseEvent} event
   */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    /** @type {number | null} */
    let best = null;
    let distance = NEAR_ENOUGH;
    (this.spots ?? []).forEach(([left, top], point) => {
      const far = Math.hypot(left - x, top - y);
      if (far < distance) [best, distance] = [point, far];
    });
    return best;
  }

  /**
   * @param {number | null} point
   * @param {MouseEvent} event
   */
  showTip(point, event) {
    this.tip.hidden = point === null;
    if (point === null) return;
    this.tip.textContent = this.appearance(point).hover;
    const frame = this.root.getBoundingClientRect();
    this.tip.style.left = `${Math.max(0, Math.min(event.clientX - frame.left + 14, frame.width - 220))}px`;
    this.tip.style.top = `${event.clientY - frame.top + 16}px`;
  }
}
