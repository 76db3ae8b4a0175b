// The arithmetic of one cell with its real numbers, and what distance alone does to a head's scores.

import { element, shape } from "../../frontend/dom.js";
import { escapeToken, fixed } from "../../frontend/format.js";
import { extent, largestMagnitude, linear, linePath } from "../../frontend/scales.js";

/** @typedef {import("./view.js").Data} Data */
/** @typedef {import("./view.js").Head} Head */

/**
 * Query · key → / √d_head → + bias → exp → weight, as lines of [what, how, value].
 *
 * @param {Head} head
 * @param {Data} data
 * @param {number} query
 * @param {number} key
 */
function arithmetic(head, data, query, key) {
  const { count, arrays } = head;
  const at = (/** @type {string} */ name) => arrays[name][query * count + key];
  const scaled = Math.sqrt(data.dHead);
  const { actsOn, title } = data.positions;
  const bias = actsOn === "scores" ? at("position") : 0;
  const score = at("scores");
  const beforeBias = score - bias;
  const cap = data.softcap;
  const dot = cap ? productsOf(head, data, query, key).reduce((sum, product) => sum + product) / scaled : beforeBias;
  const lines = [
    ["query · key", `sum of ${data.dHead} products`, fixed(dot * scaled)],
    ["÷ √d_head", `÷ √${data.dHead} = ${scaled.toFixed(3)}`, fixed(dot)],
  ];
  if (cap) lines.push(["soft-cap", `${cap} · tanh(… ÷ ${cap})`, fixed(beforeBias)]);
  if (actsOn === "scores") {
    lines.push([`+ ${title}`, `bias at distance ${query - key}`, fixed(bias)]);
  } else if (actsOn === "queries and keys") {
    lines.push(["content", "neither rotated", fixed(at("content"))],
      ["+ position", `rotated for distance ${query - key}`, fixed(at("position"))]);
  }
  lines.push(
    ["score", "before softmax", fixed(score)],
    ["exp", `exp(score − row's maximum ${fixed(arrays.highest[query])})`,
      Math.exp(score - arrays.highest[query]).toFixed(4)],
    ["weight", `÷ ${arrays.total[query].toFixed(4)}, the row's sum`, at("pattern").toFixed(4)],
    ["value-weighted", "weight · |value|, rescaled", at("weighted").toFixed(4)],
  );
  return lines;
}

/**
 * A panel with the arithmetic of a cell.
 *
 * @param {HTMLElement} parent
 * @param {Head} head
 * @param {Data} data
 * @param {number} query
 * @param {number} key
 */
export function arithmeticPanel(parent, head, data, query, key) {
  const names = [query, key].map((position) => `${escapeToken(data.labels[position])} (${position})`);
  parent.replaceChildren(element("div", "llm-head-title", `${names[0]} attends to ${names[1]}`));
  if (Number.isNaN(head.arrays.pattern[query * head.count + key])) {
    parent.append(element("p", "llm-head-note",
      `The mask sets the score to −∞, so that the weight is 0: this key ${data.masked}.`));
    return;
  }
  const table = element("table", "llm-head-arithmetic");
  for (const [what, how, value] of arithmetic(head, data, query, key)) {
    const row = element("tr");
    row.append(element("th", "", what), element("td", "llm-head-how", how), element("td", "llm-head-number", value));
    table.append(row);
  }
  parent.append(table, productBars(head, data, query, key));
}

/**
 * The products query[i] · key[i].
 *
 * @param {Head} head
 * @param {Data} data
 * @param {number} query
 * @param {number} key
 */
function productsOf(head, data, query, key) {
  return Array.from({ length: data.dHead }, (_, index) =>
    head.arrays.query[query * data.dHead + index] * head.arrays.key[key * data.dHead + index]);
}

/**
 * The products query[i] · key[i] as bars; they sum to query · key.
 *
 * @param {Head} head
 * @param {Data} data
 * @param {number} query
 * @param {number} key
 */
function productBars(head, data, query, key) {
  const products = productsOf(head, data, query, key);
  const largest = largestMagnitude(products) || 1;
  const svg = shape("svg", { viewBox: "0 0 320 64", class: "llm-head-bars", role: "img" });
  svg.setAttribute("aria-label", `The ${data.dHead} products of query and key`);
  const width = 320 / data.dHead;
  products.forEach((product, index) => {
    const height = (28 * Math.abs(product)) / largest;
    svg.append(shape("rect", { x: index * width, y: product < 0 ? 32 : 32 - height, width: 0.85 * width, height,
      class: product < 0 ? "llm-bar-less" : "llm-bar-more" }));
  });
  return svg;
}

/**
 * The effect of distance alone on the scores: this head's line among its layer's. Returns what marks a distance on it.
 *
 * @param {HTMLElement} parent
 * @param {Head} head
 * @param {Data} data
 */
export function distanceChart(parent, head, data) {
  const lines = head.arrays.by_distance;
  const positions = data.positions;
  const distances = lines.length / data.heads;
  parent.replaceChildren(element("div", "llm-head-title", "Effect of distance alone"));
  if (!distances) {
    parent.append(element("p", "llm-head-note",
      positions.actsOn === "nothing" ? "This model has no information about the order of its tokens."
        : `Its ${positions.label} positions are added to the embeddings, so that order is part of query and key `
          + "and cannot be separated in a score."));
    return () => {};
  }
  parent.append(element("p", "llm-head-note", positions.actsOn === "scores"
    ? `${positions.title}: what is added to a score at each distance, a line for each head of the layer.`
    : `${positions.title}: the mean score of all queries and keys of this text, if each pair were this distance apart.`));
  const [low, high] = extent(lines, [0]);
  const x = linear([0, distances - 1], [44, 306]);
  const y = linear([high, low], [12, 112]);
  const svg = shape("svg", { viewBox: "0 0 320 140", class: "llm-head-distance", role: "img" });
  svg.setAttribute("aria-label", "Score by distance");
  const order = [...Array(data.heads).keys()].filter((index) => index !== data.head).concat(data.head); // this one on top
  for (const each of order) {
    const line = lines.subarray(each * distances, (each + 1) * distances);
    const path = linePath(Array.from(line, (value, distance) => [x(distance), y(value)]));
    svg.append(shape("path", { d: path, class: each === data.head ? "llm-line-chosen" : "llm-line" }));
  }
  svg.append(
    shape("text", { x: 40, y: 16, "text-anchor": "end" }, fixed(high, 2)),
    shape("text", { x: 40, y: 114, "text-anchor": "end" }, fixed(low, 2)),
    shape("text", { x: 44, y: 132 }, "distance 0"),
    shape("text", { x: 306, y: 132, "text-anchor": "end" }, String(distances - 1)),
  );
  const dot = shape("circle", { r: 4, class: "llm-line-dot" });
  svg.append(dot);
  parent.append(svg);
  return (/** @type {number} */ distance) => {
    const shown = distance >= 0 && distance < distances;
    dot.setAttribute("visibility", shown ? "visible" : "hidden");
    if (!shown) return;
    dot.setAttribute("cx", String(x(distance)));
    dot.setAttribute("cy", String(y(lines[data.head * distances + distance])));
  };
}
