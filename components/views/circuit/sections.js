// The sections of the circuit that belong to one step of training: each makes its elements from what was measured.

import { element } from "../../frontend/dom.js";
import { escapeToken, fixed, percent, quoted, wholePercent, withSign } from "../../frontend/format.js";
import { barList } from "../../frontend/parts.js";
import { largestMagnitude } from "../../frontend/scales.js";
import { diagram } from "./diagram.js";
import { circuitMarks, headGrid, headName } from "./grids.js";
import { readText } from "./text.js";
import { mostCostly, outcome, withoutHeads } from "./verdicts.js";

/** @typedef {import("./view.js").Data} Data */
/** @typedef {[right: number, other: number]} Pair probabilities */

const paragraph = (/** @type {string} */ text, name = "llm-circuit-say") => element("p", name, text);
const note = (/** @type {string} */ text) => paragraph(text, "llm-part-note");
const numbers = (/** @type {number} */ count, /** @type {string} */ what) => [...Array(count).keys()].map((index) => `${what} ${index}`);

/**
 * The text, the picture of the circuit, and both scores of every head.
 *
 * @param {HTMLElement} root
 * @param {Data} data
 * @param {any} content
 */
export function looks(root, data, content) {
  const { labels, earlier, piece, previous, copying, layers, heads } = data;
  const token = labels[labels.length - 1];
  const [previousWeight, copyingWeight] = [content.previousRow[earlier], content.copyingRow[earlier + 1]];
  const best = Math.max(...content.copying.flat());
  const drawn = diagram({ token, piece, earlier, query: labels.length - 1, previous: headName(previous),
    copying: headName(copying), previousWeight, copyingWeight, probability: content.probabilities[0] }, root.clientWidth);
  const grid = (/** @type {string} */ title, /** @type {number[][]} */ values) => headGrid(root, { title, corner: "",
    rows: numbers(layers, "layer"), columns: numbers(heads, "head"), values, format: (value) => value.toFixed(2), most: 1,
    more: "accent", marked: circuitMarks(previous, copying) });
  const grids = element("div", "llm-part-columns");
  grids.append(grid("Previous-token score", content.previous), grid("Copying score, on held-out text", content.copying));
  return [
    ...(best < data.copiesAbove ? [warning(data, best, content.uniform)] : []),
    paragraph(`The model has read this far. ${quoted(token)} stands at position ${labels.length - 1}, and it occurred before, at ${earlier}. `
      + `There, ${quoted(piece)} came after it. Will the model write ${quoted(piece)} again?`),
    readText(data, content),
    drawn,
    ...(data.places.length > 1 ? [note(`${quoted(piece)} can be copied from ${data.places.length} places: positions ${data.places.join(", ")}. `
      + `The copying head gives all of them together ${wholePercent(data.places.reduce((sum, place) => sum + content.copyingRow[place], 0))} of its attention.`)] : []),
    grids,
    note(`Each score is a fraction of attention: 1 would be all of it. Even attention would have a copying score of ${content.uniform.toFixed(2)} `
      + `(${content.positions.toLocaleString("en-GB")} repeated tokens). Framed: the pair shown above. Choose other heads at the top of the page.`),
  ];
}

/**
 * Said where no head copies.
 *
 * @param {Data} data
 * @param {number} best
 * @param {number} uniform
 */
function warning(data, best, uniform) {
  const later = data.step < Math.max(...data.steps);
  return paragraph(`No head copies ${later ? "yet at this step" : "in this model"}: the best copying score is ${best.toFixed(2)}, `
    + `and even attention would have ${uniform.toFixed(2)}. ${later ? "Choose a later step, at the top, or read on to see what comes first."
      : `What follows shows the pair with the best scores, which is no circuit. ${data.advice}`}`, "llm-circuit-warning");
}

/**
 * QK and OV: two rankings of the vocabulary.
 *
 * @param {HTMLElement} _root
 * @param {Data} data
 * @param {any} content
 */
export function parts(_root, data, content) {
  const token = quoted(data.labels[data.labels.length - 1]);
  const box = element("div", "llm-part-columns");
  box.append(
    ranking(`QK: standing at ${token}, it looks for a position that comes after …`, content.matched,
      data.labels[data.labels.length - 1]),
    ranking(`OV: where it finds ${quoted(data.piece)}, it raises the logit of …`, content.written, data.piece),
  );
  return [
    paragraph("Both lists are read from the weights alone: this text plays no part in them. If the circuit copies, the token "
      + "itself is on top of both lists: the head looks for what came after the same token, and writes what it finds."),
    box,
    note("A token is taken as its embedding, as if the residual stream held nothing else; norms that follow act by their γ, "
      + "without 1/σ; biases and position vectors are left out. "
      + (data.rotary ? `Queries are rotated by this example's distance, ${content.distance} positions.` : "")),
  ];
}

