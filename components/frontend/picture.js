// A view as a picture: everything in it is drawn again as SVG, where and as the browser drew it.

import { colour } from "./colours.js";
import { contextOf, shape, SVG } from "./dom.js";

const MARGIN = 16;
const LINE = 20; // height of a line of the title
const FONT = "system-ui, sans-serif";

/**
 * The visible part of `root` as one SVG with a title.
 *
 * @param {HTMLElement} root
 * @param {string} title
 */
export function asSeen(root, title) {
  const frame = root.getBoundingClientRect();
  const foot = root.querySelector(".llm-export")?.getBoundingClientRect().top ?? frame.bottom;
  const width = Math.ceil(frame.width) + 2 * MARGIN;
  const lines = wrapped(title, width - 2 * MARGIN);
  const above = 24 + LINE * lines.length;
  const svg = picture(root, width, Math.ceil(foot - frame.top) + above + MARGIN, lines);
  const view = shape("g", { transform: `translate(${MARGIN - frame.left} ${above - frame.top})` });
  new Redrawing().element(root, view);
  svg.append(view);
  return svg;
}

/**
 * A title in lines that are no wider than this, in pixels.
 *
 * @param {string} title
 * @param {number} width
 */
function wrapped(title, width) {
  const brush = contextOf(document.createElement("canvas"));
  brush.font = `600 15px ${FONT}`;
  /** @type {string[]} */
  const lines = [];
  for (const word of title.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && brush.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

class Redrawing {
  static LEFT_OUT = ".llm-export, [data-live]"; // for the page only: export buttons and hints
  static STYLES = ["fill-opacity", "stroke-opacity", "stroke-width", "stroke-dasharray", "opacity", "paint-order",
    "text-anchor", "font-family", "font-size", "font-weight"];

  constructor() {
    this.brush = contextOf(document.createElement("canvas"), { willReadFrequently: true });
    this.colours = new Map();
  }

  /**
   * One element and all in it, at its position in the window.
   *
   * @param {Element} seen
   * @param {Element} target
   */
  element(seen, target) {
    const style = getComputedStyle(seen);
    if (seen.matches(Redrawing.LEFT_OUT) || style.display === "none" || style.visibility === "hidden") return;
    const box = seen.getBoundingClientRect();
    this.box(box, style, target);
    if (seen.tagName === "CANVAS") this.canvas(/** @type {HTMLCanvasElement} */ (seen), box, style, target);
    else if (seen.tagName === "svg") this.drawing(/** @type {SVGSVGElement} */ (/** @type {unknown} */ (seen)), box, target);
    else if (seen.tagName === "INPUT") this.slider(/** @type {HTMLInputElement} */ (seen), box, target);
    else {
      const inside = style.overflowX === "visible" ? target : this.clipped(box, target);
      for (const child of seen.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) this.text(/** @type {Text} */ (child), style, inside);
        else if (child.nodeType === Node.ELEMENT_NODE) this.element(/** @type {Element} */ (child), inside);
      }
    }
  }

  /**
   * A clipping frame; coordinates inside it stay the same.
   *
   * @param {DOMRect} box
   * @param {Element} target
   */
  clipped({ left, top, width, height }, target) {
    const frame = shape("svg", { x: left, y: top, width, height, viewBox: `${left} ${top} ${width} ${height}` });
    target.append(frame);
    return frame;
  }

  /**
   * Background, border and outline.
   *
   * @param {DOMRect} box
   * @param {CSSStyleDeclaration} style
   * @param {Element} target
   */
  box({ left, top, width, height }, style, target) {
    const rx = parseFloat(style.borderTopLeftRadius) || 0;
    /** @type {(grown: number, paint: Record<string, string | number>) => void} */
    const rectangle = (grown, paint) => target.append(shape("rect", { x: left - grown, y: top - grown, rx,
      width: Math.max(0, width + 2 * grown), height: Math.max(0, height + 2 * grown), ...paint }));
    const ground = this.paint("fill", style.backgroundColor);
    if (Number(ground["fill-opacity"]) > 0) rectangle(0, ground);
    const [above, bottom, aside] = ["top", "bottom", "left"]
      .map((side) => parseFloat(style.getPropertyValue(`border-${side}-width`)));
    if (above && aside) {
      rectangle(-above / 2, { fill: "none", ...this.stroke(style.borderTopColor, above, style.borderTopStyle) });
    } else if (bottom) {
      const y = top + height - bottom / 2;
      target.append(shape("line", { x1: left, x2: left + width, y1: y, y2: y,
        ...this.stroke(style.borderBottomColor, bottom, style.borderBottomStyle) }));
    }
    const outline = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
    if (outline) {
      rectangle(outline / 2, { fill: "none", ...this.stroke(style.outlineColor, outline, style.outlineStyle) });
    }
  }

  /**
   * @param {string} paint
   * @param {number} width
   * @param {string} kind
   */
  stroke(paint, width, kind) {
    const dashes = /** @type {Record<string, string>} */ ({ dashed: `${3 * width} ${2 * width}`, dotted: `${width} ${width}` })[kind];
    return { ...this.paint("stroke", paint), "stroke-width": width, ...(dashes && { "stroke-dasharray": dashes }) };
  }

  /**
   * @param {HTMLCanvasElement} seen
   * @param {DOMRect} box
   * @param {CSSStyleDeclaration} style
   * @param {Element} target
   */
  canvas(seen, { left, top, width, height }, style, target) {
    if (!seen.width || !seen.height) return;
    target.append(shape("image", { x: left, y: top, width, height, href: seen.toDataURL(),
      preserveAspectRatio: "none", style: `image-rendering: ${style.imageRendering}` }));
  }

  /**
   * A drawing that is SVG already: its style is written into it.
   *
   * @param {SVGSVGElement} seen
   * @param {DOMRect} box
   * @param {Element} target
   */
  drawing(seen, { left, top, width, height }, target) {
    const copy = /** @type {SVGSVGElement} */ (seen.cloneNode(true));
    const originals = [seen, ...seen.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((part, index) => {
      const style = getComputedStyle(originals[index]);
      for (const name of Redrawing.STYLES) part.setAttribute(name, style.getPropertyValue(name));
      for (const name of ["fill", "stroke"]) {
        const value = style.getPropertyValue(name);
        part.setAttribute(name, value === "none" ? value : String(this.paint(name, value)[name]));
      }
      // a web font is not there in a picture: another one must not make the text wider
      const text = originals[index];
      if (text instanceof SVGTextContentElement && !text.childElementCount && text.textContent) {
        part.setAttribute("textLength", String(text.getComputedTextLength()));
        part.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
      for (const name of ["class", "role", "aria-label", "aria-hidden"]) part.removeAttribute(name);
    });
    for (const [name, value] of Object.entries({ x: left, y: top, width, height })) copy.setAttribute(name, String(value));
    target.append(copy);
  }

  /**
   * @param {HTMLInputElement} seen
   * @param {DOMRect} box
   * @param {Element} target
   */
  slider(seen, { left, top, width, height }, target) {
    const [value, low, high] = [seen.value, seen.min, seen.max].map(Number);
    const fraction = (value - low) / (high - low || 1);
    const [x, y] = [left + 8 + fraction * (width - 16), top + height / 2];
    const paint = (/** @type {string} */ name) => colour(seen.parentElement ?? seen, name);
    target.append(
      shape("line", { x1: left, x2: left + width, y1: y, y2: y, "stroke-width": 4, stroke: paint("line") }),
      shape("circle", { cx: x, cy: y, r: 8, fill: paint("accent") }),
    );
  }

  /**
   * A text line by line, each with its width on the page, even if another font is substituted.
   *
   * @param {Text} node
   * @param {CSSStyleDeclaration} style
   * @param {Element} target
   */
  text(node, style, target) {
    for (const { text, left, right, bottom } of this.lines(node)) {
      this.brush.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      target.append(shape("text", { x: left, y: bottom - this.brush.measureText(text).fontBoundingBoxDescent,
        ...this.paint("fill", style.color), "font-family": style.fontFamily, "font-size": style.fontSize,
        "font-weight": style.fontWeight, textLength: right - left, lengthAdjust: "spacingAndGlyphs",
        style: "white-space: pre" }, text));
    }
  }

  /**
   * The lines into which the browser broke a text.
   *
   * @param {Text} node
   */
  lines(node) {
    /** @type {{ text: string, left: number, right: number, bottom: number }[]} */
    const lines = [];
    const range = document.createRange();
    let at = 0;
    for (const character of node.data) {
      range.setStart(node, at);
      range.setEnd(node, (at += character.length));
      const [box] = range.getClientRects();
      if (!box?.width) continue; // a space that the browser left out
      const line = lines.at(-1);
      if (line && Math.abs(line.bottom - box.bottom) < box.height / 2) {
        line.text += character;
        line.left = Math.min(line.left, box.left);
        line.right = Math.max(line.right, box.right);
      } else {
        lines.push({ text: character, left: box.left, right: box.right, bottom: box.bottom });
      }
    }
    return lines;
  }

  /**
   * Any CSS colour as red, green and blue, which every program reads, and its opacity.
   *
   * @param {string} name
   * @param {string} css
   * @returns {Record<string, string | number>}
   */
  paint(name, css) {
    if (!this.colours.has(css)) {
      this.brush.clearRect(0, 0, 1, 1);
      this.brush.fillStyle = css;
      this.brush.fillRect(0, 0, 1, 1);
      this.colours.set(css, [...this.brush.getImageData(0, 0, 1, 1).data]);
    }
    const [red, green, blue, alpha] = this.colours.get(css);
    return { [name]: `rgb(${red}, ${green}, ${blue})`, [`${name}-opacity`]: +(alpha / 255).toFixed(3) };
  }
}

/**
 * An SVG picture of this size on the page's own background, with the lines of a title, in colours that do not depend on the page.
 *
 * @param {Element} parent
 * @param {number} width
 * @param {number} height
 * @param {string[]} title
 */
function picture(parent, width, height, title) {
  const svg = shape("svg", { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`,
    "font-family": FONT, "font-size": 12, fill: colour(parent, "--st-text-color") });
  svg.append(shape("rect", { width, height, fill: colour(parent, "panel") }), ...title.map((line, index) =>
    shape("text", { x: MARGIN, y: 26 + LINE * index, "font-size": 15, "font-weight": 600 }, line)));
  return svg;
}
