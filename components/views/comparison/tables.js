// The tables of a comparison: the runs, what differs in their settings, and their skills.

import { element, shape } from "../../frontend/dom.js";
import { duration, withError, withThousands } from "../../frontend/format.js";
import { scrollBox } from "../../frontend/parts.js";
import { linear } from "../../frontend/scales.js";

/**
 * A run: where it is, what it took, and the validation loss that it reached.
 *
 * @typedef {object} Run
 * @property {string} run its letter
 * @property {string} label
 * @property {string} state
 * @property {number | null} steps of the whole run; null: it was imported
 * @property {number | null} step
 * @property {number | null} parameters
 * @property {number | null} tokens
 * @property {number | null} seconds
 * @property {number | null} flops
 * @property {number | null} nats
 * @property {number | null} nats_error
 * @property {number | null} bits
 * @property {number | null} bits_error
 * @property {boolean} on_all_validation_text
 * @property {import("./charts.js").Curves} curves
 */

/** @typedef {{ field: string, plain: string, help: string, values: (string | number | boolean | null)[] }} Difference */
/** @typedef {{ accuracy: number, low: number, high: number, pairs: number, step: number, guessing: boolean }} Score */
/** @typedef {{ name: string, help: string, easy: boolean, scores: (Score | null)[] }} SkillRow */

const STRIP = { width: 84, height: 18, margin: 5 };

/**
 * 1234567 → "1.23M"
 *
 * @param {number | null} number
 */
export function compact(number) {
  if (number === null) return "–";
  const powers = ["", "k", "M", "G", "T", "P", "E"];
  const power = Math.min(powers.length - 1, Math.max(0, Math.floor(Math.log10(Math.abs(number) || 1) / 3)));
  return power ? `${(number / 1000 ** power).toPrecision(3)}${powers[power]}` : String(Math.round(number));
}

/**
 * A setting as text.
 *
 * @param {string | number | boolean | null} value
 */
export function shown(value) {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Number.isInteger(value) && /** @type {number} */ (value) >= 1000) return withThousands(/** @type {number} */ (value));
  return String(value);
}

/**
 * The letter of a run in its colour.
 *
 * @param {string} letter
 * @param {number} index
 */
export function chip(letter, index) {
  const made = element("span", "llm-comparison-chip", letter);
  made.style.setProperty("--run", `var(--llm-run-${index})`);
  return made;
}

/**
 * A table under a title, in a box that scrolls sideways.
 *
 * @param {string} title
 * @param {string} note
 * @param {string} hint for the pointer: left out of a picture
 * @param {(string | Node)[]} head
 * @param {(string | Node)[][]} rows
 */
export function table(title, note, hint, head, rows) {
  const section = element("section", "llm-comparison-section");
  const made = element("table", "llm-comparison-table");
  const first = element("tr");
  first.append(...head.map((cell) => filled("th", cell, "col")));
  made.append(element("thead"), element("tbody"));
  made.tHead?.append(first);
  for (const [name, ...cells] of rows) {
    const row = element("tr");
    row.append(filled("th", name, "row"), ...cells.map((cell) => filled("td", cell)));
    made.tBodies[0].append(row);
  }
  const notes = element("p", "llm-comparison-note", note);
  const live = element("span", "", hint);
  live.dataset.live = "";
  notes.append(" ", live);
  section.append(element("div", "llm-comparison-title", title), ...(note ? [notes] : []), scrollBox(title, made));
  return section;
}

/**
 * @param {"th" | "td"} tag
 * @param {string | Node} content
 * @param {string} [scope]
 */
function filled(tag, content, scope) {
  const cell = element(tag);
  if (scope) /** @type {HTMLTableCellElement} */ (cell).scope = scope;
  cell.append(content);
  return cell;
}

/**
 * @param {Run[]} runs
 * @param {"nats" | "bits"} unit
 * @param {string} unitTitle
 */
export function runsTable(runs, unit, unitTitle) {
  const rows = runs.map((run, index) => {
    const name = element("span", "llm-comparison-name");
    name.append(chip(run.run, index), element("span", "", run.label));
    const value = run[unit];
    const loss = value === null ? "–" : withError(value, run[`${unit}_error`]) + (run.on_all_validation_text ? "" : " *");
    const steps = run.steps === null ? "imported" : `${run.state}, ${withThousands(run.step ?? 0)} of ${withThousands(run.steps)}`;
    return [name, steps, loss, compact(run.tokens),
      run.seconds === null ? "–" : duration(run.seconds), compact(run.flops), compact(run.parameters)];
  });
  const partial = runs.some((run) => run[unit] !== null && !run.on_all_validation_text);
  return table("The runs", partial ? "* on some passages of the validation text; without a star: on all of it, at the end." : "",
    "", ["Run", "Steps", `Validation, ${unitTitle}`, "Tokens", "Time", "FLOPs", "Parameters"], rows);
}

