// The curves of several runs in one chart, each with its letter where it ends.

import { colour } from "../../frontend/colours.js";
import { fixed } from "../../frontend/format.js";
import { extent, spreadNames } from "../../frontend/scales.js";

/** @typedef {import("../../frontend/plotly.js").Plotly} Plotly */

/**
 * Points as columns: the axes `step`, `tokens`, `seconds`, `flops`, and losses in `nats` and `bits`, with `…_error`, or
 * in a band `…_low` and `…_high`.
 *
 * @typedef {Record<string, (number | null)[]>} Columns
 */

/** @typedef {{ training: Columns, validation: Columns, final: Columns }} Curves */

/**
 * What is drawn as one line: a run, or a band of runs.
 *
 * @typedef {{ letters: string, index: number, curves: Curves }} Line
 */

/**
 * How the curves are drawn.
 *
 * @typedef {object} Drawing
 * @property {string} axis
 * @property {string} axisTitle
 * @property {string} unit
 * @property {string} unitTitle
 * @property {string[]} logarithmic
 */

const SYMBOLS = ["circle", "square", "pentagon", "cross", "triangle-up", "x", "triangle-down", "star"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px 2px 1px 2px", "1px 3px"];
const HEIGHT = 330;
const MARGIN = { l: 50, r: 34, t: 8, b: 42 };
const LARGE = ["tokens", "flops"]; // axes on which 10,000,000,000 is 10G
const LETTER_HEIGHT = 14;
const CONFIG = { displaylogo: false, displayModeBar: false };

/**
 * The lines: with `bands`, one for each group of runs that differ only in their seed, else one for each run.
 *
 * @param {{ run: string, curves: Curves }[]} runs
 * @param {{ runs: string[], curves: Curves }[]} groups
 * @param {boolean} bands
 * @returns {Line[]}
 */
export function linesOf(runs, groups, bands) {
  const grouped = new Map(bands ? groups.flatMap((group) => group.runs.map((run) => [run, group])) : []);
  return runs.flatMap(({ run, curves }, index) => {
    const group = grouped.get(run);
    if (!group) return [{ letters: run, index, curves }];
    return group.runs[0] === run ? [{ letters: group.runs.join(""), index, curves: group.curves }] : [];
  });
}

/**
 * A curve's points that can be drawn: what is not known has no place, and on a logarithmic axis neither has 0.
 *
 * @param {Columns} columns
 * @param {Drawing} drawing
 * @returns {Columns}
 */
export function drawable(columns, { axis, unit, logarithmic }) {
  const fits = (/** @type {number | null} */ value, /** @type {string} */ name) =>
    typeof value === "number" && (value > 0 || !logarithmic.includes(name));
  const { [axis]: xs = [], [unit]: ys = [] } = columns;
  const kept = xs.flatMap((x, index) => (fits(x, "x") && fits(ys[index], "y") ? [index] : []));
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, kept.map((index) => values[index])]));
}

/**
 * Where lines end.
 *
 * @param {Line[]} lines
 * @param {"training" | "validation"} curve
 * @param {Drawing} drawing
 */
function ends(lines, curve, drawing) {
  return lines.flatMap((line) => {
    const columns = drawable(line.curves[curve], drawing);
    const [x, y] = [columns[drawing.axis]?.at(-1), columns[drawing.unit]?.at(-1)];
    return typeof x === "number" && typeof y === "number" ? [{ line, x, y }] : [];
  });
}

/**
 * The range of the vertical axis: all values, and a little room.
 *
 * @param {Line[]} lines
 * @param {"training" | "validation"} curve
 * @param {string} unit
 * @param {boolean} logarithmic then the range is of logarithms, as Plotly wants it
 * @returns {[low: number, high: number]}
 */
export function rangeOf(lines, curve, unit, logarithmic) {
  const values = lines.flatMap(({ curves }) => [unit, `${unit}_low`, `${unit}_high`]
    .flatMap((name) => [...(curves[curve][name] ?? []), ...(curve === "validation" ? curves.final[name] ?? [] : [])]))
    .filter((value) => typeof value === "number" && (!logarithmic || value > 0));
  if (!values.length) return [0, 1];
  const [low, high] = extent(values, [/** @type {number} */ (values[0])])
    .map((value) => (logarithmic ? Math.log10(value) : value));
  const room = 0.05 * (high - low) || 0.1;
  return [low - room, high + room];
}

/**
 * The letters at the ends of lines; those that end at about the same place are moved apart.
 *
 * @param {Line[]} lines
 * @param {"training" | "validation"} curve
 * @param {Drawing} drawing
 * @param {[low: number, high: number]} range
 * @param {(index: number) => string} colourOf
 */
