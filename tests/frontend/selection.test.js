import assert from "node:assert/strict";
import { test } from "node:test";

import {
  arrowStep, sameCell, stepped, toggled, windowAround, windowAt, windowShowing,
} from "../../components/frontend/selection.js";

test("arrow keys move one cell and stop at the edges", () => {
  const counts = /** @type {[number, number]} */ ([2, 3]);
  /** @type {(cell: [number, number], key: string) => number[]} */
  const after = (cell, key) => {
    const step = arrowStep(key);
    assert.ok(step);
    return stepped(cell, step, counts);
  };
  assert.deepEqual(after([0, 1], "ArrowRight"), [0, 2]);
  assert.deepEqual(after([0, 2], "ArrowRight"), [0, 2]);
  assert.deepEqual(after([0, 0], "ArrowLeft"), [0, 0]);
  assert.deepEqual(after([0, 1], "ArrowDown"), [1, 1]);
  assert.deepEqual(after([1, 1], "ArrowDown"), [1, 1]);
  assert.deepEqual(after([0, 1], "ArrowUp"), [0, 1]);
  assert.equal(arrowStep("a"), undefined);
});

test("a second click on the selected cell clears the selection, any other click selects", () => {
  assert.deepEqual(toggled(null, [1, 2]), [1, 2]);
  assert.deepEqual(toggled([1, 2], [2, 1]), [2, 1]);
  assert.equal(toggled([1, 2], [1, 2]), null);
});

test("cells are the same by their indices", () => {
  assert.ok(sameCell([1, 2], [1, 2]));
  assert.ok(sameCell(null, null));
  assert.ok(!sameCell([1, 2], null));
  assert.ok(!sameCell([1, 12], [11, 2]));
});

test("a window stays within its axis", () => {
  assert.equal(windowAt(-3, 10, 40), 0);
  assert.equal(windowAt(12, 10, 40), 12);
  assert.equal(windowAt(39, 10, 40), 30);
  assert.equal(windowAt(5, 10, 4), 0); // it shows all there is
});

test("a window that shows an index stays, else the index comes to its middle", () => {
  assert.equal(windowShowing(10, 10, 40, 19), 10);
  assert.equal(windowShowing(10, 10, 40, 20), 15);
  assert.equal(windowShowing(10, 10, 40, 9), 4);
  assert.equal(windowShowing(10, 10, 40, 39), 30);
  for (let index = 0; index < 40; index++) {
    const start = windowShowing(10, 7, 40, index);
    assert.ok(start >= 0 && start <= 33 && index >= start && index < start + 7, String(index));
  }
});

test("on a map the window's middle follows the pointer", () => {
  assert.equal(windowAround(0, 10, 40), 0);
  assert.equal(windowAround(0.5, 10, 40), 15);
  assert.equal(windowAround(1, 10, 40), 30);
});
