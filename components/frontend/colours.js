// Colours by meaning ("train", "line", …) in the theme in use, for drawings that cannot read CSS variables.

import { contextOf, element } from "./dom.js";

/** @typedef {number[]} Rgb red, green and blue, 0 … 255 */

/**
 * A colour as CSS writes it. Names of Streamlit's own colours begin with "--".
 *
 * @param {Element} parent an element in the theme
 * @param {string} name
 */
export function colour(parent, name) {
  const probe = element("span");
  probe.style.color = name.startsWith("--") ? `var(${name})` : `var(--llm-${name})`;
  parent.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/**
 * Red, green and blue of a colour by meaning.
 *
 * @param {Element} parent
 * @param {string} name
 * @returns {Rgb}
 */
export function channels(parent, name) {
  const pixel = contextOf(document.createElement("canvas"), { willReadFrequently: true });
  pixel.fillStyle = colour(parent, name);
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

/**
 * The colour between two others; `fraction` 0: `from`, 1: `to`.
 *
 * @param {Rgb} from
 * @param {Rgb} to
 * @param {number} fraction
 * @returns {Rgb}
 */
export const mixed = (from, to, fraction) =>
  from.map((value, index) => Math.round(value + fraction * (to[index] - value)));

/**
 * Relative luminance, 0 … 1 (WCAG 2).
 *
 * @param {Rgb} rgb
 */
export function luminance(rgb) {
  const linear = (/** @type {number} */ value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = rgb.map((value) => linear(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * Contrast ratio of two colours, 1 … 21 (WCAG 2).
 *
 * @param {Rgb} first
 * @param {Rgb} second
 */
export function contrast(first, second) {
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** The colours of cells, from full "negative" over "neutral" to full `more`, and a readable text colour on each. */
export class CellColours {
  /**
   * @param {Element} parent
   * @param {string} more the colour of 1, by meaning
   */
  constructor(parent, more) {
    this.zero = channels(parent, "neutral");
    this.more = channels(parent, more);
    this.less = channels(parent, "negative");
    this.texts = ["--st-text-color", "--st-background-color"].map((name) => channels(parent, name));
  }

  /**
   * @param {number} value −1 … 1
   * @returns {Rgb}
   */
  at(value) {
    return mixed(this.zero, value < 0 ? this.less : this.more, Math.min(1, Math.abs(value)));
  }

  /** @param {number} value −1 … 1 */
  background(value) {
    return `rgb(${this.at(value).join(" ")})`;
  }

  /** @param {number} value −1 … 1; NaN: a cell without colour */
  text(value) {
    const [text, ground] = this.texts;
    if (Number.isNaN(value)) return `rgb(${text.join(" ")})`;
    const behind = this.at(value);
    return `rgb(${(contrast(text, behind) >= contrast(ground, behind) ? text : ground).join(" ")})`;
  }
}
