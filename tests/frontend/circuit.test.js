import assert from "node:assert/strict";
import { test } from "node:test";

import { appearedAt } from "../../components/views/circuit/timeline.js";
import { mostCostly, withoutHeads } from "../../components/views/circuit/verdicts.js";

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

/** @param {number} previous @param {number} copying @param {number} both @param {number} control */
const without = (previous, copying, both, control) => withoutHeads("“bo”", { unchanged: [0.9, 0], previous: [previous, 0],
  copying: [copying, 0], both: [both, 0], unlabelled: [control, 0] });

test("what ablation shows is said only as strongly as the control allows", () => {
  assert.match(without(0.1, 0.2, 0.1, 0.88), /needs both heads, and not just any head/);
  assert.match(without(0.89, 0.2, 0.1, 0.88), /needs the copying head\. What the other one writes, it can also get elsewhere/);
  assert.match(without(0.2, 0.89, 0.1, 0.88), /needs the previous-token head, but not this copying head/);
  assert.match(without(0.89, 0.88, 0.1, 0.88), /either will do: without both it is 10\.0%/);
  assert.match(without(0.9, 0.89, 0.88, 0.88), /needs neither/);
  assert.match(without(0.5, 0.5, 0.4, 0.3), /needs neither/); // any head costs that much
});

test("the costliest head is named, whether or not it is the copying head", () => {
  /** @type {{ layers: number[], grown: [number, number][][] }} */
  const content = { layers: [0, 1], grown: [[[0.1, 0.3], [0.4, 0.2]], [[2, 0.1], [0, 0]]] };
  assert.match(mostCostly({ copying: [1, 0] }, content), /^It is the copying head: \+2\.00 nats on copied pieces, \+0\.10 on other tokens\. The next one, layer 0 · head 1/);
  assert.match(mostCostly({ copying: [1, 1] }, content), /^It is layer 1 · head 0: .*copying does not depend on it alone\.$/);
});
