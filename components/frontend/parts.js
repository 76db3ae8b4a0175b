// Small parts that several views use: bars beside names, and a line over the layers.

import { element, shape } from "./dom.js";
import { linear, linePath } from "./scales.js";

/**
 * Bars of [name, fraction 0 … 1, text], under a title.
 *
 * @param {string} title
 * @param {[name: string, fraction: number, text: string][]} lines
 */
export function barList(title, lines) {
  const box = element("div", "llm-part-bars");
  box.append(element("div", "llm-part-title", title));
  for (const [name, fraction, text] of lines) {
    const line = element("div", "llm-part-line");
    const track = element("span", "llm-part-track");
    const bar = element("span", "llm-part-bar");
    bar.style.width = `${100 * Math.min(1, fraction)}%`;
    track.append(bar);
    line.append(element("span", "llm-part-token", name), track, element("span", "llm-part-number", text));
    box.append(line);
  }
  return box;
}

/**
 * A box, named for those who do not see it, in which a wide table scrolls sideways.
 *
 * @param {string} title
 * @param {HTMLTableElement} content
 */
export function scrollBox(title, content) {
  const box = element("div", "llm-part-scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", title);
  box.append(content);
  return box;
}

/**
 * Values by row as a line with dots, from 0 up; `focus` is the row in focus, `format` formats a value.
 *
 * @param {string} title
 * @param {string[]} rows
 * @param {number[]} values
 * @param {number} focus
 * @param {(value: number) => string} format
 */
export function rowChart(title, rows, values, focus, format) {
  const box = element("figure", "llm-part-figure");
  box.append(element("figcaption", "llm-part-title", title));
  const svg = shape("svg", { viewBox: "0 0 340 150", class: "llm-part-chart", role: "img" });
  const spoken = values.map((value, row) => `${rows[row]} ${format(value)}`);
  svg.setAttribute("aria-label", `${title}: ${spoken.join(", ")}`);
  const most = Math.max(...values) || 1;
  const x = linear([0, rows.length - 1], [44, 324]);
  const y = linear([0, most], [120, 16]);
  svg.append(
    shape("line", { x1: 44, x2: 324, y1: 120, y2: 120, class: "llm-part-axis" }),
    shape("text", { x: 38, y: 20, "text-anchor": "end" }, format(most)),
    shape("text", { x: 38, y: 124, "text-anchor": "end" }, "0"),
    shape("path", { d: linePath(values.map((value, row) => [x(row), y(value)])), class: "llm-part-path" }),
  );
  values.forEach((value, row) => {
    const dot = shape("circle", { cx: x(row), cy: y(value), r: row === focus ? 5 : 3,
      class: row === focus ? "llm-part-now" : "llm-part-dot" });
    dot.append(shape("title", {}, `${rows[row]}: ${format(value)}`));
    svg.append(dot);
  });
  svg.append(shape("text", { x: 44, y: 142 }, rows[0]),
    shape("text", { x: 324, y: 142, "text-anchor": "end" }, rows.at(-1)));
  box.append(svg);
  return box;
}

/** The status line of a view: progress and errors. */
export class Status {
  /** @param {string} text */
  constructor(text) {
    this.root = element("div", "llm-part-status", text);
    this.root.dataset.live = ""; // pointer hints: left out of a picture
    this.root.setAttribute("role", "status");
  }

  /** @param {string} text */
  show(text) {
    this.root.textContent = text;
  }

  /** @param {Error} error */
  fail(error) {
    this.show(error.message);
    this.root.classList.add("llm-part-bad");
  }
}

/**
 * Bars of [name, value, text] to both sides of zero, under a title; `most` is a full half.
 *
 * @param {string} title
 * @param {[name: string, value: number, text: string][]} lines
 * @param {number} most
 */
export function signedBars(title, lines, most) {
  const box = element("div", "llm-part-bars llm-part-signed");
  box.append(element("div", "llm-part-title", title));
  for (const [name, value, text] of lines) {
    const line = element("div", "llm-part-line");
    const track = element("span", "llm-part-track");
    const bar = element("span", `llm-part-bar ${value < 0 ? "llm-part-less" : "llm-part-more"}`);
    const width = 50 * Math.min(1, Math.abs(value) / (most || 1));
    Object.assign(bar.style, { width: `${width}%`, marginLeft: `${value < 0 ? 50 - width : 50}%` });
    track.append(bar);
    line.append(element("span", "llm-part-name", name), track, element("span", "llm-part-number", text));
    box.append(line);
  }
  return box;
}
