// The texts that were forked from one: a list, each below the text that it continues otherwise.

import { element } from "../../frontend/dom.js";

/**
 * @typedef {object} Branch
 * @property {string} id
 * @property {number} depth the number of texts above it
 * @property {number | null} position of its last choice; null: every token was drawn
 * @property {string | null} token which was chosen there; null: it is not written yet
 */

/**
 * Nothing where there is one text only.
 *
 * @param {Branch[]} branches
 * @param {string} shown the id of the text on the page
 * @param {(id: string) => void} open
 * @returns {HTMLElement[]}
 */
export function branchList(branches, shown, open) {
  if (branches.length < 2) return [];
  const list = element("ul", "llm-writing-branches");
  list.setAttribute("aria-label", "Branches of this text");
  for (const branch of branches) {
    const item = element("li");
    item.style.setProperty("--depth", String(branch.depth));
    const button = element("button", "llm-writing-branch");
    button.type = "button";
    if (branch.position === null) button.append("as drawn");
    else button.append(`at ${branch.position}: `, element("code", "", JSON.stringify(branch.token ?? "…")));
    if (branch.id === shown) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => open(branch.id));
    item.append(button);
    list.append(item);
  }
  return [list];
}
