// A window of numbers as a heat map: how large its cells are, its colours, and tokens beside rows and columns.

import { channels, colour, mixed } from "../../frontend/colours.js";
import { contextOf, element } from "../../frontend/dom.js";
import { escapeToken, truncate } from "../../frontend/format.js";
import { clamp, largestMagnitude } from "../../frontend/scales.js";

const LARGEST_CELL = 22; // pixels
const MANY_ROWS = 128; // from more rows on all are shown at once, however flat
const LABELLED_CELL = 11; // pixels from which on a token fits beside its row
const LABEL_LENGTH = 10; // characters

/**
 * Where the cells lie, in pixels: the margins for labels, and the size of a cell.
 *
 * @typedef {object} Layout
 * @property {number} left
 * @property {number} top
 * @property {number} cellWidth
 * @property {number} cellHeight
 */

/**
 * @param {number} rows
 * @param {number} columns
 * @param {number} room pixels from side to side
 * @param {{ rows: boolean, columns: boolean }} labelled which axes have tokens as labels
 * @returns {Layout}
 */
export function heatmapLayout(rows, columns, room, labelled) {
  const cellWidth = clamp(Math.floor(room / columns), 1, LARGEST_CELL);
  const cellHeight = rows > MANY_ROWS ? clamp(Math.floor(544 / rows), 1, cellWidth)
    : Math.min(LARGEST_CELL, Math.max(cellWidth, Math.floor(264 / rows))); // few rows of many cells stay legible
  return {
    left: labelled.rows && cellHeight >= LABELLED_CELL ? 78 : 0,
    top: labelled.columns && cellWidth >= LABELLED_CELL ? 62 : 0,
    cellWidth,
    cellHeight,
  };
}

/**
 * The numbers as a picture with a pixel a cell: the square root of the magnitude, in two colours; NaN and infinity in
 * a third.
 *
 * @param {Element} parent an element in the theme
 * @param {ArrayLike<number> & Iterable<number>} numbers [row, column]
 * @param {number} rows
 * @param {number} columns
 */
export function heatmapPicture(parent, numbers, rows, columns) {
  const image = new ImageData(columns, rows);
  const [less, zero, more, notFinite] = ["negative", "neutral", "positive", "line"].map((name) => channels(parent, name));
  const largest = largestMagnitude(numbers);
  for (let index = 0; index < numbers.length; index++) {
    const value = numbers[index];
    const fraction = largest ? Math.abs(value) / largest : 0;
    const shade = isFinite(value) ? mixed(zero, value < 0 ? less : more, Math.sqrt(fraction)) : notFinite;
    image.data.set([...shade, 255], 4 * index);
  }
  const picture = element("canvas");
  picture.width = columns;
  picture.height = rows;
  contextOf(picture).putImageData(image, 0, 0);
  return picture;
}

/**
 * Tokens beside the rows and above the columns, where the layout has margins for them.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Element} parent
 * @param {Layout} layout
 * @param {string[]} rows
 * @param {string[]} columns
 */
export function writeLabels(context, parent, { left, top, cellWidth, cellHeight }, rows, columns) {
  const short = (/** @type {string} */ token) => truncate(escapeToken(token), LABEL_LENGTH);
  context.fillStyle = colour(parent, "quiet");
  context.textBaseline = "middle";
  if (left) {
    context.font = `${Math.min(12, cellHeight)}px monospace`;
    context.textAlign = "right";
    rows.forEach((token, row) => context.fillText(short(token), left - 5, top + (row + 0.5) * cellHeight));
  }
  if (!top) return;
  context.font = `${Math.min(12, cellWidth)}px monospace`;
  context.textAlign = "left";
  columns.forEach((token, column) => {
    context.save();
    context.translate(left + (column + 0.5) * cellWidth, top - 5);
    context.rotate(-Math.PI / 3);
    context.fillText(short(token), 0, 0);
    context.restore();
  });
}
