// Numbers, durations and tokens as text.

/**
 * 12345.6 → "12,346"
 *
 * @param {number} number
 */
export const withThousands = (number) => Math.round(number).toLocaleString("en-GB");

/**
 * A fixed number of digits after the point, with a true minus sign.
 *
 * @param {number} number
 * @param {number} digits
 */
export const fixed = (number, digits = 3) => number.toFixed(digits).replace("-", "−");

/**
 * A standard error behind its value: " ± 0.012", or "" where there is none.
 *
 * @param {number | null | undefined} standardError
 * @param {number} digits
 */
export const plusMinus = (standardError, digits = 3) =>
  typeof standardError === "number" ? ` ± ${standardError.toFixed(digits)}` : "";

/**
 * A measured value with its standard error, if it has one: "0.534 ± 0.012"
 *
 * @param {number} value
 * @param {number | null | undefined} standardError
 * @param {number} digits
 */
export const withError = (value, standardError, digits = 3) =>
  fixed(value, digits) + plusMinus(standardError, digits);

/**
 * A fixed number of digits after the point, with a sign before positive numbers too.
 *
 * @param {number} number
 * @param {number} digits
 */
export const withSign = (number, digits = 3) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(digits)}`;

/**
 * Three digits from 100 on, else two significant ones: 123.4 → "123", 0.0123 → "0.012"
 *
 * @param {number} number
 */
export const short = (number) =>
  (Math.abs(number) >= 100 ? number.toFixed(0) : number.toPrecision(2)).replace("-", "−");

/**
 * Four significant digits: 0.00123 → "0.001230", 0.000123 → "1.23e−4"; anything but a number as text.
 *
 * @param {number | string | null | undefined} value
 */
export function significant(value) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  const text = size >= 1e5 || size < 1e-3 ? value.toExponential(2).replace("e+", "e") : value.toPrecision(4);
  return text.replace("-", "−");
}

/**
 * A probability as a percentage, with two digits below 10%: 0.0512 → "5.12%", 0.512 → "51.2%"
 *
 * @param {number} probability
 */
export const percent = (probability) => `${(100 * probability).toFixed(probability < 0.1 ? 2 : 1)}%`;

/**
 * A fraction as a whole percentage, never "−0%".
 *
 * @param {number} fraction
 */
export const wholePercent = (fraction) => `${Math.round(100 * fraction) || 0}%`.replace("-", "−");

/**
 * 83 → "1 min 23 s"
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (!isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/**
 * A token on one line: white space and control characters as symbols; invisible characters, and those that
 * reorder their neighbours, as code points. components/shared/controls.py does the same for names in tables.
 *
 * @param {string} text
 */
export function escapeToken(text) {
  return text
    .replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·")
    // eslint-disable-next-line no-control-regex -- matches control characters on purpose
    .replace(/[\u0000-\u001f]/g, (character) => String.fromCharCode(0x2400 + character.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]/g,
      (character) => `‹${character.charCodeAt(0).toString(16)}›`);
}

/**
 * A token in a sentence.
 *
 * @param {string} text
 */
export const quoted = (text) => `“${escapeToken(text)}”`;

/**
 * At most `length` characters, the last an ellipsis if the text was cut.
 *
 * @param {string} text
 * @param {number} length
 */
export function truncate(text, length) {
  const characters = [...text];
  return characters.length > length ? `${characters.slice(0, Math.max(1, length - 1)).join("")}…` : text;
}
