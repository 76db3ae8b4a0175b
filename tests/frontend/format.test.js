import assert from "node:assert/strict";
import { test } from "node:test";

import {
  duration, escapeToken, fixed, percent, quoted, short, significant, truncate, wholePercent, withSign, withThousands,
} from "../../components/frontend/format.js";

test("white space and control characters become symbols", () => {
  assert.equal(escapeToken(" a\tb\n"), "·a⇥b↵");
  assert.equal(escapeToken("\u0007\u001f"), "␇␟");
});

test("characters without a shape, or that reorder others, become their code point", () => {
  assert.equal(escapeToken("\u202eabc\u2066\u200d\u00ad\ufeff"), "‹202e›abc‹2066›‹200d›‹ad›‹feff›");
  assert.equal(escapeToken("é 漢 🦊 <b>"), "é·漢·🦊·<b>");
  assert.equal(quoted(" a"), "“·a”");
});

test("durations use the two largest units", () => {
  assert.equal(duration(0.4), "0 s");
  assert.equal(duration(59.4), "59 s");
  assert.equal(duration(83), "1 min 23 s");
  assert.equal(duration(3 * 3600 + 61), "3 h 1 min");
  assert.equal(duration(NaN), "–");
  assert.equal(duration(-5), "0 s");
});

test("negative numbers have a true minus sign", () => {
  assert.equal(fixed(-1.25, 1), "−1.3");
  assert.equal(withSign(-0.5), "−0.500");
  assert.equal(withSign(0.5, 1), "+0.5");
  assert.equal(wholePercent(-0.256), "−26%");
  assert.equal(wholePercent(-0.001), "0%");
});

test("numbers are short where space is short", () => {
  assert.equal(short(123.4), "123");
  assert.equal(short(-0.01234), "−0.012");
  assert.equal(withThousands(1234567.8), "1,234,568");
  assert.equal(percent(0.0512), "5.12%");
  assert.equal(percent(0.512), "51.2%");
});

test("significant digits", () => {
  assert.equal(significant(0.000123), "1.23e−4");
  assert.equal(significant(-12.3456), "−12.35");
  assert.equal(significant(250000.5), "2.50e5");
  assert.equal(significant(42), "42");
  assert.equal(significant("inf"), "inf");
  assert.equal(significant(null), "–");
});

test("a text is cut between characters, never inside one", () => {
  assert.equal(truncate("abcdef", 4), "abc…");
  assert.equal(truncate("abcd", 4), "abcd");
  assert.equal(truncate("🦊🦊🦊", 2), "🦊…");
});
