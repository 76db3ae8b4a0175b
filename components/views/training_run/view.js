// A run as it trains: tiles, loss curves and samples, fetched from the run's route and drawn as they come.

import { element } from "../../frontend/dom.js";
import { poll } from "../../frontend/fetching.js";
import { duration, fixed, plusMinus, withError, withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { loadPlotly } from "../../frontend/plotly.js";
import { drawRates } from "./charts.js";
import { measuredAt, measuredOn, RunHistory } from "./history.js";
import { LossChart } from "./loss_chart.js";
import { Skills } from "./skills.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} url where the server answers
 * @property {string} plotly address of Plotly's script
 * @property {string} state
 * @property {import("./loss_chart.js").LossData} losses
 * @property {string} withoutSamples why the run writes no samples; empty if it does
 * @property {import("./skills.js").SkillsData} skills
 */

const TILES = [
  ["step", "Step"],
  ["left", "Time left"],
  ["loss", "Training loss"],
  ["validation", "Validation loss"],
  ["bits", "Bits per character"],
  ["accuracy", "Accuracy"],
  ["speed", "Tokens per second"],
];
/** @type {Record<string, string>} */
const STATES = {
  starting: "Starting …",
  running: "Training",
  paused: "Paused",
  finished: "Finished",
  stopped: "Stopped",
  failed: "Failed",
  interrupted: "Interrupted",
  unknown: "Unknown",
};

class LiveRun {
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
    this.offset = 0;
    this.state = "";
    this.hasUndrawnRows = false; // whether there are rows that the chart does not show yet
    this.nextDrawing = 0;
    this.drawnWidth = 0; // of the root, in pixels
    this.forget();
    this.build();
    this.plotly = null;
    loadPlotly(data.plotly).then((plotly) => {
      this.plotly = plotly;
      this.draw();
    }, (error) => this.showMessage(error.message, true));
    this.resized = new ResizeObserver(() => root.clientWidth !== this.drawnWidth && this.draw());
    this.resized.observe(root);
    this.halt = poll(() => this.ask());
  }

  forget() {
    this.offset = 0;
    this.history = new RunHistory();
  }

  build() {
    this.root.replaceChildren();
    const head = element("div", "llm-live-head");
    this.badge = element("span", "llm-live-state");
    this.badge.setAttribute("role", "status");
    this.note = element("span", "llm-live-note");
    this.bar = element("progress", "llm-live-progress");
    this.bar.max = this.data.losses.steps;
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", "Steps done");
    head.append(this.badge, this.note);
    const tiles = element("div", "llm-live-tiles");
    /** @type {Record<string, HTMLElement>} by name of the tile */
    this.values = {};
    /** @type {HTMLElement[]} under what is measured with the validation loss */
    this.measuredAt = [];
    for (const [name, label] of TILES) {
      const tile = element("div", `llm-live-tile llm-live-tile-${name}`);
      this.values[name] = element("div", "llm-live-value", "–");
      tile.append(element("div", "llm-live-label", label), this.values[name]);
      if (name === "loss") tile.append(this.meanOf = element("div", "llm-live-label"));
      if (name === "validation") tile.append(this.measuredOn = element("div", "llm-live-label"));
      if (name === "bits" || name === "accuracy") {
        this.measuredAt.push(element("div", "llm-live-label"));
        tile.append(...this.measuredAt.slice(-1));
      }
      tiles.append(tile);
    }
    const body = element("div", "llm-live-body");
    const charts = element("div", "llm-live-charts");
    this.losses = new LossChart(this.data.losses, (axes) => {
      this.draw();
      this.page.report("logarithmic", axes);
    });
    const more = element("details", "llm-live-more");
    more.append(element("summary", "", "Learning rate and gradient norm"));
    this.small = element("div", "llm-live-small");
    more.append(this.small);
    more.addEventListener("toggle", () => this.drawSmall());
    this.more = more;
    this.skills = new Skills(this.data.skills);
    charts.append(this.losses.root, more, this.skills.root);
    const samples = element("section", "llm-live-samples");
    samples.setAttribute("aria-label", "Samples");
    this.list = element("div", "llm-live-list");
    this.list.tabIndex = 0;
    this.list.append(element("p", "llm-live-empty", this.data.withoutSamples || "The first sample comes with the first evaluation."));
    samples.append(element("div", "llm-live-title", "Samples, from the first step on"), this.list);
    body.append(charts, samples);
    this.root.append(head, this.bar, tiles, body);
  }

  async ask() {
    let answer;
    try {
      const response = await fetch(`${this.data.url}?from=${this.offset}`);
      if (!response.ok) throw new Error(response.status === 404 ? "this run's folder was deleted" : response.statusText);
      answer = await response.json();
    } catch (error) {
      this.showMessage(`No answer from the server (${error.message}). Trying again …`, true);
      return 3000;
    }
    this.showMessage(answer.message, answer.state === "failed");
    const continues = this.history.continuesWith(answer.rows);
    if (answer.reset || !continues) {
      this.forget();
      this.list.replaceChildren();
      if (!answer.reset) return 0; // read it all again
    }
    this.offset = answer.next;
    this.add(answer.rows);
    this.show(answer);
    const going = answer.state === "running" || answer.state === "starting";
    if (this.hasUndrawnRows && (!going || performance.now() > this.nextDrawing)) this.draw();
    return going ? 1000 : 1500;
  }

  /** @param {import("./history.js").Row[]} rows */
  add(rows) {
    for (const row of rows) {
      this.history.add(row);
      if (row.sample) this.addSample(row);
      if (row.skills) this.skills.show(this.history);
    }
    this.hasUndrawnRows ||= rows.length > 0;
  }

  /** @param {import("./history.js").Row} row */
  addSample(row) {
    this.list.querySelector(".llm-live-empty")?.remove();
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    const entry = element("article", "llm-live-sample");
    entry.dataset.step = String(row.step);
    const { evaluation } = row;
    const loss = evaluation ? ` · validation loss ${withError(evaluation.loss, evaluation.standard_error, 2)}` : "";
    const wellFormed = row.well_formed === null || row.well_formed === undefined ? ""
      : ` · ${Math.round(100 * row.well_formed)}% of its sentences well-formed`;
    const when = row.step === 0 ? "Step 0 · untrained" : `Step ${withThousands(row.step)}`;
    entry.append(element("div", "llm-live-when", when + loss + wellFormed), element("p", "llm-live-text", row.sample));
    this.list.append(entry);
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  /**
   * @param {string} message
   * @param {boolean} [bad]
   */
  showMessage(message, bad = false) {
    this.note.textContent = message || "";
    this.note.classList.toggle("llm-live-bad", bad);
  }

  /** @param {{ state: string }} answer */
  show({ state }) {
    const { history: { last, final, smoothed }, data: { losses: { steps } } } = this;
    const evaluation = final?.final_evaluation ?? this.history.evaluation;
    this.badge.textContent = STATES[state] || state;
    this.badge.dataset.state = state;
    if (last) {
      const left = last.step > 0 ? ((steps - last.step) * last.elapsed) / last.step : NaN;
      const going = state === "running" || state === "paused";
      this.bar.value = last.step;
      this.values.step.textContent = `${withThousands(last.step)} / ${withThousands(steps)}`;
      this.values.left.textContent = going ? duration(left) : state === "finished" ? "done" : "–";
      const { loss, count } = smoothed.latest;
      this.values.loss.textContent = count ? loss.toFixed(3) : "–";
      this.meanOf.textContent = count ? `mean of ${count} step${count === 1 ? "" : "s"}` : "";
      this.values.speed.textContent = last.tokens_per_second ? withThousands(last.tokens_per_second) : "–";
    }
    if (evaluation) {
      const error = element("span", "llm-live-error", plusMinus(evaluation.standard_error));
      this.values.validation.replaceChildren(fixed(evaluation.loss), error);
      const step = final?.step ?? this.history.evaluationSteps.at(-1);
      const when = measuredAt(step ?? 0, last?.step);
      this.measuredOn.textContent = `${when && `${when}, `}on ${final ? "all " : ""}${measuredOn(evaluation)}`;
      for (const label of this.measuredAt) label.textContent = when;
      this.values.bits.textContent = evaluation.bits_per_character?.toFixed(3) ?? "–";
      const { accuracy } = evaluation;
      this.values.accuracy.textContent = typeof accuracy === "number" ? `${(100 * accuracy).toFixed(1)}%` : "–";
    }
    if (state !== this.state) {
      this.state = state;
      this.report();
    }
  }

  draw() {
    if (!this.plotly || !this.root.isConnected || this.history.empty) return;
    const started = performance.now();
    this.drawnWidth = this.root.clientWidth;
    this.losses.draw(this.plotly, this.root, this.history, this.offset);
    this.drawSmall();
    this.hasUndrawnRows = false;
    // training needs the cores: a chart that is slow to draw is drawn less often
    this.nextDrawing = performance.now() + 50 * (performance.now() - started);
  }

  drawSmall() {
    if (!this.plotly || !this.more.open || !this.history.steps.length) return;
    drawRates(this.plotly, this.small, this.root, this.history, this.offset);
  }

  report() {
    if (this.state && this.state !== this.data.state) this.page.report("state", this.state);
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.draw(); // also after a change of theme
    this.report();
  }

  stop() {
    this.halt();
    this.resized.disconnect();
    this.plotly?.purge(this.losses.chart);
    this.plotly?.purge(this.small);
  }
}

export default mount(LiveRun);
