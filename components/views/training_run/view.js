// A run as it trains: tiles, loss curves and samples, fetched from the run's route and drawn as they come.

import { colour } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";
import { poll } from "../../frontend/fetching.js";
import { duration, withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { loadPlotly } from "../../frontend/plotly.js";

const TILES = [
  ["step", "Step"],
  ["left", "Time left"],
  ["loss", "Training loss"],
  ["validation", "Validation loss"],
  ["bits", "Bits per character"],
  ["accuracy", "Accuracy"],
  ["speed", "Tokens per second"],
];
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
const SMOOTHING = 0.85; // decay rate of the running mean; the first steps, a plain mean, keep less

class LiveRun {
  static identity = (data) => data.url;

  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.page = page;
    this.offset = 0;
    this.state = "";
    this.hasUndrawnRows = false; // whether there are rows that the chart does not show yet
    this.nextDrawing = 0;
    this.forget();
    this.build();
    this.plotly = null;
    loadPlotly(data.plotly).then((plotly) => {
      this.plotly = plotly;
      this.draw();
    }, (error) => this.showMessage(error.message, true));
    this.halt = poll(() => this.ask());
  }

  forget() {
    this.offset = 0;
    this.steps = [];
    this.losses = [];
    this.smooth = [];
    this.rates = [];
    this.norms = [];
    this.evaluationSteps = [];
    this.evaluationLosses = [];
    this.last = null;
    this.evaluation = null;
    this.learned = {}; // skill → its latest accuracy, and the first step with nine in ten right
  }

  build() {
    this.root.replaceChildren();
    const head = element("div", "llm-live-head");
    this.badge = element("span", "llm-live-state");
    this.badge.setAttribute("role", "status");
    this.note = element("span", "llm-live-note");
    this.bar = element("progress", "llm-live-progress");
    this.bar.max = this.data.steps;
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", "Steps done");
    head.append(this.badge, this.note);
    const tiles = element("div", "llm-live-tiles");
    this.values = {};
    for (const [name, label] of TILES) {
      const tile = element("div", `llm-live-tile llm-live-tile-${name}`);
      this.values[name] = element("div", "llm-live-value", "–");
      tile.append(element("div", "llm-live-label", label), this.values[name]);
      tiles.append(tile);
    }
    const body = element("div", "llm-live-body");
    const charts = element("div", "llm-live-charts");
    this.chart = element("div", "llm-live-chart");
    this.chart.append(element("div", "llm-live-loading", "Loading the chart …"));
    const more = element("details", "llm-live-more");
    more.append(element("summary", "", "Learning rate and gradient norm"));
    this.small = element("div", "llm-live-small");
    more.append(this.small);
    more.addEventListener("toggle", () => this.drawSmall());
    this.more = more;
    this.skills = element("details", "llm-live-more");
    this.skills.hidden = true;
    this.skills.append(element("summary", "", "Skills of the story world"));
    this.skillList = element("div", "llm-live-skills");
    this.skills.append(this.skillList);
    charts.append(this.chart, more, this.skills);
    const samples = element("section", "llm-live-samples");
    samples.setAttribute("aria-label", "Samples");
    this.list = element("div", "llm-live-list");
    this.list.tabIndex = 0;
    this.list.append(element("p", "llm-live-empty", "The first sample comes with the first evaluation."));
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
    // each step has its row: a gap or a repetition means that the run was resumed from an earlier snapshot
    const continues = !answer.rows.length || !this.last || answer.rows[0].step === this.last.step + 1;
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

  add(rows) {
    for (const row of rows) {
      this.last = row;
      if (row.loss !== null) {
        const kept = Math.min(SMOOTHING, this.steps.length / (this.steps.length + 1));
        this.smooth.push(kept * (this.smooth.at(-1) ?? 0) + (1 - kept) * row.loss);
        this.steps.push(row.step);
        this.losses.push(row.loss);
        this.rates.push(row.learning_rate);
        this.norms.push(row.grad_norm);
      }
      if (row.evaluation) {
        this.evaluation = row.evaluation;
        this.evaluationSteps.push(row.step);
        this.evaluationLosses.push(row.evaluation.loss);
      }
      if (row.sample) this.addSample(row);
      if (row.skills) this.addSkills(row);
    }
    this.hasUndrawnRows ||= rows.length > 0;
  }

  addSample(row) {
    this.list.querySelector(".llm-live-empty")?.remove();
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    const entry = element("article", "llm-live-sample");
    entry.dataset.step = row.step;
    const loss = row.evaluation ? ` · validation loss ${row.evaluation.loss.toFixed(2)}` : "";
    const told = row.well_formed === null || row.well_formed === undefined ? ""
      : ` · ${Math.round(100 * row.well_formed)} % of its sentences well-formed`;
    const when = row.step === 0 ? "Step 0 · untrained" : `Step ${withThousands(row.step)}`;
    entry.append(element("div", "llm-live-when", when + loss + told), element("p", "llm-live-text", row.sample));
    this.list.append(entry);
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  /** Each skill's latest accuracy as a bar that starts at one half, the accuracy of guessing. */
  addSkills(row) {
    this.skills.hidden = false;
    this.skillList.replaceChildren();
    for (const [name, accuracy] of Object.entries(row.skills)) {
      const since = accuracy < 0.9 ? null : (this.learned[name] ?? row.step);
      this.learned[name] = since;
      const bar = element("div", "llm-live-skill-bar");
      bar.style.width = `${Math.max(0, 200 * (accuracy - 0.5))}%`;
      const track = element("div", "llm-live-skill-track");
      track.append(bar);
      this.skillList.append(element("span", "", name.replaceAll("_", " ")), track,
        element("span", "llm-live-skill-value", `${Math.round(100 * accuracy)} %`),
        element("span", "llm-live-skill-since", since === null ? "" : `since step ${withThousands(since)}`));
    }
  }

  showMessage(message, bad = false) {
    this.note.textContent = message || "";
    this.note.classList.toggle("llm-live-bad", bad);
  }

  show({ state }) {
    const { last, evaluation, data } = this;
    this.badge.textContent = STATES[state] || state;
    this.badge.dataset.state = state;
    if (last) {
      const left = last.step > 0 ? ((data.steps - last.step) * last.elapsed) / last.step : NaN;
      const going = state === "running" || state === "paused";
      this.bar.value = last.step;
      this.values.step.textContent = `${withThousands(last.step)} / ${withThousands(data.steps)}`;
      this.values.left.textContent = going ? duration(left) : state === "finished" ? "done" : "–";
      this.values.loss.textContent = this.smooth.length ? this.smooth.at(-1).toFixed(3) : "–";
      this.values.speed.textContent = last.tokens_per_second ? withThousands(last.tokens_per_second) : "–";
    }
    if (evaluation) {
      this.values.validation.textContent = evaluation.loss.toFixed(3);
      this.values.bits.textContent = evaluation.bits_per_character.toFixed(3);
      this.values.accuracy.textContent = `${(100 * evaluation.accuracy).toFixed(1)} %`;
    }
    if (state !== this.state) {
      this.state = state;
      this.report();
    }
  }

  /** @returns {any} what Plotly takes as a layout */
  layout(height, title) {
    const quiet = colour(this.root, "quiet");
    const grid = colour(this.root, "line");
    const axis = { gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, tickfont: { size: 11 } };
    return {
      height,
      margin: { l: 44, r: 12, t: 8, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: quiet, family: getComputedStyle(this.root).fontFamily, size: 12 },
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour(this.root, "panel"), font: { color: colour(this.root, "--st-text-color") } },
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
      xaxis: { ...axis, title: { text: "Optimizer step", font: { size: 12 } }, rangemode: "tozero" },
      yaxis: { ...axis, title: { text: title, font: { size: 12 } } },
      uirevision: "kept", // zoom and hidden lines survive new data
      datarevision: this.offset, // the lists grow in place; this says so
    };
  }

  draw() {
    if (!this.plotly || !this.chart.isConnected) return;
    if (!this.steps.length && !this.evaluationSteps.length) return;
    const started = performance.now();
    this.chart.querySelector(".llm-live-loading")?.remove();
    const [train, validation, baseline] = ["train", "validation", "baseline"].map((name) => colour(this.root, name));
    const text = { hovertemplate: "%{y:.3f}" };
    const traces = [
      { ...text, x: this.steps, y: this.losses, name: "training, each step", mode: "lines", opacity: 0.35,
        line: { color: train, width: 1 }, showlegend: false },
      { ...text, x: this.steps, y: this.smooth, name: "training (running mean)", mode: "lines",
        line: { color: train, width: 2.5 } },
      { ...text, x: this.evaluationSteps, y: this.evaluationLosses, name: "validation", mode: "lines+markers",
        line: { color: validation, width: 1.5, dash: "dot" }, marker: { color: validation, size: 8 } },
    ];
    const layout = this.layout(380, "Loss, nats per token");
    layout.xaxis.range = [0, this.rangeEnd()];
    layout.shapes = [];
    layout.annotations = [];
    let highest = Math.max(...this.evaluationLosses, this.losses.length ? this.losses[0] : 0);
    for (const { name, label, loss } of this.data.baselines) {
      layout.shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: loss, y1: loss, name,
        line: { color: baseline, width: 1.2, dash: "dash" } });
      layout.annotations.push({ xref: "paper", x: 1, xanchor: "right", y: loss, yanchor: "bottom", showarrow: false,
        text: `${label} ${loss.toFixed(2)}`, font: { color: baseline, size: 11 }, yshift: 1 });
      highest = Math.max(highest, loss);
    }
    layout.yaxis.range = [0, highest * 1.08];
    layout.height = this.root.clientWidth < 700 ? 320 : 400;
    this.plotly.react(this.chart, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
    this.drawSmall();
    this.hasUndrawnRows = false;
    // training wants the cores: a chart that takes long is drawn the less often
    this.nextDrawing = performance.now() + 50 * (performance.now() - started);
  }

  /** The axis grows with the run in strides, so that the first minute is not squeezed into a corner. */
  rangeEnd() {
    const step = Math.max(this.last?.step ?? 0, 10);
    if (step > 0.5 * this.data.steps) return this.data.steps;
    return Math.min(this.data.steps, Math.max(50, 2 ** Math.ceil(Math.log2(step * 1.15))));
  }

  drawSmall() {
    if (!this.plotly || !this.more.open || !this.steps.length) return;
    const layout = this.layout(200, "Learning rate");
    const grey = colour(this.root, "baseline");
    layout.yaxis.rangemode = "tozero";
    layout.yaxis2 = { ...layout.yaxis, title: { text: "Gradient norm (L2)", font: { size: 12 } }, overlaying: "y",
      side: "right", showgrid: false, rangemode: "tozero" };
    layout.margin.r = 52;
    const accent = colour(this.root, "accent");
    const traces = [
      { x: this.steps, y: this.rates, name: "learning rate", mode: "lines", line: { color: accent, width: 2 },
        hovertemplate: "%{y:.2e}" },
      { x: this.steps, y: this.norms, name: "gradient norm", mode: "lines", yaxis: "y2", line: { color: grey, width: 1 },
        hovertemplate: "%{y:.3f}" },
    ];
    this.plotly.react(this.small, traces, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  }

  report() {
    if (this.state && this.state !== this.data.state) this.page.report("state", this.state);
  }

  update(data) {
    this.data = data;
    this.draw(); // also after a change of theme
    this.report();
  }

  stop() {
    this.halt();
    this.plotly?.purge(this.chart);
    this.plotly?.purge(this.small);
  }
}

export default mount(LiveRun);
