import assert from "node:assert/strict";
import { test } from "node:test";

import { shownColumns } from "../../components/views/code/columns.js";
import { newestOfEach } from "../../components/views/code/variables.js";
import { TensorWindow } from "../../components/views/code/window.js";

test("a window shows the last two long axes, and one row of a tensor with a single axis", () => {
  const part = new TensorWindow([1, 4, 1, 9]);
  assert.deepEqual([part.rows, part.columns], [1, 3]);
  assert.deepEqual(part.indexOf([2, 5]), [0, 2, 0, 5]);
  const vector = new TensorWindow([7]);
  assert.deepEqual([vector.rows, vector.columns], [0, 0]);
  assert.deepEqual(vector.indexOf([0, 3]), [3]);
});

test("a window stays within its axis, and a selected cell stays the same element while it is drawn", () => {
  const part = new TensorWindow([3, 600]);
  assert.deepEqual(part.move(1, 1000, [2, 100]), [2, 12]);
  assert.deepEqual(part.first, [0, 88]);
  assert.deepEqual(part.indexOf([2, 12]), [2, 100]);
  assert.equal(part.described(["pos", "d_mlp"]), ", d_mlp 88 to 599 of 600");
  assert.equal(part.move(1, 0, [2, 511]), null);
  assert.equal(part.move(1, 1, null), null);
});

test("columns are those that were chosen, or else those that fit, and always the current one", () => {
  const names = ["einops", "torch", "fused"];
  assert.deepEqual(shownColumns(names, [], "torch", 1200), names);
  assert.deepEqual(shownColumns(names, [], "torch", 600), ["torch"]);
  assert.deepEqual(shownColumns(names, ["einops", "fused"], "einops", 600), ["einops", "fused"]);
  assert.deepEqual(shownColumns(names, ["einops"], "fused", 1200), ["einops", "fused"]);
  assert.deepEqual(shownColumns(names, ["of another page"], "einops", 600), ["einops"]);
  assert.deepEqual(shownColumns(["forward"], ["einops"], "forward", 600), ["forward"]);
});

test("only axes that are drawn have windows", () => {
  const part = new TensorWindow([2000, 3, 4]);
  assert.deepEqual([0, 1, 2].map((axis) => part.isPart(axis)), [false, false, false]);
});

test("of each name the newest within the call, with the tensor it had before", () => {
  const tensor = (/** @type {string} */ name, /** @type {number} */ size) =>
    /** @type {import("../../components/views/code/source.js").Variable} */ (/** @type {unknown} */ ({ name, shape: [size] }));
  const step = (/** @type {number} */ call, /** @type {string[][]} */ values, /** @type {any[]} */ variables) =>
    /** @type {import("../../components/views/code/source.js").Step} */ (/** @type {unknown} */ ({ call, values, variables }));
  const steps = [
    step(0, [["i", "9"]], [tensor("x", 9)]),
    step(1, [["i", "0"]], [tensor("x", 1)]),
    step(1, [["i", "1"]], [tensor("x", 2), tensor("y", 3)]),
    step(1, [], [tensor("x", 5)]),
  ];
  const { values, tensors } = newestOfEach(steps, 2);
  assert.deepEqual([...values], [["i", { text: "1", index: 2 }]]);
  assert.deepEqual([...tensors.keys()], ["x", "y"]);
  assert.deepEqual([tensors.get("x")?.variable.shape, tensors.get("x")?.earlier?.shape], [[2], [1]]);
});
