// The gradient norm of each layer by step, on a logarithmic axis; new steps are fetched while a run trains.

import { channels, colour, mixed } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";
import { exportRow } from "../../frontend/export.js";
import { fetchJson, poll } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";
import { Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";
import { loadPlotly } from "../../frontend/plotly.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {boolean} [exported] whether this is an exported page
 * @property {number} steps of the whole run
 * @property {{ norms: string, plotly: string }} sources addresses
 */

/**
 * New rows of the run's metrics.
 *
 * @typedef {object} Norms
 * @property {boolean} reset whether the file begins anew
 * @property {number} next where the next answer begins
 * @property {boolean} training
 * @property {number[]} steps
 * @property {Record<string, (number | null)[]>} norms by layer
 */

class GradientNorms {
  static identity = (/** @type {Data} */ data) => data.sources.norms;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.plotly = null;
    this.forget();
    this.status = new Status("Reading the metrics …");
    this.chart = element("div", "llm-gradient_norms-chart");
    root.replaceChildren(this.status.root, this.chart,
      exportRow(data.export, () => asSeen(this.root, this.data.title)));
    loadPlotly(data.sources.plotly).then((plotly) => {
      this.plotly = plotly;
      this.draw();
    }, (error) => this.status.fail(error));
    this.halt = poll(() => this.ask());
  }

  forget() {
    this.offset = 0;
    /** @type {number[]} */
    this.steps = [];
    /** @type {Record<string, (number | null)[]>} by layer: its norm in each of the steps */
    this.norms = {};
  }

  /** Fetch what is new; an exported page holds all of it. */
  async ask() {
    const { exported, sources } = this.data;
    let answer;
    try {
      answer = await fetchJson(exported ? sources.norms : `${sources.norms}from=${this.offset}`);
    } catch (error) {
      this.status.fail(error);
      return 5000;
    }
    // each step has its row: another order means that the run was resumed from an earlier snapshot
    const continues = !answer.steps.length || !this.steps.length || answer.steps[0] === this.steps.at(-1) + 1;
    if (answer.reset || !continues) {
      this.forget();
      if (!answer.reset) return 0; // read it all again
    }
    this.offset = answer.next;
    this.add(answer);
    this.draw();
    if (exported) this.halt?.();
    return answer.training ? 2000 : 5000;
  }

  /** @param {Norms} answer */
  add({ steps, norms }) {
    for (const [layer, values] of Object.entries(norms)) {
      (this.norms[layer] ??= Array(this.steps.length).fill(null)).push(...values);
    }
    this.steps.push(...steps);
    this.status.show(this.steps.length ? "" : "Nothing has been measured yet: the run has not taken its first step.");
  }

  /** From the colour of the first layer to that of the last one. */
  traces() {
    const layers = Object.keys(this.norms);
    const [first, last] = ["train", "validation"].map((name) => channels(this.root, name));
    return layers.map((layer, index) => ({
      x: this.steps, y: this.norms[layer], name: layer, mode: "lines", hovertemplate: "%{y:.3g}", connectgaps: false,
      line: { width: 1.5, color: `rgb(${mixed(first, last, index / Math.max(1, layers.length - 1))})` },
    }));
  }

  draw() {
    if (!this.plotly || !this.chart.isConnected || !this.steps.length) return;
    const [quiet, grid] = ["quiet", "line"].map((name) => colour(this.root, name));
    const axis = { gridcolor: grid, linecolor: grid, automargin: true, tickfont: { size: 11 } };
    const title = (/** @type {string} */ text) => ({ text, font: { size: 12 } });
    this.plotly.react(this.chart, this.traces(), {
      height: 340,
      margin: { l: 52, r: 12, t: 8, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: quiet, family: getComputedStyle(this.root).fontFamily, size: 12 },
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour(this.root, "panel"), font: { color: colour(this.root, "--st-text-color") } },
      xaxis: { ...axis, title: title("Optimizer step"), rangemode: "tozero" },
      yaxis: { ...axis, title: title("Gradient norm (L2)"), type: "log" },
      uirevision: "kept", // zoom and hidden lines survive new data
      datarevision: this.steps.length, // the lists grow in place; this says so
    }, { responsive: true, displaylogo: false, displayModeBar: false });
    this.root.dataset.drawn = "gradient_norms";
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    this.draw(); // also after a change of theme
  }

  stop() {
    this.halt();
    this.plotly?.purge(this.chart);
  }
}

export default mount(GradientNorms);
