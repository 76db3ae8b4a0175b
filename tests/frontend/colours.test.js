import assert from "node:assert/strict";
import { test } from "node:test";

import { CellColours, contrast, luminance, mixed } from "../../components/frontend/colours.js";

const BLACK = [0, 0, 0];
const WHITE = [255, 255, 255];

test("mixing begins at one colour and ends at the other", () => {
  assert.deepEqual(mixed(BLACK, WHITE, 0), BLACK);
  assert.deepEqual(mixed(BLACK, WHITE, 1), WHITE);
  assert.deepEqual(mixed([0, 100, 200], [100, 0, 200], 0.5), [50, 50, 200]);
});

test("luminance and contrast are those of WCAG", () => {
  assert.equal(luminance(BLACK), 0);
  assert.ok(Math.abs(luminance(WHITE) - 1) < 1e-12);
  assert.ok(Math.abs(contrast(BLACK, WHITE) - 21) < 1e-9);
  assert.equal(contrast(BLACK, WHITE), contrast(WHITE, BLACK));
  assert.ok(Math.abs(contrast([119, 119, 119], WHITE) - 4.48) < 0.01);
});

test("cells: zero is neutral, both ends have their colours, and text is readable on each", () => {
  const colours = Object.assign(Object.create(CellColours.prototype), {
    zero: [240, 240, 240], more: [20, 20, 160], less: [160, 20, 20], texts: [[30, 30, 30], [250, 250, 250]],
  });
  assert.equal(colours.background(0), "rgb(240 240 240)");
  assert.equal(colours.background(1), "rgb(20 20 160)");
  assert.equal(colours.background(-7), "rgb(160 20 20)");
  assert.equal(colours.text(0), "rgb(30 30 30)");
  assert.equal(colours.text(1), "rgb(250 250 250)");
  assert.equal(colours.text(NaN), "rgb(30 30 30)");
});