/**
 * @param {string} title
 * @param {any} ranked
 * @param {string} own
 */
function ranking(title, ranked, own) {
  const panel = element("div", "llm-part-panel");
  const highest = Math.max(...ranked.scores, 1e-9);
  /** @type {[string, number, string][]} */
  const lines = ranked.tokens.map((/** @type {string} */ token, /** @type {number} */ index) =>
    [escapeToken(token), Math.max(0, ranked.scores[index]) / highest, fixed(ranked.scores[index], 2)]);
  const inList = ranked.own.includes(true);
  if (!inList) lines.push([escapeToken(own), Math.max(0, ranked.score) / highest, fixed(ranked.score, 2)]);
  const bars = barList(title, lines);
  const at = inList ? ranked.own.indexOf(true) : lines.length - 1;
  bars.querySelectorAll(".llm-part-line")[at].classList.add("llm-circuit-own");
  panel.append(bars, note(`${quoted(own)} itself: rank ${ranked.rank.toLocaleString("en-GB")} of ${ranked.of.toLocaleString("en-GB")}. `
    + `Of ${ranked.ranked} tokens that the held-out text copies with, ${wholePercent(ranked.first)} are first in their own list, `
    + `${wholePercent(ranked.tenth)} among the first ten.`));
  return panel;
}

const KINDS = { K: "K: into its keys", Q: "Q: into its queries", V: "V: into its values" };

/**
 * Composition of the heads of both layers.
 *
 * @param {HTMLElement} root
 * @param {Data} data
 * @param {any} content
 */
export function composition(root, data, content) {
  const { previous, copying, heads } = data;
  const most = Math.max(largestMagnitude(Object.values(content.kinds).flat(2)), 3 * content.random);
  const box = element("div", "llm-part-columns llm-circuit-thirds");
  for (const [kind, title] of Object.entries(KINDS)) {
    box.append(headGrid(root, { title, corner: `${previous[0]} ↓ ${copying[0]} →`, rows: numbers(heads, "head"),
      columns: numbers(heads, "head"), values: content.kinds[kind], format: (value) => value.toFixed(2), most,
      more: "accent", marked: [[previous[1], copying[1], "copying"]] }));
  }
  const key = content.kinds.K[previous[1]][copying[1]];
  return [
    paragraph(`A later head reads from the residual stream what earlier heads wrote there. How much of what a head of layer ${previous[0]} (rows) writes can enter what a `
      + `head of layer ${copying[0]} (columns) reads? For the pair, K-composition is ${key.toFixed(2)}, ${(key / content.random).toFixed(1)} times `
      + `what random matrices of these shapes have, ${content.random.toFixed(2)}: the note of the earlier head ${key > 1.3 * content.random
        ? "is what the later one's keys read." : "is hardly more in its keys than by chance."}`),
    box,
    note("‖W_OV · W‖ / (‖W_OV‖ · ‖W‖), Frobenius norms, W_OV of the earlier head, W = W_QKᵀ (K), W_QK (Q) or W_OV (V) of the later one. "
      + `Positions (rotary angles, ALiBi) and norms are outside of this product.${data.group > 1 ? " Query heads of one group share keys and values." : ""}`),
  ];
}

/**
 * The direct effect of each head on the logit of the right piece.
 *
 * @param {HTMLElement} root
 * @param {Data} data
 * @param {any} content
 */
export function direct(root, data, content) {
  const { previous, copying, layers, heads, piece, other } = data;
  const own = content.heads[copying[0]][copying[1]];
  const higher = content.heads.flat().filter((/** @type {number} */ value) => value > own).length;
  const grid = headGrid(root, { title: `Adds to the logit of ${quoted(piece)}, over ${quoted(other)}`, corner: "",
    rows: numbers(layers, "layer"), columns: numbers(heads, "head"), values: content.heads,
    format: (value) => withSign(value, 2), most: largestMagnitude(content.heads.flat()), more: "positive",
    marked: circuitMarks(previous, copying) });
  return [
    paragraph(`At the last token, the copying head adds ${withSign(own, 2)} to the logit of ${quoted(piece)} over that of ${quoted(other)}, `
      + `${higher ? `and ${higher} ${higher === 1 ? "head adds" : "heads add"} more` : "more than any other head"}. The previous-token head adds `
      + `${withSign(content.heads[previous[0]][previous[1]], 2)} here: it does its work at another position, and through the copying head.`),
    grid,
    note(`All heads add ${withSign(content.difference - content.rest, 2)}, embeddings, MLPs and biases ${withSign(content.rest, 2)}: together `
      + `the logit difference, ${withSign(content.difference, 2)}.`),
  ];
}

