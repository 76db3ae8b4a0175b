// Through training: one slider moves patterns, scores and loss; the chart shows every head's score at every snapshot.

import { element } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchBytes, fetchJson } from "../../frontend/fetching.js";
import { fixed, withThousands } from "../../frontend/format.js";
import { lineChart } from "../../frontend/lines.js";
import { mount } from "../../frontend/mount.js";
import { asSeen } from "../../frontend/picture.js";
import { Tiles } from "../../frontend/tiles.js";

/**
 * Data from the server.
 *
 * @typedef {import("../../frontend/tiles.js").TilesData & Own} Data
 */

/**
 * Data for this view only.
 *
 * @typedef {object} Own
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {number} context length of the context
 * @property {number[]} steps the snapshots
 * @property {number} step the selected one
 * @property {string} score the one that the chart shows
 * @property {string} controlLabel
 * @property {Record<string, string>} sources addresses
 */

/**
 * Loss and in-context score of a snapshot, in nats.
 *
 * @typedef {object} ContextLosses
 * @property {number} loss
 * @property {number} score
 * @property {number} windows that were measured
 * @property {number[]} by_position
 */

/** @typedef {import("../../frontend/tiles.js").Scores} Scores */

/** @typedef {import("../../frontend/lines.js").Line} Line */

const LEAST_SCORE = 0.2; // the top of the score axis at least, so that noise near 0 does not look like a bump

class ThroughTraining {
  static identity = (/** @type {Data} */ data) => [data.export.name, ...data.labels].join("\n");

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    /** @type {Map<number, { scores?: Scores, context?: ContextLosses }>} by step */
    this.measured = new Map();
    /** @type {Map<number, ArrayBuffer>} by step */
    this.grids = new Map();
    /** @type {Scores | null} */
    this.control = null;
    this.index = Math.max(0, data.steps.indexOf(data.step));
    this.status = element("div", "llm-tiles-status");
    this.status.setAttribute("role", "status");
    const row = element("label", "llm-training-slider");
    this.slider = element("input");
    Object.assign(this.slider, { type: "range", min: 0, max: data.steps.length - 1, value: this.index });
    this.slider.setAttribute("aria-label", "Snapshot");
    this.slider.addEventListener("input", () => this.move(Number(this.slider.value)));
    this.slider.addEventListener("change", () => page.report("moved", this.data.steps[this.index]));
    this.caption = element("span", "llm-training-step");
    row.append(this.slider, this.caption);
    this.charts = element("div", "llm-training-charts");
    this.grid = element("div", "llm-tiles");
    this.tiles = new Tiles(this.grid, data, (layer, head) => page.report("opened", [this.data.steps[this.index], layer, head]));
    root.replaceChildren(row, this.status, this.charts, this.grid, this.exportRow());
    this.measure();
    this.move(this.index);
  }

  exportRow() {
    return exportRow(this.data.export, () => asSeen(this.root, this.data.title));
  }

  /** Scores, then loss and in-context score, one snapshot after the other, the first and the last before the rest. */
  async measure() {
    const { steps, sources } = this.data;
    const order = [...new Set([0, steps.length - 1, ...steps.keys()])];
    try {
      for (const kind of ["scores", "context"]) {
        for (const [done, index] of order.entries()) {
          if (!this.root.isConnected) return;
          this.status.textContent = `Measuring the snapshots: ${kind === "scores" ? "head scores" : "loss by position"}, `
            + `${done} of ${order.length} …`;
          const known = this.measured.get(steps[index]) ?? {};
          this.measured.set(steps[index], { ...known, [kind]: await fetchJson(sources[`${kind}/${steps[index]}`]) });
          this.draw();
        }
      }
      if (sources.control) this.control = await fetchJson(sources.control);
      this.status.textContent = "";
      this.root.dataset.drawn = "training";
    } catch (error) {
      this.fail(error);
    }
    this.draw();
  }

  /** @param {Error} error */
  fail(error) {
    this.status.textContent = error.message;
    this.status.classList.add("llm-tiles-bad");
  }

  /** @param {number} index */
  async move(index) {
    this.index = index;
    const step = this.data.steps[index];
    this.draw();
    try {
      const grid = this.grids.get(step) ?? await fetchBytes(this.data.sources[`grid/${step}`]);
      this.grids.set(step, grid);
      if (this.data.steps[this.index] === step) this.tiles.setGrid(grid);
    } catch (error) {
      this.fail(error);
    }
  }

  draw() {
    const { steps, score, names } = this.data;
    const step = steps[this.index];
    const { scores, context } = this.measured.get(step) ?? {};
    this.caption.textContent = `Step ${withThousands(step)}${step === 0 ? " · untrained" : ""}`
      + (context ? ` · validation loss ${context.loss.toFixed(3)} on ${context.windows} windows`
        + ` · in-context score ${fixed(context.score, 3)}` : "");
    this.tiles.setScores(scores ?? null);
    this.tiles.arrange("layer");
    /** @type {(name: "loss" | "score") => (number | undefined)[]} */
    const through = (name) => steps.map((each) => this.measured.get(each)?.context?.[name]);
    this.charts.replaceChildren(
      this.chart(`Every head's score: ${names[score] ?? "entropy"}`, this.headLines(score), score === "entropy" ? 0 : LEAST_SCORE),
      this.chart("Validation loss, nats per token", [["", through("loss"), "loss"]]),
      this.chart("In-context learning score, nats; below 0: it uses its context", [["", through("score"), "chosen"]]),
      this.positions(context),
    );
  }

  /**
   * Loss by position at this snapshot, from which the in-context score is taken; dashed: the untrained model.
   *
   * @param {ContextLosses | undefined} context
   */
  positions(context) {
    const untrained = this.measured.get(0)?.context?.by_position ?? [];
    const losses = context?.by_position ?? [];
    return lineChart("Loss by position at this snapshot, nats", [...Array(this.data.context).keys()],
      [["untrained", untrained, "control"], ["", losses, "loss"]], { steps: false });
  }

  /**
   * A line a head; the highest at the last snapshot stands out. Dashed: the controls.
   *
   * @param {string} score
   */
  headLines(score) {
    const { steps, layers, heads, controlLabel } = this.data;
    /** @type {Line[]} */
    const lines = [];
    for (let layer = 0; layer < layers; layer++) {
      for (let head = 0; head < heads; head++) {
        const values = steps.map((step) => this.measured.get(step)?.scores?.[score][layer][head]);
        lines.push([`layer ${layer} head ${head}`, values, "faint"]);
      }
    }
    const best = lines.reduce((first, second) => ((second[1].at(-1) ?? -1) > (first[1].at(-1) ?? -1) ? second : first));
    best[2] = "chosen";
    /** @type {(label: string, scores: number[][]) => Line} */
    const flat = (label, scores) => [`${label}, highest`, steps.map(() => Math.max(...scores.flat())), "control"];
    const untrained = this.measured.get(0)?.scores;
    return [
      ...lines.filter((line) => line !== best),
      ...(untrained ? [flat("untrained", untrained[score])] : []),
      ...(this.control ? [flat(controlLabel, this.control[score])] : []),
      best,
    ];
  }

  /**
   * @param {string} title
   * @param {Line[]} lines
   * @param {number} [least]
   */
  chart(title, lines, least) {
    return lineChart(title, this.data.steps, lines, { least, now: this.data.steps[this.index] });
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = this.tiles.data = data;
    this.tiles.paint();
    this.draw();
    renewExportRow(this.root, before, data, () => this.exportRow());
  }
}

export default mount(ThroughTraining);
