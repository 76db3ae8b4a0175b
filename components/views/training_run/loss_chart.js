// The losses of a run: of each step, smoothed, on validation text, with lines to compare them with.

import { channels, colour } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { withError, withThousands } from "../../frontend/format.js";
import { asSeen } from "../../frontend/picture.js";
import { extent } from "../../frontend/scales.js";
import { CONFIG, labelShifts, layoutOf } from "./charts.js";
import { axisEnd, measuredOn } from "./history.js";

/** @typedef {import("./history.js").RunHistory} RunHistory */
/** @typedef {import("../../frontend/plotly.js").Plotly} Plotly */
/** @typedef {{ name: string, label: string, loss: number }} Baseline */

/**
 * What the chart shows beside the losses that the run measures.
 *
 * @typedef {object} LossData
 * @property {string} title of the picture
 * @property {number} steps of the whole run
 * @property {Baseline[]} baselines
 * @property {{ bits: number, error: number } | null} floor the entropy of the text in bits per character
 * @property {{ seeds: number, steps: number[], low: number[], high: number[] } | null} expected validation losses of runs
 *   with these settings
 * @property {string} logarithmic the axes that begin logarithmic: "x", "y" or both
 * @property {import("../../frontend/export.js").Links} export
 */

const FLOOR = "floor";
const AROUND_PLOT = 170; // pixels that legend, margins and the axis' title take at most
/** @type {[name: string, label: string][]} */
const AXES = [["x", "steps"], ["y", "loss"]];

export class LossChart {
  /**
   * @param {LossData} data
   * @param {(axes: string) => void} changed is told which axes are logarithmic
   */
  constructor(data, changed) {
    this.data = data;
    this.logarithmic = data.logarithmic;
    this.root = element("figure", "llm-live-loss");
    const title = element("figcaption", "llm-live-title", "Loss");
    title.dataset.live = ""; // a picture has a longer one
    const choice = element("fieldset", "llm-live-axes");
    choice.dataset.live = ""; // left out of a picture
    choice.append(element("legend", "", "Logarithmic:"));
    for (const [axis, label] of AXES) {
      const box = element("input");
      box.type = "checkbox";
      box.checked = this.logarithmic.includes(axis);
      box.addEventListener("change", () => {
        const chosen = (/** @type {string} */ name) => (name === axis ? box.checked : this.logarithmic.includes(name));
        this.logarithmic = AXES.map(([name]) => name).filter(chosen).join("");
        changed(this.logarithmic);
      });
      const line = element("label");
      line.append(box, label);
      choice.append(line);
    }
    const head = element("div", "llm-live-loss-head");
    head.append(title, choice);
    this.chart = element("div", "llm-live-chart");
    this.chart.append(element("div", "llm-live-loading", "Loading the chart …"));
    this.above = element("div", "llm-live-label");
    this.root.append(head, this.above, this.chart, exportRow(data.export, () => asSeen(this.root, data.title)));
  }

  /**
   * @param {Plotly} plotly
   * @param {HTMLElement} parent an element in the theme
   * @param {RunHistory} history
   * @param {number} revision another one where the lists, which grow in place, have changed
   */
  draw(plotly, parent, history, revision) {
    this.chart.querySelector(".llm-live-loading")?.remove();
    const { data: { expected, steps }, logarithmic } = this;
    const lines = [...this.data.baselines, ...floorLine(this.data.floor, history.evaluation)].filter(({ loss }) => loss > 0);
    const layout = layoutOf(this.chart, parent, parent.clientWidth < 700 ? 380 : 420, "Loss, nats per token", revision);
    const colourOf = (/** @type {string} */ name) => colour(parent, name === FLOOR ? "good" : "baseline");
    // where the curve, which falls to the right, is not in the way
    const side = (/** @type {string} */ name) =>
      (x.type === "log" || name === FLOOR ? { x: 0, xanchor: "left" } : { x: 1, xanchor: "right" });
    const x = scaleOf(logarithmic.includes("x")), y = scaleOf(logarithmic.includes("y"));
    const range = lossRange(history, lines.map(({ loss }) => loss), y.type === "log");
    const [bottom, top] = range.map(y.at);
    this.above.textContent = aboveAxis(history, range[1]);
    const shifts = labelShifts(lines.map(({ loss }) => y.at(loss)), (layout.height - AROUND_PLOT) / (top - bottom));
    const shown = [...(expected ? band(expected, parent) : []), ...traces(history, parent)];
    plotly.react(this.chart, x.type === "log" ? shown.map(withoutStart) : shown, {
      ...layout,
      xaxis: { ...layout.xaxis, type: x.type, range: [x.type === "log" ? 1 : 0, axisEnd(history.last?.step ?? 0, steps)].map(x.at) },
      yaxis: { ...layout.yaxis, type: y.type, range: [bottom, top] },
      uirevision: `kept ${logarithmic}`, // zoom and hidden lines survive new data, not another axis
      shapes: lines.map(({ name, loss }) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: loss, y1: loss, name,
        line: { color: colourOf(name), width: 1.2, dash: name === FLOOR ? "solid" : "dash" } })),
      annotations: lines.map(({ name, label, loss }, index) => ({ ...side(name), xref: "paper", y: y.at(loss),
        yanchor: "bottom", showarrow: false, text: `${label} ${loss.toFixed(2)}`, font: { color: colourOf(name), size: 11 },
        yshift: shifts[index] })),
    }, CONFIG);
  }
}

