// Scales: numbers as positions on an axis or as colours, and the ticks and names beside an axis.

/**
 * `value`, or the nearer end of low … high.
 *
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/**
 * A straight line through (from, start) and (to, end). Where `from` equals `to`, all values lie at `start`.
 *
 * @param {[from: number, to: number]} domain
 * @param {[start: number, end: number]} range
 * @returns {(value: number) => number}
 */
export function linear([from, to], [start, end]) {
  const slope = (end - start) / (to - from || 1);
  return (value) => start + (value - from) * slope;
}

/**
 * The smallest and the largest of the finite values, with those in `include` counted too.
 *
 * @param {Iterable<number | null | undefined>} values
 * @param {number[]} include
 * @returns {[low: number, high: number]}
 */
export function extent(values, include = []) {
  let [low, high] = [Math.min(...include), Math.max(...include)];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, /** @type {number} */ (value));
    high = Math.max(high, /** @type {number} */ (value));
  }
  return [low, high];
}

/**
 * The largest magnitude of the finite values, 0 if there are none.
 *
 * @param {Iterable<number>} values
 */
export function largestMagnitude(values) {
  let largest = 0;
  for (const value of values) if (Number.isFinite(value) && Math.abs(value) > largest) largest = Math.abs(value);
  return largest;
}

/**
 * Values on both sides of zero as −1 … 1, the largest magnitude as a full colour.
 *
 * @param {Iterable<number>} values
 * @returns {{ scale: (value: number) => number, largest: number }}
 */
export function signedScale(values) {
  const largest = largestMagnitude(values);
  return { scale: (value) => value / (largest || 1), largest };
}

/**
 * Positive values that differ by orders of magnitude as 0 … 1, by their logarithm; 0 and less as 0.
 *
 * @param {number[]} values
 * @returns {{ scale: (value: number) => number, low: number, high: number }}
 */
export function logarithmicScale(values) {
  const [low, high] = extent(values.filter((value) => value > 0));
  const span = Math.log(high / low) || 1;
  return { scale: (value) => (value > 0 ? Math.log(value / low) / span : 0), low, high };
}

/**
 * A rank as 1 (the first of all) … 0 (the last), on a logarithmic scale.
 *
 * @param {number} rank from 1
 * @param {number} count
 */
export const rankScale = (rank, count) => 1 - Math.log(rank) / Math.log(Math.max(2, count));

/**
 * The path of an SVG line through points.
 *
 * @param {Iterable<[x: number, y: number]>} points
 */
export const linePath = (points) =>
  `M${Array.from(points, ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

/**
 * Those of the sorted `wanted` ticks that are at least `gap` apart, and always the last value.
 *
 * @param {number[]} wanted
 * @param {number} last
 * @param {(value: number) => number} x
 * @param {number} gap
 */
export function ticks(wanted, last, x, gap) {
  /** @type {number[]} */
  const shown = [];
  for (const value of wanted) {
    if (x(last) - x(value) > gap && (!shown.length || x(value) - x(shown[shown.length - 1]) >= gap)) shown.push(value);
  }
  return [...shown, last];
}

/**
 * Where names beside the ends of lines are written: those that would cover each other move down.
 *
 * @param {number[]} ends sorted
 * @param {number} top the first name is not above it
 * @param {number} height of a name
 */
export function spreadNames(ends, top, height) {
  let free = top;
  return ends.map((end) => {
    const baseline = Math.max(free, end);
    free = baseline + height;
    return baseline;
  });
}
