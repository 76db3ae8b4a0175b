import assert from "node:assert/strict";
import { test } from "node:test";

import { axisEnd, measuredAt, measuredOn, RunHistory } from "../../components/views/training_run/history.js";

/** @typedef {import("../../components/views/training_run/history.js").Row} Row */

/**
 * @param {number} step
 * @param {Partial<Row>} more
 * @returns {Row}
 */
const row = (step, more = {}) => ({ step, loss: 4, learning_rate: 0.1, grad_norm: 1, elapsed: step, ...more });

test("the smoothed curve of a straight line is that line, up to half a block before its end", () => {
  const history = new RunHistory();
  for (let step = 1; step <= 1000; step++) history.add(row(step, { loss: 7 - step / 1000 }));
  const { steps, losses } = history.smoothed.points;
  assert.deepEqual(steps.slice(0, 50), Array.from({ length: 50 }, (_, index) => index === 49 ? 50.5 : index + 1));
  steps.forEach((step, index) => assert.ok(Math.abs(losses[index] - (7 - step / 1000)) < 1e-9));
  assert.ok(steps.length < 140);
  const { step, count } = history.smoothed.latest;
  assert.equal(step, 1000 - (count - 1) / 2);
  assert.equal(steps.at(-1), step);
});

test("the curve ends with the mean of as many steps as a block has, also where the last block is incomplete", () => {
  const history = new RunHistory();
  for (let step = 1; step <= 103; step++) history.add(row(step, { loss: step % 2 ? 3 : 5 }));
  assert.deepEqual(history.smoothed.latest, { step: 101.5, loss: 4, count: 4 });
  history.add(row(104, { loss: 9 })); // alone in a new block
  assert.equal(history.smoothed.points.losses.at(-1), (3 + 5 + 3 + 9) / 4);
});

test("a row without a loss counts as the last one and adds no point", () => {
  const history = new RunHistory();
  assert.ok(history.empty);
  history.add(row(0, { loss: null, evaluation: { loss: 5, bits_per_character: 2, accuracy: 0.1 } }));
  assert.deepEqual([history.steps, history.evaluationSteps, history.evaluationLosses], [[], [0], [5]]);
  assert.ok(!history.empty);
});

test("an evaluation has its standard error, and the last step that of all the validation text", () => {
  const history = new RunHistory();
  const [some, all] = [3, 30].map((passages) => ({ loss: passages, standard_error: 0.1, bits_per_character: 2,
    accuracy: 0.1, passages }));
  history.add(row(1, { evaluation: some }));
  assert.equal(history.final, null);
  history.add(row(2, { evaluation: some, final_evaluation: all }));
  assert.deepEqual([history.evaluationErrors, history.evaluation, history.final.final_evaluation], [[0.1, 0.1], some, all]);
  assert.deepEqual([some, { ...all, passages: 1 }].map(measuredOn), ["3 passages", "1 passage"]);
});

test("an evaluation of an earlier version has no standard error, and windows", () => {
  const history = new RunHistory();
  const evaluation = { loss: 5, bits_per_character: 2, accuracy: 0.1, windows: 32 };
  history.add(row(1, { evaluation }));
  assert.deepEqual([history.evaluationErrors, measuredOn(evaluation)], [[0], "32 windows"]);
});

test("a gap or a repetition of steps does not continue a run", () => {
  const history = new RunHistory();
  assert.ok(history.continuesWith([row(7)]));
  history.add(row(7));
  assert.ok(history.continuesWith([row(8)]) && history.continuesWith([]));
  assert.ok(!history.continuesWith([row(7)]) && !history.continuesWith([row(9)]));
});

test("a skill is learned since the first of the latest steps with nine in ten right", () => {
  const history = new RunHistory();
  for (const [step, accuracy] of [[1, 0.5], [2, 0.95], [3, 0.9]]) history.add(row(step, { skills: { echo: accuracy } }));
  assert.equal(history.learnedSince.echo, 2);
  history.add(row(4, { skills: { echo: 0.89 } }));
  assert.equal(history.learnedSince.echo, null);
  history.add(row(5, { skills: { echo: 1 } }));
  assert.equal(history.learnedSince.echo, 5);
  assert.deepEqual(history.skills.echo, [[1, 0.5], [2, 0.95], [3, 0.9], [4, 0.89], [5, 1]]);
});

test("the axis of steps grows in powers of two, up to the whole run", () => {
  assert.equal(axisEnd(0, 1000), 50);
  assert.equal(axisEnd(100, 1000), 128);
  assert.equal(axisEnd(120, 1000), 256);
  assert.equal(axisEnd(501, 1000), 1000);
  assert.equal(axisEnd(0, 15), 15);
});

test("figures that are older than the last step say of which step they are", () => {
  assert.equal(measuredAt(0, 24), "of step 0, untrained");
  assert.equal(measuredAt(1000, 1024), "of step 1,000");
  assert.equal(measuredAt(24, 24), "");
});