/**
 * The causal test, with its controls, on this text and over held-out text.
 *
 * @param {HTMLElement} root
 * @param {Data} data
 * @param {any} content
 */
export function breaking(root, data, content) {
  const { piece, other, previous, copying, labels } = data;
  const [right, wrong] = [quoted(piece), quoted(other)];
  /** @type {Record<string, string>} */
  const names = {
    unchanged: "Nothing changed",
    replaced: `${wrong} in place of the earlier ${right}`,
    previous: `Without the previous-token head, ${headName(previous)}`,
    copying: `Without the copying head, ${headName(copying)}`,
    both: "Without both",
    elsewhere: content.elsewhere === null ? "" : `Control: ${wrong} in place of ${quoted(labels[content.elsewhere])}, position ${content.elsewhere}`,
    unlabelled: `Control: without a head of low scores, ${headName(content.control)}`,
    untrained: "Control: the untrained model",
    untrainedReplaced: `Control: the untrained model, with ${wrong}`,
    oneLayer: `Control: one layer, ${data.control}`,
    oneLayerReplaced: `Control: one layer, with ${wrong}`,
  };
  const table = element("div", "llm-circuit-test");
  const keys = element("div", "llm-circuit-keys");
  keys.append(element("span", "llm-circuit-key llm-circuit-key-right", right), element("span", "llm-circuit-key llm-circuit-key-other", wrong));
  for (const [name, text] of Object.entries(names)) {
    if (content.probabilities[name]) table.append(testRow(text, content.probabilities[name], name));
  }
  return [
    paragraph("Attention shows where information can flow. Whether it is used, only a change shows. Here is the probability of the two "
      + `pieces after ${quoted(labels[labels.length - 1])}, for one change at a time.`),
    outcome(data, content.probabilities),
    keys,
    table,
    paragraph(withoutHeads(right, content.probabilities)),
    ...heldOut(root, data, content.heldOut),
  ];
}

/**
 * @param {string} text
 * @param {Pair} pair
 * @param {string} name
 */
function testRow(text, [right, other], name) {
  const row = element("div", `llm-circuit-row llm-circuit-row-${name}`);
  const bars = element("div", "llm-circuit-bars");
  for (const [kind, value] of /** @type {[string, number][]} */ ([["right", right], ["other", other]])) {
    const track = element("div", "llm-circuit-track");
    const bar = element("span", `llm-circuit-bar llm-circuit-bar-${kind}`);
    bar.style.width = `${100 * value}%`;
    track.append(bar);
    bars.append(track, element("span", "llm-circuit-value", percent(value)));
  }
  row.append(element("div", "llm-circuit-what", text), bars);
  return row;
}

/**
 * The same over held-out text: the loss without each head.
 *
 * @param {HTMLElement} root
 * @param {Data} data
 * @param {any} content
 */
function heldOut(root, data, content) {
  if (!content.pieces) {
    return [note("The held-out text has no piece that must be copied, so the loss on such pieces cannot be measured.")];
  }
  const { heads, previous, copying } = data;
  /** @type {[number, number, string][]} */
  const marks = circuitMarks(previous, copying).map(([layer, head, kind]) => [content.layers.indexOf(layer), head, kind]);
  const grown = (/** @type {number} */ part) => content.grown.map((/** @type {Pair[]} */ row) => row.map((pair) => pair[part]));
  const most = largestMagnitude(content.grown.flat(2));
  const grid = (/** @type {string} */ title, /** @type {number} */ part) => headGrid(root, { title, corner: "",
    rows: content.layers.map((/** @type {number} */ layer) => `layer ${layer}`), columns: numbers(heads, "head"), values: grown(part),
    format: (value) => withSign(value, 2), most, more: "negative", marked: marks });
  const box = element("div", "llm-part-columns");
  box.append(grid(`Loss on ${content.pieces} copied pieces, without the head`, 0), grid("Loss on all other tokens, without the head", 1));
  return [
    paragraph(`One example proves little. Over held-out text, the model predicts ${wholePercent(content.accuracy)} of ${content.pieces} copied pieces right, `
      + `at a loss of ${content.loss.toFixed(2)} nats. At each of them the copying head ${copying.join(".")} pays ${wholePercent(content.copying)} of `
      + `its attention to the piece after the latest earlier occurrence; evenly spread, it would be ${wholePercent(content.evenly)}. Switch off one head at a time: which one costs copied pieces more than all else?`),
    box,
    paragraph(mostCostly(data, content)),
    note(`Growth of the loss in nats. As it is: ${content.loss.toFixed(2)} on copied pieces, ${content.rest.toFixed(2)} on other tokens.`),
  ];
}
