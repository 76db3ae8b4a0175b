import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { unpack } from "../../components/frontend/packing.js";

/**
 * What the server packs, by the server's own code.
 *
 * @param {string} expression
 */
function packed(expression) {
  const script = "import sys; import numpy as np; from components.shared.packing import pack; "
    + `sys.stdout.buffer.write(pack(${expression}))`;
  const bytes = execFileSync("uv", ["run", "--no-sync", "python", "-c", script]);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

test("arrays come back with their names, shapes and values, whatever their sizes", () => {
  const arrays = unpack(packed('{"bytes": np.arange(3, dtype="uint8"), "ünï": np.float32([[1.5, np.nan], [-2, np.inf]]), '
    + '"none": np.zeros((0, 4), "float32"), "whole": np.int32([-7]), "double": np.float64(0.1)}'));
  assert.deepEqual(Object.keys(arrays), ["bytes", "ünï", "none", "whole", "double"]);
  assert.deepEqual([...arrays.bytes.values], [0, 1, 2]);
  assert.deepEqual(arrays["ünï"].shape, [2, 2]);
  assert.deepEqual([...arrays["ünï"].values], [1.5, NaN, -2, Infinity]);
  assert.deepEqual([arrays.none.shape, arrays.none.values.length], [[0, 4], 0]);
  assert.deepEqual([...arrays.whole.values], [-7]);
  assert.deepEqual([arrays.double.shape, ...arrays.double.values], [[], 0.1]);
});

test("no arrays are no arrays", () => {
  assert.deepEqual(unpack(packed("{}")), {});
});
