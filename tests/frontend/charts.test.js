import assert from "node:assert/strict";
import { test } from "node:test";

import { labelShifts } from "../../components/views/training_run/charts.js";

test("labels of lines that are far apart are just above their lines", () => {
  assert.deepEqual(labelShifts([7.6, 5.6, 2.4, 1.5], 40), [1, 1, 1, 1]);
});

test("labels of lines that are close together are stacked upwards, in any order of the lines", () => {
  assert.deepEqual(labelShifts([7, 2, 2.1, 2], 40), [1, 1, 1 + 30 - 4, 1 + 15]);
  assert.deepEqual(labelShifts([2, 2.25], 40), [1, 6]);
  assert.deepEqual(labelShifts([], 40), []);
});
