import assert from "node:assert/strict";
import { test } from "node:test";

import { occurrences, piecesAfter } from "../../components/views/merges/steps.js";

/** @typedef {import("../../components/views/merges/steps.js").Step} Step */

test("a token takes part in one occurrence of a pair only, the first", () => {
  assert.deepEqual(occurrences([1, 1, 1, 2, 1, 1], 1, 1), [0, 4]);
  assert.deepEqual(occurrences([1, 2, 1, 2], 1, 2), [0, 2]);
  assert.deepEqual(occurrences([], 1, 2), []);
});

test("merges join pieces within their chunk, and what comes next and what was just made are marked", () => {
  /** @type {Step[]} */
  const steps = [
    { pairs: [[97, 98, 3, 1, 9], [98, 97, 1, null, null]], others: 0, made: 256 },
    { pairs: [[256, 256, 1, 2, 5]], others: 0, made: 257 },
    { pairs: [], others: 0, made: null },
  ];
  const chunks = [[97, 98, 97, 98], [97, 98], [98]];
  const at = (/** @type {number} */ done) =>
    piecesAfter(chunks, steps, done).map((chunk) => chunk.map(({ token, state }) => `${token}${state && ` ${state}`}`));
  assert.deepEqual(at(0), [["97 next", "98 next", "97 next", "98 next"], ["97 next", "98 next"], ["98"]]);
  assert.deepEqual(at(1), [["256 next", "256 next"], ["256 made"], ["98"]]);
  assert.deepEqual(at(2), [["257 made"], ["256"], ["98"]]);
  assert.deepEqual(chunks, [[97, 98, 97, 98], [97, 98], [98]]);
});