/**
 * The kind of an axis, and where a value is on it, as Plotly counts in ranges and annotations.
 *
 * @param {boolean} logarithmic
 */
const scaleOf = (logarithmic) =>
  logarithmic ? { type: "log", at: Math.log10 } : { type: "linear", at: (/** @type {number} */ value) => value };

/**
 * A line without the points at step 0, for which a logarithmic axis has no place.
 *
 * @template {{ x: number[], y: number[], text?: string[], error_y?: { array: number[] } }} Trace
 * @param {Trace} trace
 * @returns {Trace}
 */
export function withoutStart(trace) {
  const start = trace.x.findIndex((step) => step > 0);
  if (start === 0) return trace;
  const rest = (/** @type {any[]} */ values) => (start < 0 ? [] : values.slice(start));
  const { x, y, text, error_y } = trace;
  return { ...trace, x: rest(x), y: rest(y), ...(text && { text: rest(text) }),
    ...(error_y && { error_y: { ...error_y, array: rest(error_y.array) } }) };
}

/**
 * The floor as a line: bits per character in nats per token, with as many characters in a token as the validation text
 * has.
 *
 * @param {{ bits: number } | null} floor
 * @param {import("./history.js").Evaluation | null} evaluation
 * @returns {Baseline[]}
 */
export function floorLine(floor, evaluation) {
  if (!floor || !evaluation) return [];
  const loss = (floor.bits * evaluation.loss) / evaluation.bits_per_character;
  return Number.isFinite(loss) ? [{ name: FLOOR, label: "floor: random choices in the stories", loss }] : [];
}

/**
 * From the lowest to the highest loss that the axis shows; a linear one begins at 0. A spike above the first loss is cut.
 *
 * @param {RunHistory} history
 * @param {number[]} lines
 * @param {boolean} logarithmic
 */
export function lossRange({ losses, evaluationLosses, final }, lines, logarithmic) {
  const shown = [...evaluationLosses, losses[0] ?? 0, ...lines];
  const highest = extent(shown, [0])[1] || 1;
  if (!logarithmic) return [0, highest * 1.08]; // the highest line has its label above it
  const positive = [...losses, ...shown, final?.final_evaluation.loss ?? 0].filter((loss) => loss > 0);
  return [extent(positive, [highest])[0] / 1.08, highest * 1.3];
}

/**
 * In words, that the training loss leaves the axis at the top; empty if it does not.
 *
 * @param {{ steps: number[], losses: number[] }} history
 * @param {number} top the highest loss on the axis
 */
export function aboveAxis({ steps, losses }, top) {
  const highest = losses.reduce((best, loss, index) => (loss > losses[best] ? index : best), 0);
  if (!(losses[highest] > top)) return "";
  return `The training loss leaves this axis at the top: it was ${losses[highest].toFixed(2)} in step ${withThousands(steps[highest])}.`;
}

/**
 * What runs with the same settings have reached, between the lowest and the highest.
 *
 * @param {NonNullable<LossData["expected"]>} expected
 * @param {HTMLElement} parent an element in the theme
 */
function band({ seeds, steps, low, high }, parent) {
  const [fillcolor, color] = [0.26, 0.7].map((opacity) => `rgba(${channels(parent, "validation").join(", ")}, ${opacity})`);
  const edge = { x: steps, mode: "lines", line: { width: 1, color }, hoverinfo: "skip", legendgroup: "expected" };
  return [
    { ...edge, y: low, showlegend: false },
    { ...edge, y: high, fill: "tonexty", fillcolor, name: `validation of ${seeds} such runs` },
  ];
}

/**
 * @param {RunHistory} history
 * @param {HTMLElement} parent an element in the theme
 */
function traces(history, parent) {
  const [train, validation] = ["train", "validation"].map((name) => colour(parent, name));
  const text = { hovertemplate: "%{y:.3f}" };
  const measured = { hovertemplate: "%{text}", mode: "lines+markers" };
  const errorBars = (/** @type {number[]} */ errors) => ({ type: "data", array: errors, color: validation, thickness: 1, width: 2 });
  const { final, evaluation, smoothed: { points } } = history;
  return [
    { ...text, x: history.steps, y: history.losses, name: "training, each step", mode: "lines", opacity: 0.35,
      line: { color: train, width: 1 } },
    { ...text, x: points.steps, y: points.losses, name: "training, smoothed", mode: "lines",
      line: { color: train, width: 2.5 } },
    { ...measured, x: history.evaluationSteps, y: history.evaluationLosses,
      text: history.evaluationLosses.map((loss, index) => withError(loss, history.evaluationErrors[index] || null)),
      name: `validation, ${evaluation ? measuredOn(evaluation) : "some passages"}`,
      error_y: errorBars(history.evaluationErrors),
      line: { color: validation, width: 1.5, dash: "dot" }, marker: { color: validation, size: 7 } },
    ...(final ? [{ ...measured, x: [final.step], y: [final.final_evaluation.loss], mode: "markers",
      text: [withError(final.final_evaluation.loss, final.final_evaluation.standard_error)], name: "validation, all of it",
      cliponaxis: false, error_y: errorBars([final.final_evaluation.standard_error ?? 0]),
      marker: { color: validation, size: 10, symbol: "diamond" } }] : []),
  ];
}
