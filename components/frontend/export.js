// The row of buttons that export a view: as a picture, as a table, as a standalone page.

import { contextOf, element } from "./dom.js";

/**
 * The file name without extension, and the addresses of the server's files; an exported page has none. `tables` are
 * several CSV files, by label.
 *
 * @typedef {{ name: string, csv?: string, html?: string, tables?: Record<string, string> }} Links
 */

/**
 * @param {Blob} content
 * @param {string} name
 */
function save(content, name) {
  const link = element("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const svgText = (/** @type {SVGSVGElement} */ svg) => new XMLSerializer().serializeToString(svg);

/**
 * An SVG as PNG, at twice its size.
 *
 * @param {SVGSVGElement} svg
 */
async function rasterised(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Number(svg.getAttribute("width"));
  canvas.height = 2 * Number(svg.getAttribute("height"));
  contextOf(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/**
 * The row of export buttons.
 *
 * @param {Links} links
 * @param {() => SVGSVGElement} draw returns the view as SVG
 */
export function exportRow(links, draw) {
  const row = element("div", "llm-export");
  row.append(element("span", "llm-export-title", "Export"));
  const message = element("span", "llm-export-message");
  message.setAttribute("role", "status");
  /** @type {(label: string, act: () => unknown) => void} what `act` returns, if anything, is shown beside the buttons */
  const button = (label, act) => {
    const made = element("button", "llm-export-button", label);
    made.type = "button";
    made.addEventListener("click", async () => {
      try {
        message.textContent = String((await act()) ?? "");
      } catch (error) {
        message.textContent = `Export failed: ${error.message}`;
      }
    });
    row.append(made);
  };
  button("PNG", async () => save(await rasterised(draw()), `${links.name}.png`));
  button("SVG", () => save(new Blob([svgText(draw())], { type: "image/svg+xml" }), `${links.name}.svg`));
  const files = { CSV: links.csv, ...links.tables, "Page that works offline": links.html };
  const served = Object.entries(files).flatMap(([label, address]) => (address ? [{ label, address }] : []));
  if (served.length) { // not in an exported page
    for (const { label, address } of served) {
      const link = element("a", "llm-export-button", label);
      link.href = address;
      link.download = "";
      row.append(link);
    }
    button("Copy link", async () => {
      await navigator.clipboard.writeText(location.href);
      return "Link copied. It opens this view.";
    });
  }
  row.append(message);
  return row;
}

/**
 * Replaces the row when its links no longer match the state of the view.
 *
 * @param {HTMLElement} root
 * @param {{ export: { html?: string } }} before
 * @param {{ export: { html?: string } }} after
 * @param {() => HTMLElement} makeRow
 */
export function renewExportRow(root, before, after, makeRow) {
  if (before.export.html !== after.export.html) root.querySelector(".llm-export")?.replaceWith(makeRow());
}
