// What has been read of a run so far, as the lists that charts draw.

import { withThousands } from "../../frontend/format.js";
import { SmoothedCurve } from "./smoothing.js";

const LEARNED = 0.9; // accuracy from which on a skill counts as learned

/**
 * A row of the run's metrics.
 *
 * @typedef {object} Row
 * @property {number} step
 * @property {number | null} loss
 * @property {number} learning_rate
 * @property {number} grad_norm
 * @property {number} elapsed seconds
 * @property {number} [tokens_per_second]
 * @property {Evaluation | null} [evaluation]
 * @property {Evaluation | null} [final_evaluation] on all of the validation text, at the end
 * @property {string} [sample]
 * @property {number | null} [well_formed] fraction of the sample's sentences
 * @property {Record<string, number>} [skills] accuracy by skill
 */

/**
 * What was measured on validation text; runs of earlier versions have no standard errors, and windows for passages.
 *
 * @typedef {object} Evaluation
 * @property {number} loss
 * @property {number | null} [standard_error]
 * @property {number} bits_per_character
 * @property {number} accuracy
 * @property {number} [passages]
 * @property {number} [windows]
 */

/**
 * At which step figures were measured, in words; empty if that is the last step of the run.
 *
 * @param {number} step
 * @param {number} [last]
 */
export const measuredAt = (step, last) => (step === 0 ? "of step 0, untrained" : step === last ? "" : `of step ${withThousands(step)}`);

export class RunHistory {
  constructor() {
    /** @type {number[]} */
    this.steps = [];
    /** @type {number[]} */
    this.losses = [];
    this.smoothed = new SmoothedCurve(this.steps, this.losses);
    /** @type {number[]} */
    this.learningRates = [];
    /** @type {number[]} */
    this.gradientNorms = [];
    /** @type {number[]} */
    this.evaluationSteps = [];
    /** @type {number[]} */
    this.evaluationLosses = [];
    /** @type {number[]} */
    this.evaluationErrors = [];
    /** @type {Row | null} */
    this.last = null;
    /** @type {Evaluation | null} */
    this.evaluation = null;
    /** @type {Row | null} the row of the last step of a finished run */
    this.final = null;
    /** @type {Record<string, number | null>} by skill: since which step it has been learned */
    this.learnedSince = {};
    /** @type {Record<string, [step: number, accuracy: number][]>} by skill: every measurement */
    this.skills = {};
  }

  get empty() {
    return !this.steps.length && !this.evaluationSteps.length;
  }

  /**
   * Whether these rows come right after the last one: each step has its row, so a gap or a repetition means that the
   * run was resumed from an earlier snapshot.
   *
   * @param {Row[]} rows
   */
  continuesWith(rows) {
    return !rows.length || !this.last || rows[0].step === this.last.step + 1;
  }

  /** @param {Row} row */
  add(row) {
    this.last = row;
    if (row.loss !== null) {
      this.steps.push(row.step);
      this.losses.push(row.loss);
      this.learningRates.push(row.learning_rate);
      this.gradientNorms.push(row.grad_norm);
      this.smoothed.grow();
    }
    if (row.evaluation) {
      this.evaluation = row.evaluation;
      this.evaluationSteps.push(row.step);
      this.evaluationLosses.push(row.evaluation.loss);
      this.evaluationErrors.push(row.evaluation.standard_error ?? 0);
    }
    if (row.final_evaluation) this.final = row;
    for (const [skill, accuracy] of Object.entries(row.skills ?? {})) {
      (this.skills[skill] ??= []).push([row.step, accuracy]);
      this.learnedSince[skill] = accuracy < LEARNED ? null : (this.learnedSince[skill] ?? row.step);
    }
  }
}

/**
 * On how much of the validation text an evaluation was measured.
 *
 * @param {Evaluation} evaluation
 */
export function measuredOn({ passages, windows }) {
  const [count, name] = passages ? [passages, "passage"] : [windows, "window"];
  return count ? `${count} ${name}${count === 1 ? "" : "s"}` : "validation text";
}

/**
 * Where the axis of steps ends: it grows with the run in strides, so that the first minute is not squeezed into a
 * corner.
 *
 * @param {number} step the last one
 * @param {number} steps of the whole run
 */
export function axisEnd(step, steps) {
  const last = Math.max(step, 10);
  if (last > 0.5 * steps) return steps;
  return Math.min(steps, Math.max(50, 2 ** Math.ceil(Math.log2(last * 1.15))));
}
