import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clamp, extent, largestMagnitude, linear, linePath, logarithmicScale, rankScale, signedScale, spreadNames, ticks,
} from "../../components/frontend/scales.js";

test("a linear scale meets both ends, may run downwards, and stays finite where there is nothing to span", () => {
  const y = linear([0, 4], [100, 20]);
  assert.deepEqual([y(0), y(1), y(4)], [100, 80, 20]);
  assert.equal(linear([3, 3], [10, 50])(3), 10);
});

test("values are kept between two ends", () => {
  assert.deepEqual([clamp(-1, 0, 5), clamp(2, 0, 5), clamp(9, 0, 5)], [0, 2, 5]);
});

test("an extent leaves out what is not finite and counts what is included", () => {
  assert.deepEqual(extent([3, NaN, undefined, null, -2, Infinity]), [-2, 3]);
  assert.deepEqual(extent([3, 5], [0]), [0, 5]);
  assert.deepEqual(extent([], [0, 1]), [0, 1]);
  assert.deepEqual(extent(new Float32Array(500_000).fill(2), [0]), [0, 2]); // too many for the arguments of a call
});

test("magnitudes ignore signs and what is not finite", () => {
  assert.equal(largestMagnitude([1, -3, NaN, -Infinity]), 3);
  assert.equal(largestMagnitude([]), 0);
});

test("signed values reach a full colour at the largest magnitude", () => {
  const { scale, largest } = signedScale([0.5, -2]);
  assert.equal(largest, 2);
  assert.deepEqual([scale(-2), scale(0), scale(0.5)], [-1, 0, 0.25]);
  assert.equal(signedScale([0, 0]).scale(0), 0);
});

test("a logarithmic scale spaces orders of magnitude evenly", () => {
  const { scale, low, high } = logarithmicScale([0, 1, 10, 100]);
  assert.deepEqual([low, high], [1, 100]);
  assert.ok(Math.abs(scale(10) - 0.5) < 1e-12);
  assert.deepEqual([scale(0), scale(1), scale(100)], [0, 0, 1]);
  assert.equal(logarithmicScale([7, 7]).scale(7), 0);
});

test("the first rank is full, the last is none", () => {
  assert.equal(rankScale(1, 100), 1);
  assert.equal(rankScale(100, 100), 0);
  assert.ok(Math.abs(rankScale(10, 100) - 0.5) < 1e-12);
  assert.equal(rankScale(1, 1), 1);
});

test("paths join their points", () => {
  assert.equal(linePath([[0, 1.26], [10, 2]]), "M0.0 1.3L10.0 2.0");
});

test("ticks never touch, and the last value always has one", () => {
  const x = (/** @type {number} */ value) => 10 * value;
  assert.deepEqual(ticks([0, 1, 2, 4, 8, 16], 20, x, 34), [0, 4, 8, 16, 20]);
  assert.deepEqual(ticks([0, 18], 20, x, 34), [0, 20]);
  assert.deepEqual(ticks([0], 0, x, 34), [0]);
});

test("names that would cover each other move down", () => {
  assert.deepEqual(spreadNames([5, 6, 7, 60], 10, 13), [10, 23, 36, 60]);
});
