// One column of code: the forward pass of one implementation, its shape comments as chips at the end of each line.

import { element } from "../../frontend/dom.js";

/**
 * A tensor that a line made.
 *
 * @typedef {object} Variable
 * @property {string} name
 * @property {string[]} axes
 * @property {number[]} shape
 * @property {Statistics} values
 * @property {Statistics | null} gradient
 */

/**
 * Of all elements of a tensor; as a text where they are not finite.
 *
 * @typedef {object} Statistics
 * @property {number | string} min
 * @property {number | string} mean
 * @property {number | string} max
 * @property {number} infinite how many are not finite
 */

/**
 * A line as it ran.
 *
 * @typedef {object} Step
 * @property {number} first its first line in the file
 * @property {number} last
 * @property {number} call
 * @property {Variable[]} variables
 * @property {[name: string, text: string][]} values numbers and texts
 * @property {Record<string, number>} pairs its counterparts in the other implementations
 */

/**
 * The code of one implementation and its steps.
 *
 * @typedef {object} Described
 * @property {string} file
 * @property {string} class
 * @property {number} first
 * @property {string[]} code
 * @property {Step[]} steps
 */

/**
 * What a column marks.
 *
 * @typedef {object} Shown
 * @property {number | null | undefined} step
 * @property {boolean} paired whether another column is stepped through
 * @property {boolean} actual sizes in place of names
 * @property {number | null} hiddenFrom the first line whose shape the quiz hides
 */

const PYTHON = /(#.*$)|("[^"]*"|'[^']*')|\b(def|return|if|else|elif|for|in|is|not|None|True|False|and|or|lambda)\b|\b(self)\b/g;
const SHAPE = /\s*#\s*\[([^\]]*)\]\s*$/;

/**
 * Python text as spans; all of it stays text. A docstring's line is prose as a whole.
 *
 * @param {string} text
 * @param {boolean} prose
 */
function highlighted(text, prose) {
  const line = element("span", "llm-code-text");
  if (prose) {
    line.append(element("span", "llm-code-comment", text));
    return line;
  }
  let done = 0;
  for (const match of text.matchAll(PYTHON)) {
    line.append(text.slice(done, match.index));
    const kind = match[1] ? "comment" : match[2] ? "string" : match[3] ? "word" : "self";
    line.append(element("span", `llm-code-${kind}`, match[0]));
    done = match.index + match[0].length;
  }
  line.append(text.slice(done));
  return line;
}

/**
 * @param {string[]} names of the axes
 * @param {number[]} [shape] their sizes, which stand in place of the names
 */
export const shapeText = (names, shape) => `[${names.map((name, index) => (shape ? shape[index] : name)).join(", ")}]`;

export class CodeColumn {
  /**
   * @param {string} name
   * @param {Described} described
   * @param {(implementation: string, step: number) => void} choose
   */
  constructor(name, described, choose) {
    this.name = name;
    this.described = described;
    this.root = element("section", "llm-code-column");
    this.root.dataset.implementation = name;
    this.root.setAttribute("aria-label", `Code with ${name}`);
    const head = element("div", "llm-code-head");
    head.append(element("strong", "", name), element("code", "llm-code-file",
      `${described.file}:${described.first} · ${described.class}`));
    this.lines = element("div", "llm-code-lines");
    const indent = Math.min(...described.code.filter((text) => text.trim()).map((text) => text.search(/\S/)));
    let prose = false; // inside a docstring
    this.rows = described.code.map((text, index) => {
      const quotes = text.split('"""').length - 1;
      const isProse = prose || quotes > 0;
      if (quotes % 2) prose = !prose;
      const number = described.first + index;
      const row = element("div", "llm-code-line");
      row.dataset.line = String(number);
      const steps = described.steps.filter((step) => step.first <= number && number <= step.last);
      const shape = text.match(SHAPE);
      row.append(element("span", "llm-code-number", String(number)),
        highlighted(text.slice(indent).replace(SHAPE, ""), isProse));
      const chip = shape ? element("span", "llm-code-chip") : null;
      if (chip) row.append(chip);
      if (steps.length) {
        row.classList.add("llm-code-ran");
        row.tabIndex = 0;
        row.setAttribute("role", "button");
        const go = () => choose(name, described.steps.indexOf(steps.at(-1)));
        row.addEventListener("click", go);
        row.addEventListener("keydown", (event) => event.key === "Enter" && go());
      }
      this.lines.append(row);
      return { row, chip, axes: shape ? shape[1].split(",").map((axis) => axis.trim()) : [] };
    });
    this.root.append(head, this.lines);
  }

  /**
   * Mark the current statement (or, in another column, its counterpart) and fill the chips in.
   *
   * @param {Shown} shown
   */
  show({ step, paired, actual, hiddenFrom }) {
    const current = step === null || step === undefined ? null : this.described.steps[step];
    this.root.classList.toggle("llm-code-chosen", !paired);
    for (const { row, chip, axes } of this.rows) {
      const number = Number(row.dataset.line);
      const inside = current !== null && current.first <= number && number <= current.last;
      row.classList.toggle("llm-code-now", inside && !paired);
      row.classList.toggle("llm-code-pair", inside && paired);
      if (inside && !paired) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
      if (chip) chip.textContent = this.shapeAt(axes, number, actual, hiddenFrom);
    }
    const first = current && this.rows[current.first - this.described.first]?.row;
    if (first) {
      const box = this.lines;
      const top = first.offsetTop; // from the top of the box, which is positioned
      if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 90) {
        box.scrollTop = Math.max(0, top - box.clientHeight / 3);
      }
    }
  }

  /**
   * @param {string[]} axes
   * @param {number} number
   * @param {boolean} actual
   * @param {number | null} hiddenFrom
   */
  shapeAt(axes, number, actual, hiddenFrom) {
    if (hiddenFrom !== null && number >= hiddenFrom) return "# [ ? ]";
    const step = this.described.steps.findLast((one) => one.first <= number && number <= one.last);
    const variable = step?.variables[0];
    return `# ${variable && actual ? shapeText(variable.axes, variable.shape) : `[${axes.join(", ")}]`}`;
  }
}
