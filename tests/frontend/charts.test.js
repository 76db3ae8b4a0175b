import assert from "node:assert/strict";
import { test } from "node:test";

import { labelShifts } from "../../components/views/training_run/charts.js";
import { RunHistory } from "../../components/views/training_run/history.js";
import { aboveAxis, floorLine, lossRange, withoutStart } from "../../components/views/training_run/loss_chart.js";

test("labels of lines that are far apart are just above their lines", () => {
  assert.deepEqual(labelShifts([7.6, 5.6, 2.4, 1.5], 40), [1, 1, 1, 1]);
});

test("labels of lines that are close together are stacked upwards, in any order of the lines", () => {
  assert.deepEqual(labelShifts([7, 2, 2.1, 2], 40), [1, 1, 1 + 30 - 4, 1 + 15]);
  assert.deepEqual(labelShifts([2, 2.25], 40), [1, 6]);
  assert.deepEqual(labelShifts([], 40), []);
  assert.deepEqual(labelShifts([-1, -0.9], 100), [1, 6]); // on a logarithmic axis, below 1
});

test("a linear axis of losses begins at 0, a logarithmic one just below the lowest loss", () => {
  const history = new RunHistory();
  [4, 9, 0, 2].forEach((loss, index) => history.add({ step: index + 1, loss, learning_rate: 1, grad_norm: 1, elapsed: 1 }));
  assert.deepEqual(lossRange(history, [5], false), [0, 5 * 1.08]);
  assert.deepEqual(lossRange(history, [5], true), [2 / 1.08, 5 * 1.3]);
  assert.deepEqual(lossRange(new RunHistory(), [], false), [0, 1.08]);
  assert.deepEqual(lossRange(new RunHistory(), [], true), [1 / 1.08, 1.3]);
});

test("a training loss above the axis is told with its step", () => {
  const history = { steps: [1, 2, 1003, 1004], losses: [4, 9, 14.7, 2] };
  assert.equal(aboveAxis(history, 5), "The training loss leaves this axis at the top: it was 14.70 in step 1,003.");
  assert.deepEqual([aboveAxis(history, 14.7), aboveAxis({ steps: [], losses: [] }, 5)], ["", ""]);
});

test("the floor in nats per token has the tokens of the validation text", () => {
  const evaluation = { loss: 4 * Math.LN2, bits_per_character: 1, accuracy: 0 }; // four characters in a token
  const [{ name, loss }] = floorLine({ bits: 0.25 }, evaluation);
  assert.equal(name, "floor");
  assert.ok(Math.abs(loss - Math.LN2) < 1e-12);
  assert.deepEqual([floorLine(null, evaluation), floorLine({ bits: 0.25 }, null)], [[], []]);
  assert.deepEqual(floorLine({ bits: 0.25 }, { ...evaluation, bits_per_character: 0 }), []);
});

test("on a logarithmic axis a line begins after step 0, with what belongs to each of its points", () => {
  const trace = { x: [0, 1, 2], y: [5, 4, 3], text: ["5", "4", "3"], error_y: { array: [0.1, 0.2, 0.3], width: 2 }, name: "a" };
  assert.deepEqual(withoutStart(trace), { x: [1, 2], y: [4, 3], text: ["4", "3"], error_y: { array: [0.2, 0.3], width: 2 }, name: "a" });
  assert.deepEqual(withoutStart({ x: [0], y: [5] }), { x: [], y: [] });
  const later = { x: [3], y: [5] };
  assert.equal(withoutStart(later), later);
});
