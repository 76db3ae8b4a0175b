// A tree of runs, one a row: its steps on a common axis, from where it went on, and what was changed there.

import { element, shape } from "../../frontend/dom.js";
import { withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { scrollBox } from "../../frontend/parts.js";
import { linear } from "../../frontend/scales.js";

/**
 * A run of the tree; a branch comes after the run that it goes on from, one deeper.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {string} label
 * @property {number} depth
 * @property {number} begin the step from which it goes on
 * @property {number} end its last step
 * @property {string} from
 * @property {string} changed
 * @property {string} state
 * @property {string} loss
 */

/** @typedef {{ run: string, rows: Row[], left: number }} Data */

const BAR = { width: 150, height: 16, margin: 5 };
const HEADS = ["Run", "Steps", "Goes on from", "Changed", "State", "Validation loss"];

class Branches {
  static identity = () => "branches";

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.page = page;
    this.update(data);
  }

  /** @param {Data} data */
  update({ run, rows, left }) {
    const table = element("table", "llm-branches-table");
    const head = element("tr");
    head.append(...HEADS.map((name) => Object.assign(element("th", "", name), { scope: "col" })));
    const body = element("tbody");
    const last = Math.max(1, ...rows.map(({ end }) => end));
    body.append(...rows.map((row) => this.row(row, row.id === run, last)));
    table.append(element("thead"), body);
    table.tHead?.append(head);
    const more = left ? [element("p", "llm-part-note", `${withThousands(left)} more are not shown.`)] : [];
    this.root.replaceChildren(scrollBox("Tree of branches", table), ...more);
    this.root.dataset.drawn = "branches";
  }

  /**
   * @param {Row} row
   * @param {boolean} open whether the page shows this run
   * @param {number} last the last step of all runs
   */
  row(row, open, last) {
    const made = element("tr", open ? "llm-branches-open" : "");
    const name = Object.assign(element("th"), { scope: "row" });
    name.style.paddingLeft = `${0.7 + 1.3 * row.depth}rem`;
    if (row.depth) name.append(element("span", "llm-branches-rail", "└ "));
    name.append(open ? element("span", "llm-branches-shown", row.title) : this.link(row));
    name.title = row.label;
    const bar = element("td");
    bar.append(barOf(row, last));
    const texts = [row.from, row.changed, row.state, row.loss].map((text) => element("td", "", text));
    texts[1].className = "llm-branches-changed";
    made.append(name, bar, ...texts);
    return made;
  }

  /** @param {Row} row */
  link({ id, title }) {
    const link = element("a", "", title);
    link.href = `?run=${id}`;
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab or window
      event.preventDefault();
      this.page.trigger("open", id);
    });
    return link;
  }
}

/**
 * The steps of a run: dotted what it has from the run it goes on from, solid its own.
 *
 * @param {Row} row
 * @param {number} last
 */
function barOf({ begin, end }, last) {
  const { width, height, margin } = BAR;
  const x = linear([0, last], [margin, width - margin]);
  const text = begin ? `from step ${withThousands(begin)} to ${withThousands(end)}` : `to step ${withThousands(end)}`;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, class: "llm-branches-bar", role: "img", "aria-label": text });
  const y = height / 2;
  svg.append(
    shape("title", {}, text),
    shape("line", { x1: x(0), x2: x(begin), y1: y, y2: y, class: "llm-branches-before" }),
    shape("line", { x1: x(begin), x2: x(end), y1: y, y2: y, class: "llm-branches-own" }),
    shape("circle", { cx: x(begin), cy: y, r: 3, class: "llm-branches-start" }),
    shape("circle", { cx: x(end), cy: y, r: 3.5, class: "llm-branches-end" }),
  );
  return svg;
}

export default mount(Branches);
