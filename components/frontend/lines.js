// A chart of lines over the steps of a run, or over positions, with names at the ends of the lines.

import { element, shape } from "./dom.js";
import { fixed, withThousands } from "./format.js";
import { extent, linear, linePath, spreadNames, ticks } from "./scales.js";

const SIZE = { width: 480, height: 200, left: 44, top: 14, bottom: 28 };
const MARGIN = 14; // on the right, where no names stand
const NAME_HEIGHT = 14;
const TICK_GAP = 36; // units of the drawing between two ticks

/**
 * A line over the chart's x values. Its look says what it is: `chosen`, `loss`, `control` (dashed), … as in lines.css.
 * The name of a `faint` line only shows under the pointer.
 *
 * @typedef {[name: string, values: (number | null | undefined)[], look: string]} Line
 */

/**
 * @typedef {object} Options
 * @property {number} [least] the top of the axis at least
 * @property {number} [now] where a vertical line stands
 * @property {number} [room] for the names, on the right of the lines; without it they stand above the ends of the lines
 * @property {boolean} [steps] steps on a logarithmic scale, as the snapshots are; else positions
 */

/**
 * @param {string} title
 * @param {number[]} xs
 * @param {Line[]} lines
 * @param {Options} options
 */
export function lineChart(title, xs, lines, { least = 0, now, room = 0, steps = true }) {
  const { width, height, left, top, bottom } = SIZE;
  const right = width - (room || MARGIN);
  const figure = element("figure", "llm-lines");
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "llm-lines-plot", role: "img", "aria-label": spoken(title, lines) });
  figure.append(element("figcaption", "llm-lines-title", title), svg);
  const last = xs[xs.length - 1];
  const scaled = (/** @type {number} */ value) => (steps ? Math.log2(value + 1) : value);
  const along = linear([0, scaled(last) || 1], [left, right]);
  const x = (/** @type {number} */ value) => along(scaled(value));
  const [low, high] = extent(lines.flatMap(([, values]) => values), [0, least]);
  const y = linear([high, low], [top, height - bottom]);

  svg.append(shape("line", { x1: left, x2: right, y1: y(0), y2: y(0), class: "llm-lines-axis" }));
  for (const value of new Set([low, 0, high])) {
    svg.append(shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, fixed(value, 2)));
  }
  /** @type {[end: number, name: string][]} */
  const named = [];
  for (const [name, values, look] of lines) {
    /** @type {[x: number, y: number][]} */
    const points = values.flatMap((value, index) => (typeof value === "number" ? [[x(xs[index]), y(value)]] : []));
    if (!points.length) continue;
    const path = shape("path", { d: linePath(points), class: `llm-lines-line llm-lines-${look}` });
    if (name) path.append(shape("title", {}, name));
    svg.append(path);
    if (name && look !== "faint") named.push([points[points.length - 1][1], `${name} ${values.at(-1)?.toFixed(2) ?? ""}`]);
  }
  svg.append(...names(named, room ? { x: right + 7 } : { x: right - 4, "text-anchor": "end" }, room ? 4 : -5));
  if (now !== undefined) svg.append(shape("line", { x1: x(now), x2: x(now), y1: top, y2: height - bottom, class: "llm-lines-now" }));
  const wanted = steps ? xs.filter((step) => (step & (step - 1)) === 0) : [xs[0], xs[xs.length >> 1]];
  for (const value of ticks(wanted, last, x, TICK_GAP)) {
    svg.append(shape("text", { x: x(value), y: height - 8, "text-anchor": "middle" }, withThousands(value)));
  }
  return figure;
}

/**
 * What a screen reader says: the title, and where each named line ends.
 *
 * @param {string} title
 * @param {Line[]} lines
 */
function spoken(title, lines) {
  const ends = lines.filter(([name, , look]) => name && look !== "faint")
    .map(([name, values]) => `${name} ${values.at(-1)?.toFixed(2) ?? "unknown"}`);
  return ends.length ? `${title}: ${ends.join(", ")} at the end` : title;
}

/**
 * Names at the ends of lines, moved apart where they would cover each other, and none below the axis.
 *
 * @param {[end: number, name: string][]} named
 * @param {Record<string, string | number>} attributes
 * @param {number} shift of the baseline from the end of the line
 */
function names(named, attributes, shift) {
  const { height, top, bottom } = SIZE;
  named.sort(([first], [second]) => first - second);
  const baselines = spreadNames(named.map(([end]) => end + shift), top + 4, NAME_HEIGHT);
  let lowest = height - bottom;
  for (let index = baselines.length - 1; index >= 0; index -= 1) { // those above move up only as far as they must
    baselines[index] = Math.min(baselines[index], lowest);
    lowest = baselines[index] - NAME_HEIGHT;
  }
  return baselines.map((baseline, index) =>
    shape("text", { ...attributes, y: baseline, class: "llm-lines-name" }, named[index][1]));
}