function letters(lines, curve, drawing, [low, high], colourOf) {
  const logX = drawing.logarithmic.includes("x");
  const logY = drawing.logarithmic.includes("y");
  const at = (/** @type {number} */ value, /** @type {boolean} */ log) => (log ? Math.log10(value) : value);
  const shown = ends(lines, curve, drawing)
    .map((end) => ({ ...end, x: at(end.x, logX), y: at(end.y, logY) })).sort((first, second) => first.y - second.y);
  const pixels = (HEIGHT - MARGIN.t - MARGIN.b) / (high - low);
  const widest = Math.max(...shown.map(({ x }) => Math.abs(x)));
  const column = (/** @type {number} */ x) => Math.round((20 * x) / (widest || 1));
  return [...new Set(shown.map(({ x }) => column(x)))].flatMap((near) => {
    const group = shown.filter(({ x }) => column(x) === near);
    const places = spreadNames(group.map(({ y }) => (y - low) * pixels), 0, LETTER_HEIGHT);
    return group.map(({ line, x, y }, index) => ({ x, y, xanchor: "left", xshift: 8, showarrow: false,
      yshift: places[index] - (y - low) * pixels, text: `<b>${line.letters}</b>`,
      font: { color: colourOf(line.index), size: 12 } }));
  });
}

/**
 * @param {Line} line
 * @param {"training" | "validation"} curve
 * @param {Drawing} drawing
 * @param {string} color
 */
export function tracesOf({ letters: name, index, curves }, curve, drawing, color) {
  const { axis, unit } = drawing;
  const columns = drawable(curves[curve], drawing);
  const x = columns[axis] ?? [];
  const y = columns[unit] ?? [];
  const errors = columns[`${unit}_error`];
  /** @type {Record<string, any>[]} what Plotly draws */
  const traces = [];
  if (columns[`${unit}_low`]) {
    const edge = { x, mode: "lines", line: { width: 0, color }, hoverinfo: "skip" };
    traces.push({ ...edge, y: columns[`${unit}_low`] },
      { ...edge, y: columns[`${unit}_high`], fill: "tonexty", fillcolor: color.replace("rgb(", "rgba(").replace(")", ", 0.22)") });
  }
  const text = y.map((value, at) => {
    if (typeof value !== "number") return "";
    const error = columns[`${unit}_low`]
      ? ` (${fixed(columns[`${unit}_low`][at] ?? value)} to ${fixed(columns[`${unit}_high`][at] ?? value)})`
      : errors && typeof errors[at] === "number" ? ` ± ${fixed(/** @type {number} */ (errors[at]))}` : "";
    return `${name} ${fixed(value)}${error}`;
  });
  const measured = curve === "validation";
  traces.push({ x, y, text, hovertemplate: "%{text}<extra></extra>", mode: measured ? "lines+markers" : "lines",
    line: { color, width: 2, dash: measured ? "solid" : DASHES[index] },
    marker: { color, size: 6, symbol: SYMBOLS[index] },
    ...(measured && errors ? { error_y: { type: "data", array: errors.map((error) => error ?? 0), color, thickness: 1, width: 2 } } : {}) });
  if (measured && curves.final[axis]?.length) {
    const value = curves.final[unit][0];
    const error = curves.final[`${unit}_error`][0];
    if (typeof value === "number") {
      traces.push({ x: curves.final[axis], y: [value], mode: "markers", cliponaxis: false,
        text: [`${name} ${fixed(value)}${typeof error === "number" ? ` ± ${fixed(error)}` : ""}, on all of the text`],
        hovertemplate: "%{text}<extra></extra>", marker: { color, size: 11, symbol: "diamond-open", line: { width: 2 } } });
    }
  }
  return traces;
}

/**
 * @param {Plotly} plotly
 * @param {HTMLElement} chart the element that is drawn in
 * @param {HTMLElement} root
 * @param {Line[]} lines
 * @param {"training" | "validation"} curve
 * @param {Drawing} drawing
 */
export function drawCurves(plotly, chart, root, lines, curve, drawing) {
  const [quiet, grid] = ["quiet", "line"].map((name) => colour(root, name));
  const colourOf = (/** @type {number} */ index) => colour(root, `run-${index}`);
  const axis = { gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, tickfont: { size: 11 } };
  const title = (/** @type {string} */ text) => ({ text, font: { size: 12 } });
  const kind = (/** @type {string} */ name) => (drawing.logarithmic.includes(name) ? "log" : "linear");
  const range = rangeOf(lines, curve, drawing.unit, kind("y") === "log");
  plotly.react(chart, lines.flatMap((line) => tracesOf(line, curve, drawing, colourOf(line.index))), {
    width: chart.clientWidth,
    height: HEIGHT,
    margin: MARGIN,
    showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: quiet, family: getComputedStyle(root).fontFamily, size: 12 },
    hovermode: "closest",
    hoverlabel: { bgcolor: colour(root, "panel"), font: { color: colour(root, "--st-text-color") } },
    xaxis: { ...axis, title: title(drawing.axisTitle), type: kind("x"),
      exponentformat: LARGE.includes(drawing.axis) ? "SI" : "none" },
    yaxis: { ...axis, title: title(drawing.unitTitle), type: kind("y"), range },
    annotations: letters(lines, curve, drawing, range, colourOf),
    uirevision: JSON.stringify(drawing), // zoom survives new data, not another axis
  }, CONFIG);
}
