// The story world's skills: each one's accuracy over the steps, around one half, the accuracy of guessing.

import { element, shape } from "../../frontend/dom.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, withThousands } from "../../frontend/format.js";
import { linear, linePath } from "../../frontend/scales.js";

/** @typedef {import("./history.js").RunHistory} RunHistory */

/**
 * What a skill is called and asks.
 *
 * @typedef {object} Skill
 * @property {string} name
 * @property {string} about
 * @property {boolean} easy whether a look-up of the last characters solves it
 */

/**
 * A pair: after the context, the world can continue with `right` but not with `wrong`.
 *
 * @typedef {{ context: string, right: string, wrong: string }} Example
 */

/**
 * Data from the server.
 *
 * @typedef {object} SkillsData
 * @property {number} pairs of each skill
 * @property {string} examples address of two examples of each skill
 * @property {Record<string, Skill>} about by skill
 */

const CHART = { width: 150, height: 34, margin: 4 };

/**
 * The standard error of an accuracy, as if two more pairs had been right and two more wrong (`llm/world/skills.py`).
 *
 * @param {number} accuracy
 * @param {number} pairs
 */
export function standardError(accuracy, pairs) {
  const adjusted = (accuracy * pairs + 2) / (pairs + 4);
  return Math.sqrt((adjusted * (1 - adjusted)) / (pairs + 4));
}

/**
 * An accuracy with its 95% interval (Wilson 1927, `llm/world/skills.py`), which stays within 0 and 100%.
 *
 * @param {number} accuracy
 * @param {number} pairs
 */
export function inPercent(accuracy, pairs) {
  const part = 1.96 ** 2 / pairs;
  const half = 1.96 * Math.sqrt((accuracy * (1 - accuracy)) / pairs + part / (4 * pairs));
  const [low, high] = [-half, half].map((side) => (accuracy + part / 2 + side) / (1 + part));
  const percent = (/** @type {number} */ fraction) => Math.round(100 * Math.min(1, Math.max(0, fraction)));
  return `${percent(accuracy)}% (${percent(low)}–${percent(high)})`;
}

/**
 * Whether guessing could give this accuracy: it is within two standard errors of one half.
 *
 * @param {number} accuracy
 * @param {number} pairs
 */
export function looksLikeChance(accuracy, pairs) {
  return Math.abs(accuracy - 0.5) <= 2 * standardError(0.5, pairs);
}

export class Skills {
  /** @param {SkillsData} data */
  constructor(data) {
    this.data = data;
    /** @type {Record<string, Example[]>} */
    this.examples = {};
    this.root = element("details", "llm-live-more");
    this.root.hidden = true;
    this.note = element("p", "llm-live-skill-note", `${data.pairs} pairs a skill: two continuations, of which the story `
      + "world can produce one. Dashed line: 50%, guessing; grey band: what guessing gives in 95 of 100 cases. "
      + "In brackets: the 95% interval. Easy: looking up the last twenty characters in the text is mostly right. Hover over a name for examples.");
    this.list = element("div", "llm-live-skills");
    this.root.append(element("summary", "", "Skills of the story world"), this.note, this.list);
    this.root.addEventListener("toggle", () => this.fetchExamples(), { once: true });
  }

  async fetchExamples() {
    this.examples = await fetchJson(this.data.examples).catch(() => ({})); // names alone remain
    for (const name of this.list.querySelectorAll(".llm-live-skill-name")) this.explain(/** @type {HTMLElement} */ (name));
  }

  /** @param {HTMLElement} name */
  explain(name) {
    const skill = name.dataset.skill;
    const examples = (this.examples[skill] ?? []).map(({ context, right, wrong }) => `…${context}\n  → ${escapeToken(right)}  `
      + `not ${escapeToken(wrong)}`);
    name.title = [this.data.about[skill]?.about ?? "", ...examples].join("\n\n");
  }

  /** @param {RunHistory} history */
  show(history) {
    this.root.hidden = false;
    this.list.replaceChildren(...Object.entries(history.skills).flatMap(([skill, measured]) => this.row(skill, measured, history)));
  }

  /**
   * @param {string} skill
   * @param {[step: number, accuracy: number][]} measured
   * @param {RunHistory} history
   */
  row(skill, measured, history) {
    const { pairs, about } = this.data;
    const accuracy = measured.at(-1)[1];
    const chance = looksLikeChance(accuracy, pairs);
    const plain = about[skill]?.name ?? skill;
    const name = element("span", "llm-live-skill-name", plain);
    name.dataset.skill = skill;
    if (about[skill]?.easy) name.append(element("span", "llm-live-skill-easy", "easy"));
    this.explain(name);
    const value = element("span", "llm-live-skill-value", inPercent(accuracy, pairs));
    value.classList.toggle("llm-live-skill-chance", chance);
    const since = history.learnedSince[skill];
    const note = chance ? "like guessing" : since === null ? "" : `since step ${withThousands(since)}`;
    return [name, this.chart(plain, measured, chance), value, element("span", "llm-live-skill-since", note)];
  }

  /**
   * Accuracy over the steps, on a logarithmic scale, as the skills are measured at evaluations 1, 2, 4, 8 …
   *
   * @param {string} name
   * @param {[step: number, accuracy: number][]} measured
   * @param {boolean} chance
   */
  chart(name, measured, chance) {
    const { width, height, margin } = CHART;
    const scaled = (/** @type {number} */ step) => Math.log2(step + 1);
    const first = scaled(measured[0][0]);
    const x = linear([first, Math.max(first + 1, scaled(measured.at(-1)[0]))], [margin, width - margin]);
    const y = linear([1, 0], [margin, height - margin]);
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "llm-live-skill-chart", role: "img" });
    const values = measured.map(([step, accuracy]) => `${Math.round(100 * accuracy)}% at step ${withThousands(step)}`);
    svg.setAttribute("aria-label", `${name}: ${values.join(", ")}`);
    const band = 2 * standardError(0.5, this.data.pairs);
    svg.append(
      shape("title", {}, values.join("\n")),
      shape("rect", { x: margin, width: width - 2 * margin, y: y(0.5 + band), height: y(0.5 - band) - y(0.5 + band),
        class: "llm-live-skill-band" }),
      shape("line", { x1: margin, x2: width - margin, y1: y(0.5), y2: y(0.5), class: "llm-live-skill-half" }),
    );
    /** @type {[x: number, y: number][]} */
    const points = measured.map(([step, accuracy]) => [x(scaled(step)), y(accuracy)]);
    const kind = chance ? "llm-live-skill-line llm-live-skill-chance" : "llm-live-skill-line";
    svg.append(shape("path", { d: linePath(points), class: kind }));
    for (const [cx, cy] of points) svg.append(shape("circle", { cx, cy, r: 2, class: kind }));
    return svg;
  }
}
