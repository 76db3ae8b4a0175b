// The map: one forward pass from the embedding to the unembedding, the residual stream drawn through. A block opens
// where the reader is; the others stay closed.

import { element } from "../../frontend/dom.js";

/** @typedef {{ path: string, kind: string, title: string }} Layer */

const parentOf = (/** @type {string} */ path) => path.split(".").slice(0, -1).join(".");

/**
 * The name of a layer in the map and the breadcrumbs: "Block 2", "Attention", "Norm before the MLP".
 *
 * @param {Layer} layer
 */
function layerName(layer) {
  const last = layer.path.split(".").at(-1);
  if (layer.kind === "Block") return `Block ${last}`;
  if (last === "norm_query" || last === "norm_key") return `${layer.title} of ${last === "norm_key" ? "keys" : "queries"}`;
  return layer.title;
}

/**
 * The layer that encloses this one: "blocks.0" for "blocks.0.attention", the model for a block.
 *
 * @param {Layer[]} layers
 * @param {string} path
 */
function enclosing(layers, path) {
  for (let up = parentOf(path); up; up = parentOf(up)) {
    const layer = layers.find((candidate) => candidate.path === up);
    if (layer) return layer;
  }
  return layers.find((layer) => layer.path === "");
}

/**
 * @param {HTMLElement} parent
 * @param {Layer[]} layers
 * @param {string} path
 * @param {(path: string) => void} pick
 */
export function drawCrumbs(parent, layers, path, pick) {
  parent.replaceChildren();
  const chain = [layers.find((layer) => layer.path === path)];
  for (let up = enclosing(layers, path); path && up; up = up.path ? enclosing(layers, up.path) : null) chain.unshift(up);
  chain.forEach((layer, index) => {
    if (index) parent.append(element("span", "llm-code-crumb-gap", "›"));
    const crumb = element("button", "llm-code-crumb", layerName(layer));
    crumb.type = "button";
    if (index === chain.length - 1) crumb.setAttribute("aria-current", "page");
    crumb.addEventListener("click", () => pick(layer.path));
    parent.append(crumb);
  });
}

/**
 * @param {HTMLElement} parent
 * @param {Layer[]} layers
 * @param {string} path
 * @param {(path: string) => void} pick
 */
export function drawMap(parent, layers, path, pick) {
  parent.replaceChildren();
  /** @type {(layer: Layer, className: string) => HTMLElement} */
  const box = (layer, className) => {
    const made = element("button", className, layerName(layer));
    made.type = "button";
    made.dataset.path = layer.path;
    made.setAttribute("aria-pressed", String(layer.path === path));
    made.addEventListener("click", () => pick(layer.path));
    return made;
  };
  const inside = (/** @type {Layer} */ outer) => layers.filter((layer) => layer.path && enclosing(layers, layer.path)?.path === outer.path);
  const whole = layers.find((layer) => layer.path === "");
  parent.classList.toggle("llm-code-apart", !whole); // pieces of code that no residual stream connects
  for (const layer of whole ? inside(whole) : layers) {
    const open = layer.kind === "Block" && (path === layer.path || path.startsWith(`${layer.path}.`));
    const stage = element("div", open ? "llm-code-stage llm-code-open" : "llm-code-stage");
    stage.append(box(layer, "llm-code-box"));
    if (open) {
      const parts = element("div", "llm-code-parts");
      for (const part of inside(layer)) {
        const column = element("div", "llm-code-part");
        column.append(box(part, "llm-code-box"));
        for (const smaller of inside(part)) column.append(box(smaller, "llm-code-box llm-code-small"));
        parts.append(column);
      }
      stage.append(parts);
    }
    parent.append(stage);
  }
}