/**
 * @param {Difference[]} differences
 * @param {Run[]} runs
 */
export function differencesTable(differences, runs) {
  const rows = differences.map(({ field, plain, help, values }) => {
    const name = element("span");
    const own = element("span", "llm-comparison-field", field);
    own.title = help;
    name.append(own, ...(plain ? [element("span", "llm-comparison-plain", ` ${plain}`)] : []));
    return [name, ...values.map(shown)];
  });
  const note = rows.length ? "Everything that is not listed is the same."
    : "Nothing: these runs have the same settings, text, tokenizer, machine and code.";
  return table("What differs", note, rows.length ? "Hover over a name for what it means." : "", ["", ...heads(runs)], rows);
}

/**
 * @param {SkillRow[]} skills
 * @param {Run[]} runs
 * @param {number[]} pairs
 * @param {number} guessing how far from one half guessing gets in 95 of 100 cases
 */
export function skillsTable(skills, runs, pairs, guessing) {
  const rows = skills.map(({ name, help, easy, scores }) => {
    const title = element("span", "llm-comparison-field", name);
    title.title = help + (easy ? "\n\nEasy: looking up the last twenty characters in the text is mostly right." : "");
    return [title, ...scores.map((score, index) => (score ? scoreCell(name, score, index, guessing) : "–"))];
  });
  return table("Skills of the story world", `${pairs.join(" or ")} pairs a skill, as last measured: ${measuredAt(skills, runs)}. Dashed line: 50%, guessing; `
    + "grey band: what guessing gives in 95 of 100 cases. In brackets, and as a line: the 95% interval.",
    "Hover over a name for what it asks.", ["", ...heads(runs)], rows);
}

/**
 * @param {string} name
 * @param {Score} score
 * @param {number} index of the run
 * @param {number} guessing
 */
function scoreCell(name, { accuracy, low, high, step, guessing: like }, index, guessing) {
  const { width, height, margin } = STRIP;
  const x = linear([0, 1], [margin, width - margin]);
  const [middleText, from, to] = [accuracy, low, high].map((fraction) => Math.round(100 * fraction));
  const text = `${middleText}% (${from}–${to})`;
  const cell = element("span", like ? "llm-comparison-score llm-comparison-like" : "llm-comparison-score");
  cell.style.setProperty("--run", `var(--llm-run-${index})`);
  cell.title = `At step ${withThousands(step)}${like ? ": like guessing" : ""}`;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "llm-comparison-strip", role: "img",
    "aria-label": `${name}: ${text}${like ? ", like guessing" : ""}` });
  const middle = height / 2;
  svg.append(
    shape("line", { x1: x(0), x2: x(1), y1: middle, y2: middle, class: "llm-comparison-axis" }),
    shape("rect", { x: x(0.5 - guessing), width: x(0.5 + guessing) - x(0.5 - guessing), y: 1, height: height - 2,
      class: "llm-comparison-guess" }),
    shape("line", { x1: x(0.5), x2: x(0.5), y1: 0, y2: height, class: "llm-comparison-half" }),
    shape("line", { x1: x(low), x2: x(high), y1: middle, y2: middle,
      class: "llm-comparison-error" }),
    shape("circle", { cx: x(accuracy), cy: middle, r: 4, class: "llm-comparison-dot" }),
  );
  cell.append(svg, element("span", "llm-comparison-value", text));
  return cell;
}

/**
 * Such as "A at step 112, B at step 450".
 *
 * @param {SkillRow[]} skills
 * @param {{ run: string }[]} runs
 */
export function measuredAt(skills, runs) {
  const stepOf = (/** @type {number} */ index) => skills.find(({ scores }) => scores[index])?.scores[index]?.step;
  return runs.flatMap(({ run }, index) => {
    const step = stepOf(index);
    return step === undefined ? [] : [`${run} at step ${withThousands(step)}`];
  }).join(", ");
}

/** @param {Run[]} runs */
const heads = (runs) => runs.map(({ run }, index) => chip(run, index));
