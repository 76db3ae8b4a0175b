// The charts of a run: losses with their baselines, and the learning rate beside the gradient norm.

import { colour } from "../../frontend/colours.js";
import { withError } from "../../frontend/format.js";
import { spreadNames } from "../../frontend/scales.js";
import { axisEnd, measuredOn } from "./history.js";

/** @typedef {import("./history.js").RunHistory} RunHistory */
/** @typedef {import("../../frontend/plotly.js").Plotly} Plotly */
/** @typedef {{ name: string, label: string, loss: number }} Baseline */

const LABEL_HEIGHT = 15;
const AROUND_PLOT = 90; // pixels that legend, margins and the axis' title take at most

const CONFIG = { displaylogo: false, displayModeBar: false };

/**
 * @param {HTMLElement} chart the element that is drawn in
 * @param {HTMLElement} parent an element in the theme
 * @param {number} height
 * @param {string} title of the vertical axis
 * @param {number} revision another one where the lists, which grow in place, have changed
 */
function layoutOf(chart, parent, height, title, revision) {
  const quiet = colour(parent, "quiet");
  const grid = colour(parent, "line");
  const axis = { gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, tickfont: { size: 11 } };
  return {
    width: chart.clientWidth, // whoever draws draws again when it changes, as heights and margins depend on it
    height,
    margin: { l: 44, r: 12, t: 8, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: quiet, family: getComputedStyle(parent).fontFamily, size: 12 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colour(parent, "panel"), font: { color: colour(parent, "--st-text-color") } },
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
    xaxis: { ...axis, title: { text: "Optimizer step", font: { size: 12 } }, rangemode: "tozero" },
    yaxis: { ...axis, title: { text: title, font: { size: 12 } } },
    uirevision: "kept", // zoom and hidden lines survive new data
    datarevision: revision,
  };
}

/**
 * How many pixels above its line each label is, so that labels of neighbouring lines do not overlap.
 *
 * @param {number[]} losses of the lines, in any order
 * @param {number} pixelsPerNat at least this many
 */
export function labelShifts(losses, pixelsPerNat) {
  const upwards = losses.map((_, index) => index).sort((first, second) => losses[first] - losses[second]);
  const ends = upwards.map((index) => losses[index] * pixelsPerNat);
  const shifts = losses.map(() => 0);
  spreadNames(ends, 0, LABEL_HEIGHT).forEach((height, rank) => {
    shifts[upwards[rank]] = height - ends[rank] + 1;
  });
  return shifts;
}

/**
 * @param {number[]} errors a standard error for each point
 * @param {string} color
 */
const errorBars = (errors, color) => ({ type: "data", array: errors, color, thickness: 1, width: 2 });

/**
 * @param {Plotly} plotly
 * @param {HTMLElement} chart the element that is drawn in
 * @param {HTMLElement} root
 * @param {RunHistory} history
 * @param {number} steps of the whole run
 * @param {Baseline[]} baselines
 * @param {number} revision
 */
export function drawLosses(plotly, chart, root, history, steps, baselines, revision) {
  const [train, validation, baseline] = ["train", "validation", "baseline"].map((name) => colour(root, name));
  const text = { hovertemplate: "%{y:.3f}" };
  const measured = { hovertemplate: "%{text}", mode: "lines+markers" };
  const { final, evaluation } = history;
  const traces = [
    { ...text, x: history.steps, y: history.losses, name: "training, each step", mode: "lines", opacity: 0.35,
      line: { color: train, width: 1 }, showlegend: false },
    { ...text, x: history.steps, y: history.smoothed, name: "training (running mean)", mode: "lines",
      line: { color: train, width: 2.5 } },
    { ...measured, x: history.evaluationSteps, y: history.evaluationLosses,
      text: history.evaluationLosses.map((loss, index) => withError(loss, history.evaluationErrors[index] || null)),
      name: `validation, ${evaluation ? measuredOn(evaluation) : "some passages"}`,
      error_y: errorBars(history.evaluationErrors, validation),
      line: { color: validation, width: 1.5, dash: "dot" }, marker: { color: validation, size: 7 } },
    ...(final ? [{ ...measured, x: [final.step], y: [final.final_evaluation.loss], mode: "markers",
      text: [withError(final.final_evaluation.loss, final.final_evaluation.standard_error)], name: "validation, all of it",
      cliponaxis: false,
      error_y: errorBars([final.final_evaluation.standard_error ?? 0], validation),
      marker: { color: validation, size: 10, symbol: "diamond" } }] : []),
  ];
  const losses = [...history.evaluationLosses, history.losses[0] ?? 0, ...baselines.map(({ loss }) => loss)];
  const highest = Math.max(...losses) * 1.08;
  const layout = layoutOf(chart, root, root.clientWidth < 700 ? 320 : 400, "Loss, nats per token", revision);
  const shifts = labelShifts(baselines.map(({ loss }) => loss), (layout.height - AROUND_PLOT) / highest);
  plotly.react(chart, traces, {
    ...layout,
    xaxis: { ...layout.xaxis, range: [0, axisEnd(history.last?.step ?? 0, steps)] },
    yaxis: { ...layout.yaxis, range: [0, highest] },
    shapes: baselines.map(({ name, loss }) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: loss, y1: loss, name,
      line: { color: baseline, width: 1.2, dash: "dash" } })),
    annotations: baselines.map(({ label, loss }, index) => ({ xref: "paper", x: 1, xanchor: "right", y: loss,
      yanchor: "bottom", showarrow: false, text: `${label} ${loss.toFixed(2)}`, font: { color: baseline, size: 11 },
      yshift: shifts[index] })),
  }, CONFIG);
}

/**
 * @param {Plotly} plotly
 * @param {HTMLElement} chart
 * @param {HTMLElement} root
 * @param {RunHistory} history
 * @param {number} revision
 */
export function drawRates(plotly, chart, root, history, revision) {
  const [accent, grey] = ["accent", "baseline"].map((name) => colour(root, name));
  const layout = layoutOf(chart, root, 200, "Learning rate", revision);
  const axis = { ...layout.yaxis, rangemode: "tozero" };
  const traces = [
    { x: history.steps, y: history.learningRates, name: "learning rate", mode: "lines",
      line: { color: accent, width: 2 }, hovertemplate: "%{y:.2e}" },
    { x: history.steps, y: history.gradientNorms, name: "gradient norm", mode: "lines", yaxis: "y2",
      line: { color: grey, width: 1 }, hovertemplate: "%{y:.3f}" },
  ];
  plotly.react(chart, traces, {
    ...layout,
    margin: { ...layout.margin, r: 52 },
    yaxis: axis,
    yaxis2: { ...axis, title: { text: "Gradient norm (L2)", font: { size: 12 } }, overlaying: "y", side: "right",
      showgrid: false },
  }, CONFIG);
}
