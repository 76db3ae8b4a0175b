// Skills on the page Train: what counts as guessing, and that nothing is certain.

import assert from "node:assert/strict";
import { test } from "node:test";

import { inPercent, looksLikeChance, standardError } from "../../components/views/training_run/skills.js";

test("all pairs right are not certainty", () => {
  assert.ok(Math.abs(standardError(1, 10) - 0.0935) < 1e-4); // as in tests/world/test_skills.py
});

test("an accuracy within two standard errors of one half looks like guessing", () => {
  assert.ok(looksLikeChance(0.5, 10) && looksLikeChance(0.7, 10) && looksLikeChance(0.3, 10));
  assert.ok(!looksLikeChance(0.8, 10) && !looksLikeChance(0.1, 10) && !looksLikeChance(0.7, 100));
});

test("an accuracy has an interval that stays within 0 and 100%", () => {
  assert.equal(inPercent(1, 10), "100% (72–100)"); // as in tests/world/test_skills.py
  assert.equal(inPercent(0, 10), "0% (0–28)");
  assert.equal(inPercent(0.5, 100), "50% (40–60)");
});
