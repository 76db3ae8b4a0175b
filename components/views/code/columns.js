// Which implementations stand side by side: those that a person chose; until then as many as fit.

import { element } from "../../frontend/dom.js";

const WIDE = 900; // pixels, from which on all fit

/**
 * The columns to show; the one that is stepped through is always among them.
 *
 * @param {string[]} names of all columns
 * @param {string[]} wanted the chosen ones; none of `names` until a person has chosen
 * @param {string} current
 * @param {number} width of all columns, in pixels
 */
export function shownColumns(names, wanted, current, width) {
  const chosen = names.filter((name) => wanted.includes(name));
  const fitting = width >= WIDE ? names : [];
  return names.filter((name) => name === current || (chosen.length ? chosen : fitting).includes(name));
}

/** @typedef {{ name: string, root: HTMLElement }} Column */

export class ColumnChoice {
  /**
   * @param {HTMLElement} box the element that holds the columns
   * @param {string} wanted the chosen names, joined by dots; empty: none yet
   * @param {(shown: string[]) => void} choose called when a person shows or hides a column
   */
  constructor(box, wanted, choose) {
    this.box = box;
    this.wanted = wanted ? wanted.split(".") : [];
    this.choose = choose;
    this.root = element("span", "llm-code-choices");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Columns");
    /** @type {Column[]} */
    this.columns = [];
    this.current = "";
    new ResizeObserver(() => this.show(this.columns, this.current)).observe(box);
  }

  /** The chosen names, joined by dots. */
  get chosen() {
    return this.wanted.join(".");
  }

  /**
   * The column to begin with.
   *
   * @param {string[]} names
   */
  firstOf(names) {
    return names.find((name) => this.wanted.includes(name)) ?? names[0];
  }

  /**
   * Show the columns that were chosen, or those that fit.
   *
   * @param {Column[]} columns
   * @param {string} current the one that is stepped through
   */
  show(columns, current) {
    const names = columns.map((column) => column.name);
    if (columns !== this.columns) this.offer(names);
    this.columns = columns;
    this.current = current;
    const shown = shownColumns(names, this.wanted, current, this.box.clientWidth);
    for (const { name, root } of columns) root.hidden = !shown.includes(name);
    for (const button of this.root.children) button.setAttribute("aria-pressed", String(shown.includes(button.textContent)));
    this.box.classList.toggle("llm-code-one", shown.length === 1);
  }

  /**
   * A button for each column; none where there is only one.
   *
   * @param {string[]} names
   */
  offer(names) {
    this.root.replaceChildren(...(names.length > 1 ? names : []).map((name) => {
      const button = element("button", "llm-code-button", name);
      button.type = "button";
      button.title = `Show the code with ${name} beside the others, or hide it`;
      button.addEventListener("click", () => this.toggle(name));
      return button;
    }));
  }

  /** @param {string} name of a column that is shown from now on, or no longer */
  toggle(name) {
    const shown = this.columns.filter((column) => column.root.hidden === (column.name === name)).map((column) => column.name);
    if (!shown.length) return; // one stays
    this.wanted = shown;
    this.choose(shown);
  }
}
