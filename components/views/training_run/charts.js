// What the charts of a run have in common, and the learning rate beside the gradient norm.

import { colour } from "../../frontend/colours.js";
import { spreadNames } from "../../frontend/scales.js";

/** @typedef {import("./history.js").RunHistory} RunHistory */
/** @typedef {import("../../frontend/plotly.js").Plotly} Plotly */

const LABEL_HEIGHT = 15;
export const CONFIG = { displaylogo: false, displayModeBar: false };

/**
 * @param {HTMLElement} chart the element that is drawn in
 * @param {HTMLElement} parent an element in the theme
 * @param {number} height
 * @param {string} title of the vertical axis
 * @param {number} revision another one where the lists, which grow in place, have changed
 */
export function layoutOf(chart, parent, height, title, revision) {
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
 * @param {number[]} heights of the lines on the axis, in any order
 * @param {number} pixelsPerUnit of the axis, at least this many
 */
export function labelShifts(heights, pixelsPerUnit) {
  const upwards = heights.map((_, index) => index).sort((first, second) => heights[first] - heights[second]);
  const ends = upwards.map((index) => heights[index] * pixelsPerUnit);
  const shifts = heights.map(() => 0);
  spreadNames(ends, -Infinity, LABEL_HEIGHT).forEach((height, rank) => {
    shifts[upwards[rank]] = height - ends[rank] + 1;
  });
  return shifts;
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
