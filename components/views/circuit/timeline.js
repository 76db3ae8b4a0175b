// The circuit through training: its parts at every snapshot, the steps at which they appeared, and a slider.

import { element } from "../../frontend/dom.js";
import { fetchJson } from "../../frontend/fetching.js";
import { quoted, wholePercent, withThousands } from "../../frontend/format.js";
import { lineChart } from "../../frontend/lines.js";

const NAMES = 154; // units of a chart for the names beside its lines
const LEAST = 0.3; // a score or an accuracy that never gets above this has not appeared

/** @typedef {import("../../frontend/lines.js").Line} Line */

/**
 * The step at which a figure counts as having appeared: the first where it is halfway from its value at the first
 * snapshot to its highest. None if even the highest is not above `least`.
 *
 * @param {number[]} steps
 * @param {(number | null | undefined)[]} values
 * @param {number} least
 * @returns {number | null}
 */
export function appearedAt(steps, values, least) {
  const known = values.filter((value) => typeof value === "number");
  const highest = Math.max(...known);
  if (!known.length || highest <= least) return null;
  const half = (known[0] + highest) / 2;
  return steps[values.findIndex((value) => typeof value === "number" && value >= half)];
}

/** @param {(number | null | undefined)[]} values */
const highest = (values) => Math.max(0, ...values.filter((value) => typeof value === "number"));

export class Timeline {
  /**
   * @param {HTMLElement} body
   * @param {import("./view.js").Data} data
   * @param {(step: number) => void} move
   */
  constructor(body, data, move) {
    this.body = body;
    this.data = data;
    /** @type {Map<number, any>} by step */
    this.measured = new Map();
    /** @type {any} */
    this.control = null;
    this.index = Math.max(0, data.steps.indexOf(data.step));
    if (!data.steps.includes(data.step)) this.index = data.steps.length - 1;
    this.status = element("p", "llm-part-status", "");
    this.status.setAttribute("role", "status");
    this.story = element("div", "llm-circuit-steps");
    this.slider = element("input");
    Object.assign(this.slider, { type: "range", min: 0, max: data.steps.length - 1, value: this.index });
    this.slider.setAttribute("aria-label", "Snapshot");
    this.slider.addEventListener("input", () => {
      this.index = Number(this.slider.value);
      this.draw();
    });
    this.slider.addEventListener("change", () => move(this.data.steps[this.index]));
    this.caption = element("span", "llm-circuit-caption");
    const row = element("label", "llm-circuit-slider");
    row.append(this.slider, this.caption);
    this.charts = element("div", "llm-circuit-charts");
    this.note = element("p", "llm-part-note");
    this.all = [element("p", "llm-circuit-say", "No part is there from the start. Move the slider; when you let go, the whole page shows "
      + "the model as it was at that step."), this.status, this.story, row, this.charts, this.note];
  }

  /**
   * All snapshots, the first and the last before the rest.
   *
   * @param {() => boolean} stopped
   */
  async measure(stopped) {
    const { steps, sources } = this.data;
    this.body.replaceChildren(...this.all);
    if (!steps.length) {
      this.body.replaceChildren(element("p", "llm-part-note", "This run has kept no snapshots."));
      return;
    }
    try {
      for (const index of new Set([0, steps.length - 1, ...steps.keys()])) {
        if (stopped()) return;
        this.status.textContent = `Measuring the snapshots, ${this.measured.size} of ${steps.length} …`;
        this.measured.set(steps[index], await fetchJson(sources[`step/${steps[index]}`]));
        this.draw();
      }
      if (sources.control) this.control = await fetchJson(sources.control);
      this.status.textContent = "";
    } catch (error) {
      this.status.textContent = error.message;
      this.status.classList.add("llm-part-bad");
    }
    this.draw();
  }

  /** @param {string} name */
  through(name) {
    return this.data.steps.map((step) => this.measured.get(step)?.[name]);
  }

  draw() {
    const { steps, piece, copiesAbove, labelAbove } = this.data;
    if (!steps.length || !this.measured.size) return;
    const now = this.measured.get(steps[this.index]);
    this.caption.textContent = `Step ${withThousands(steps[this.index])}`
      + (now ? ` · ${quoted(piece)} predicted with ${wholePercent(now.probability)}` : "");
    const random = this.measured.get(steps[0])?.random ?? 0;
    const flat = (/** @type {number} */ value) => steps.map(() => value);
    const [previous, copying, composed, copied, rest, accuracy] = ["previous", "copying", "composition", "copied", "rest", "accuracy"]
      .map((name) => this.through(name));
    const label = `; a head is named above ${labelAbove}`;
    /** @type {[string, number | null, string, string][]} */
    const parts = [
      ["Previous-token head", appearedAt(steps, previous, LEAST), "previous", `highest ${highest(previous).toFixed(2)}${label}`],
      ["Keys that read its note", appearedAt(steps, composed, 1.3 * random), "composed", `highest ${highest(composed).toFixed(2)}, by chance ${random.toFixed(2)}`],
      ["Copying head", appearedAt(steps, copying, copiesAbove), "copying", `highest ${highest(copying).toFixed(2)}${label}`],
      ["Copied pieces predicted right", appearedAt(steps, accuracy, LEAST), "loss", `highest ${wholePercent(highest(accuracy))}`],
    ];
    this.story.replaceChildren(...parts.map(([name, step, kind, reached]) => {
      const chip = element("div", `llm-circuit-chip llm-circuit-chip-${kind}`);
      const all = this.measured.size === steps.length;
      chip.append(element("strong", "", !all ? "…" : step === null ? "not yet" : `step ${withThousands(step)}`), element("span", "", name), element("span", "", all ? reached : ""));
      return chip;
    }));
    const control = this.control;
    this.charts.replaceChildren(
      this.chart("Best scores of any head", [
        ...(control ? [/** @type {Line} */ (["one layer, copying", flat(control.copying), "control"])] : []),
        ["previous token", previous, "previous"], ["copying", copying, "copying"]], 0.2),
      this.chart("Loss, nats per token", [
        ...(control && control.copied !== null ? [/** @type {Line} */ (["one layer, copied pieces", flat(control.copied), "control"])] : []),
        ["other tokens", rest, "rest"], ["copied pieces", copied, "loss"]], 0),
      this.chart("K-composition of the pair", [["random", flat(random), "control"], ["pair", composed, "composed"]], 3 * random),
      this.chart("Copied pieces: predicted right; dotted: this example's", [
        ["this example", this.through("probability"), "example"], ["accuracy", accuracy, "loss"]], 1),
    );
    this.note.textContent = "A part counts as having appeared at the first snapshot where it is halfway from its value at the first snapshot to its "
      + "highest, if that is clearly above chance. Between two snapshots nothing was measured.";
  }

  /**
   * @param {string} title
   * @param {Line[]} lines
   * @param {number} least the top of the axis at least
   */
  chart(title, lines, least) {
    const { steps } = this.data;
    return lineChart(title, steps, lines, { least, now: steps[this.index], room: NAMES });
  }
}
