// Runs beside each other: where each one is, their curves, what differs in their settings, and their skills.

import { element } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { fetchJson, poll } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";
import { Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { loadPlotly } from "../../frontend/plotly.js";
import { drawCurves, linesOf } from "./charts.js";
import { differencesTable, runsTable, skillsTable } from "./tables.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} url where the server answers
 * @property {string} plotly address of Plotly's script
 * @property {string} axis
 * @property {string} axisTitle
 * @property {"nats" | "bits"} unit
 * @property {string} unitTitle
 * @property {string[]} logarithmic
 * @property {boolean} bands
 * @property {import("../../frontend/export.js").Links} export
 */

const WHILE_TRAINING = 4000; // milliseconds between two questions, at least
const PATIENCE = 20; // a question waits this many times as long as the last answer took: training needs the cores
const FOREVER = 2 ** 31 - 1;
/** @type {["validation" | "training", string][]} */
const CURVES = [["validation", "Validation loss"], ["training", "Training loss"]];

class Comparison {
  static identity = (/** @type {Data} */ data) => data.url;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.page = page;
    this.answer = null;
    this.plotly = null;
    this.drawnWidth = 0;
    this.status = new Status("Reading the runs …");
    this.runs = element("div");
    const charts = element("div", "llm-comparison-charts");
    /** @type {HTMLElement[]} */
    this.charts = CURVES.map(([, title]) => {
      const figure = element("figure", "llm-comparison-figure");
      const chart = element("div", "llm-comparison-chart");
      figure.append(element("figcaption", "llm-comparison-title", title), chart);
      charts.append(figure);
      return chart;
    });
    this.note = element("p", "llm-comparison-note");
    const hint = element("p", "llm-comparison-note", "Drag over a chart to enlarge a part; a double click undoes it.");
    hint.dataset.live = "";
    this.tables = element("div");
    root.replaceChildren(this.status.root, this.runs, charts, hint, this.note, this.tables,
      exportRow(data.export, () => asSeen(this.root, this.title())));
    loadPlotly(data.plotly).then((plotly) => {
      this.plotly = plotly;
      this.draw();
    }, (error) => this.status.fail(error));
    this.resized = new ResizeObserver(() => root.clientWidth !== this.drawnWidth && this.draw());
    this.resized.observe(root);
    this.halt = poll(() => this.ask());
  }

  title() {
    return `Comparison of ${this.answer?.runs.map((/** @type {import("./tables.js").Run} */ { run, label }) => `${run}: ${label}`).join("; ") ?? "runs"}`;
  }

  async ask() {
    const started = performance.now();
    const trained = this.answer?.training;
    try {
      this.answer = await fetchJson(this.data.url);
    } catch (error) {
      this.status.fail(error);
      return WHILE_TRAINING;
    }
    const took = performance.now() - started;
    this.status.show(this.answer.training ? "A run still trains: its curves grow." : "");
    this.draw();
    if (trained && !this.answer.training) this.page.trigger("ended", true);
    return this.answer.training ? Math.max(WHILE_TRAINING, PATIENCE * took) : FOREVER;
  }

  draw() {
    const { answer, data, plotly } = this;
    if (!answer) return;
    this.runs.replaceChildren(runsTable(answer.runs, data.unit, data.unitTitle));
    this.tables.replaceChildren(differencesTable(answer.differences, answer.runs),
      ...(answer.skills.length ? [skillsTable(answer.skills, answer.runs, answer.pairs, answer.guessing)] : []));
    this.note.textContent = this.notes(answer.runs);
    if (!plotly || !this.root.isConnected) return;
    this.drawnWidth = this.root.clientWidth;
    const lines = linesOf(answer.runs, answer.bands, data.bands);
    const { axis, axisTitle, unit, unitTitle, logarithmic } = data;
    CURVES.forEach(([curve], index) => {
      drawCurves(plotly, this.charts[index], this.root, lines, curve, { axis, axisTitle, unit, unitTitle, logarithmic });
    });
    this.root.dataset.drawn = "comparison";
  }

  /** @param {import("./tables.js").Run[]} runs */
  notes(runs) {
    const { unit, axis, logarithmic } = this.data;
    const unknown = runs.filter(({ curves }) => curves.training[unit]?.every((value) => value === null)).map(({ run }) => run);
    const without = runs.filter(({ curves }) => curves.training[axis]?.every((value) => value === null)).map(({ run }) => run);
    return [
      "Diamonds: on all of the validation text, at the end.",
      logarithmic.includes("x") ? "A logarithmic axis has no place for step 0." : "",
      unknown.length ? `${unknown.join(", ")}: from an earlier version, which does not record the training loss per character.` : "",
      without.length ? `${without.join(", ")}: from an earlier version, which does not record this axis.` : "",
    ].filter(Boolean).join(" ");
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.draw(); // also after a change of theme
  }

  stop() {
    this.halt();
    this.resized.disconnect();
    for (const chart of this.charts) this.plotly?.purge(chart);
  }
}

export default mount(Comparison);
