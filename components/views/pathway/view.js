// The path from text to next token: a row of stages, or a column on a narrow page. Each has a small drawing of what
// the stage makes: lines of writing, pieces, vectors, probabilities. The drawings are schematic: they show no numbers.

import { element, shape } from "../../frontend/dom.js";
import { withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";

/**
 * A stage of the path.
 *
 * @typedef {object} Stage
 * @property {string} title
 * @property {keyof typeof DRAWINGS} drawing
 * @property {[name: string, text: string][]} inside
 * @property {string} note
 * @property {string} shape
 * @property {number} parameters
 */

/** @typedef {{ stages: Stage[], total: number }} Data */

/** @typedef {[x: number, y: number, width: number, height: number, colour: string, opacity?: number]} Rectangle */

const PIECES = [26, 14, 34, 20]; // widths of the drawn tokens

/**
 * A drawing 124 wide and 44 high, of rectangles [x, y, width, height, colour, opacity].
 *
 * @param {Rectangle[]} rectangles
 */
function drawing(rectangles) {
  const svg = shape("svg", { viewBox: "0 0 124 44", preserveAspectRatio: "xMinYMid", class: "llm-pathway-drawing",
    "aria-hidden": "true" });
  for (const [x, y, width, height, fill, opacity = 1] of rectangles) {
    const rectangle = shape("rect", { x, y, width, height, rx: 2 });
    rectangle.style.fill = `var(--llm-${fill})`;
    rectangle.style.opacity = String(opacity);
    svg.append(rectangle);
  }
  return svg;
}

/** @type {(y: number, height: number, after?: number[]) => Rectangle[]} */
const pieces = (y, height, after = []) => {
  let x = 0;
  return [...PIECES, ...after].map((width, index) => {
    const piece = /** @type {Rectangle} */ ([x, y, width, height, index < PIECES.length ? `token-${index}` : "accent"]);
    x += width + 3;
    return piece;
  });
};

/**
 * A column of cells for each token; the shades come from a formula, so they are the same on every page.
 *
 * @returns {Rectangle[]}
 */
const vectors = () =>
  PIECES.flatMap((_width, column) =>
    Array.from({ length: 5 }, (_, row) => /** @type {Rectangle} */ ([
      4 + column * 30, row * 9, 20, 7, "accent", 0.2 + 0.75 * Math.abs(Math.sin(3.1 * column + 1.7 * row + 0.4)),
    ])),
  );

/** @type {Record<"text" | "tokens" | "vectors" | "probabilities" | "next", () => Rectangle[]>} */
const DRAWINGS = {
  text: () => [[0, 4, 112, 6, "quiet", 0.55], [0, 18, 96, 6, "quiet", 0.55], [0, 32, 60, 6, "quiet", 0.55]],
  tokens: () => pieces(13, 18),
  vectors,
  probabilities: () => [10, 4, 30, 16, 7, 3, 12].map((height, index) =>
    [index * 17, 42 - height, 12, height, index === 2 ? "accent" : "baseline", index === 2 ? 1 : 0.5]),
  next: () => pieces(13, 18, [16]),
};

class Pathway {
  static identity = () => "";

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    this.update(data);
  }

  /** @param {Data} data */
  update(data) {
    this.root.replaceChildren();
    const list = element("ol", "llm-pathway-list");
    for (const stage of data.stages) {
      const item = element("li", stage.inside ? "llm-pathway-stage llm-pathway-wide" : "llm-pathway-stage");
      item.append(element("div", "llm-pathway-title", stage.title));
      if (stage.drawing) item.append(drawing(DRAWINGS[stage.drawing]()));
      for (const [name, what] of stage.inside ?? []) {
        const part = element("div", "llm-pathway-part");
        part.append(element("strong", "", name), ` ${what}`);
        item.append(part);
      }
      item.append(element("div", "llm-pathway-note", stage.note));
      const foot = element("div", "llm-pathway-foot");
      if (stage.shape) foot.append(element("code", "llm-pathway-shape", stage.shape));
      if (stage.parameters) {
        const track = element("div", "llm-pathway-fraction");
        const fill = element("div", "llm-pathway-fill");
        fill.style.width = `${(100 * stage.parameters) / data.total}%`;
        track.append(fill);
        foot.append(element("div", "llm-pathway-count", `${withThousands(stage.parameters)} parameters`), track);
      }
      item.append(foot);
      list.append(item);
    }
    this.root.append(list);
  }
}

export default mount(Pathway);
