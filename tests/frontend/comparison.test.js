// Comparing runs: which lines are drawn, over which range, and how numbers are written.

import assert from "node:assert/strict";
import { test } from "node:test";

import { drawable, linesOf, rangeOf, tracesOf } from "../../components/views/comparison/charts.js";
import { compact, measuredAt, shown } from "../../components/views/comparison/tables.js";

/** @type {Record<string, number[]>} */
const NONE = {};
/** @type {(...nats: number[]) => import("../../components/views/comparison/charts.js").Curves} */
const curves = (...nats) => ({
  training: { step: nats.map((_, index) => index), nats }, validation: { step: [0], nats: [nats[0]] }, final: NONE,
});
const RUNS = ["A", "B", "C"].map((run, index) => ({ run, curves: curves(8, index + 1) }));
const GROUPS = [{ runs: ["A", "C"], curves: curves(8, 2) }];
/** @type {import("../../components/views/comparison/charts.js").Drawing} */
const DRAWING = { axis: "step", axisTitle: "", unit: "nats", unitTitle: "", logarithmic: [] };

test("a band takes the place and the colour of the first of its runs", () => {
  const lines = (/** @type {boolean} */ bands) => linesOf(RUNS, GROUPS, bands).map(({ letters, index }) => [letters, index]);
  assert.deepEqual(lines(false), [["A", 0], ["B", 1], ["C", 2]]);
  assert.deepEqual(lines(true), [["AC", 0], ["B", 1]]);
});

test("the range holds every value, and on a logarithmic axis their logarithms", () => {
  const lines = linesOf(RUNS, [], false);
  const [low, high] = rangeOf(lines, "training", "nats", false);
  assert.ok(low < 1 && low > 0.5 && high > 8 && high < 9);
  const [least, most] = rangeOf(lines, "training", "nats", true);
  assert.ok(least < 0 && least > -0.1 && most > Math.log10(8) && most < 1);
  assert.deepEqual(rangeOf([], "training", "nats", false), [0, 1]);
  assert.deepEqual(rangeOf(lines, "training", "bits", true), [0, 1]);
});

test("what is not known, and 0 on a logarithmic axis, has no place", () => {
  const columns = { step: [0, 1, 2, 3], nats: [4, 0, null, 2], nats_error: [1, 2, 3, 4] };
  assert.deepEqual(drawable(columns, DRAWING), { step: [0, 1, 3], nats: [4, 0, 2], nats_error: [1, 2, 4] });
  assert.deepEqual(drawable(columns, { ...DRAWING, logarithmic: ["x"] }).step, [1, 3]);
  assert.deepEqual(drawable(columns, { ...DRAWING, logarithmic: ["x", "y"] }).step, [3]);
  assert.deepEqual(drawable({}, DRAWING), {});
});

test("a band is an area between its edges around its mean, and says so under the pointer", () => {
  const band = { step: [1], nats: [2], nats_low: [1], nats_high: [4] };
  const line = { letters: "AC", index: 0, curves: { training: band, validation: NONE, final: NONE } };
  const [low, high, mean] = tracesOf(line, "training", DRAWING, "rgb(1, 2, 3)");
  assert.deepEqual([low.y, high.y, mean.y, high.fill], [[1], [4], [2], "tonexty"]);
  assert.deepEqual(mean.text, ["AC 2.000 (1.000 to 4.000)"]);
});

test("numbers are short where they are large, and settings are words where they are switches", () => {
  assert.deepEqual([0, 999, 1234, 9_217_999, 3.2e14, null].map(compact), ["0", "999", "1.23k", "9.22M", "320T", "–"]);
  assert.deepEqual([true, false, null, 4500, 0.02, "rope"].map(shown), ["yes", "no", "–", "4,500", "0.02", "rope"]);
});

test("a run that was tested says at which step", () => {
  const score = (/** @type {number} */ step) => ({ accuracy: 1, low: 0.7, high: 1, pairs: 10, step, guessing: false });
  const row = { skill: "a", name: "a", help: "", easy: false };
  const rows = [{ ...row, scores: [null, null, score(2000)] }, { ...row, scores: [score(100), null, score(2000)] }];
  assert.equal(measuredAt(rows, RUNS), "A at step 100, C at step 2,000");
});
