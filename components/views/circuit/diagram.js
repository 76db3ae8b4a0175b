// The circuit as a picture: the earlier piece, the repeated token, and the two looks back that connect them.

import { shape } from "../../frontend/dom.js";
import { escapeToken, truncate, wholePercent } from "../../frontend/format.js";

const HEIGHT = 252;
const BASELINE = 196; // of the boxes' text
const BOX = 40; // height of a box
const NARROW = 640; // pixels of the page below which the narrow layout is drawn

/** Width of the picture and of a box, the boxes' middles, and where the three names begin. */
const LAYOUTS = {
  wide: { width: 920, box: 104, x: 150, y: 270, dots: 430, again: 590, next: 760, names: [24, 360, 708] },
  narrow: { width: 540, box: 84, x: 52, y: 150, dots: 240, again: 330, next: 470, names: [4, 200, 406] },
};

/**
 * What the picture says.
 *
 * @typedef {object} Drawn
 * @property {string} token the one that is repeated
 * @property {string} piece the one to be copied
 * @property {number} earlier the position of the token's earlier occurrence
 * @property {number} query its position now
 * @property {string} previous name of the previous-token head
 * @property {string} copying name of the copying head
 * @property {number} previousWeight attention from the piece to the token before it
 * @property {number} copyingWeight attention from the token to the piece
 * @property {number} probability of the piece
 */

/**
 * @param {Drawn} drawn
 * @param {number} room pixels
 */
export function diagram(drawn, room) {
  const narrow = room < NARROW;
  const layout = narrow ? LAYOUTS.narrow : LAYOUTS.wide;
  const svg = shape("svg", { viewBox: `0 0 ${layout.width} ${HEIGHT}`, class: "llm-circuit-diagram", role: "img" });
  svg.setAttribute("aria-label", `From ${drawn.piece} at ${drawn.earlier + 1} the previous-token head, ${drawn.previous}, `
    + `looks back to ${drawn.token} with ${wholePercent(drawn.previousWeight)} of its attention. From ${drawn.token} at `
    + `${drawn.query} the copying head, ${drawn.copying}, looks to ${drawn.piece} with ${wholePercent(drawn.copyingWeight)}. `
    + `The model predicts ${drawn.piece} with ${wholePercent(drawn.probability)}.`);
  const attention = (/** @type {number} */ weight) => `${wholePercent(weight)}${narrow ? "" : " of its attention"}`;
  svg.append(arrowheads());
  const top = BASELINE - BOX / 2;
  svg.append(
    arc(layout.y - 12, layout.x + 6, top, 62, "previous", drawn.previousWeight),
    arc(layout.again, layout.y + 12, top, 128, "copying", drawn.copyingWeight),
    shape("path", { d: `M${layout.again + layout.box / 2 + 6} ${BASELINE}H${layout.next - layout.box / 2 - 10}`,
      class: "llm-circuit-arc llm-circuit-arc-written", "stroke-width": 3, "marker-end": "url(#llm-circuit-written)" }),
  );
  tokenBox(svg, layout.x, layout.box, drawn.token, `${drawn.earlier}`, "token");
  tokenBox(svg, layout.y, layout.box, drawn.piece, `${drawn.earlier + 1}`, "piece");
  tokenBox(svg, layout.again, layout.box, drawn.token, `${drawn.query}`, "token");
  tokenBox(svg, layout.next, layout.box, drawn.piece, "predicted", "next");
  svg.append(shape("text", { x: layout.dots, y: BASELINE + 5, "text-anchor": "middle", class: "llm-circuit-dots" }, "…"));
  label(svg, layout.names[0], 26, "1", "Previous-token head", `${drawn.previous} · ${attention(drawn.previousWeight)}`, "previous");
  label(svg, layout.names[1], 26, "2", "Copying head", `${drawn.copying} · ${attention(drawn.copyingWeight)}`, "copying");
  label(svg, layout.names[2], 132, "3", narrow ? "It writes" : "It writes the piece", narrow ? wholePercent(drawn.probability) : `predicted with ${wholePercent(drawn.probability)}`, "written");
  return svg;
}

/**
 * A curve from one box to an earlier one; the wider, the more attention.
 *
 * @param {number} from
 * @param {number} to
 * @param {number} top
 * @param {number} rise
 * @param {string} kind
 * @param {number} weight
 */
function arc(from, to, top, rise, kind, weight) {
  return shape("path", { d: `M${from} ${top - 4}C${from} ${top - rise} ${to} ${top - rise} ${to} ${top - 8}`,
    class: `llm-circuit-arc llm-circuit-arc-${kind}`, "stroke-width": (1.5 + 5 * weight).toFixed(1),
    "stroke-dasharray": weight < 0.1 ? "5 5" : "none", "marker-end": `url(#llm-circuit-${kind})` });
}

function arrowheads() {
  const defs = shape("defs");
  for (const kind of ["previous", "copying", "written"]) {
    const marker = shape("marker", { id: `llm-circuit-${kind}`, viewBox: "0 0 10 10", refX: 6, refY: 5, markerWidth: 13,
      markerHeight: 13, orient: "auto", markerUnits: "userSpaceOnUse" });
    marker.append(shape("path", { d: "M0 0L10 5L0 10z", class: `llm-circuit-tip-${kind}` }));
    defs.append(marker);
  }
  return defs;
}

/**
 * @param {SVGSVGElement} svg
 * @param {number} x
 * @param {number} wide
 * @param {string} text
 * @param {string} note
 * @param {string} kind
 */
function tokenBox(svg, x, wide, text, note, kind) {
  svg.append(
    shape("rect", { x: x - wide / 2, y: BASELINE - BOX / 2, width: wide, height: BOX, rx: 8,
      class: `llm-circuit-box llm-circuit-box-${kind}` }),
    shape("text", { x, y: BASELINE + 6, "text-anchor": "middle", class: "llm-circuit-token" }, truncate(escapeToken(text), Math.floor(wide / 10.5))),
    shape("text", { x, y: BASELINE + BOX / 2 + 20, "text-anchor": "middle", class: "llm-circuit-position" },
      note === "predicted" ? note : `position ${note}`),
  );
}

/**
 * @param {SVGSVGElement} svg
 * @param {number} x
 * @param {number} y
 * @param {string} number
 * @param {string} title
 * @param {string} text
 * @param {string} kind
 */
function label(svg, x, y, number, title, text, kind) {
  svg.append(
    shape("circle", { cx: x + 10, cy: y - 5, r: 11, class: `llm-circuit-number-${kind}` }),
    shape("text", { x: x + 10, y: y, "text-anchor": "middle", class: "llm-circuit-number" }, number),
    shape("text", { x: x + 28, y, class: "llm-circuit-label" }, title),
    shape("text", { x: x + 28, y: y + 18, class: "llm-circuit-sub" }, text),
  );
}
