import assert from "node:assert/strict";
import { test } from "node:test";

import { appearedAt } from "../../components/views/circuit/timeline.js";

test("a part appears at the first snapshot that is halfway to its highest", () => {
  assert.equal(appearedAt([0, 1, 2, 4, 8], [0.1, 0.1, 0.2, 0.6, 0.9], 0.3), 4);
  assert.equal(appearedAt([0, 1, 2], [0.5, 0.5, 0.5], 0.3), 0);
});

test("a part that is never above the least value has not appeared", () => {
  assert.equal(appearedAt([0, 1, 2], [0.1, 0.2, 0.3], 0.3), null);
  assert.equal(appearedAt([0, 1], [undefined, undefined], 0.3), null);
  assert.equal(appearedAt([0, 1], [null, null], 0.3), null);
});

test("snapshots that are not measured yet are skipped", () => {
  assert.equal(appearedAt([0, 1, 2, 4], [0, undefined, 0.7, 1], 0.3), 2);
});
