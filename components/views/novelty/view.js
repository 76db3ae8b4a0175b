// A generated text, each part marked by how much of it stands word for word in the training text.

import { element } from "../../frontend/dom.js";
import { fetchJson, poll } from "../../frontend/fetching.js";
import { withThousands } from "../../frontend/format.js";
import { lineChart } from "../../frontend/lines.js";
import { mount } from "../../frontend/mount.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} url where the server answers
 * @property {string} prompt
 */

/** @typedef {"copied" | "recombined" | "new"} Kind */

/**
 * What the search found.
 *
 * @typedef {object} Found
 * @property {[text: string, matchStart: number, matchEnd: number, kind: Kind][]} spans
 * @property {number} known characters of a match from which on it is not new
 * @property {number} copied_from characters of a match from which on it is copied
 * @property {Record<Kind, [text: number, heldOut: number]>} shares
 * @property {number[]} lengths
 * @property {number[]} curve share of the text in matches of at least these lengths
 * @property {number[]} control the same of held-out text
 */

/** @type {Record<string, string>} */
const WORDS = { writing: "The search begins when the text is complete.", searching: "Searching …" };
const NEVER = 86400000; // milliseconds: a day

/** @param {number} share */
const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)}%`;

/**
 * @param {number} count
 * @param {string} thing
 */
const counted = (count, thing) => `${withThousands(count)} ${thing}${count === 1 ? "" : "s"}`;

class Novelty {
  static identity = (/** @type {Data} */ data) => data.url;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    root.replaceChildren();
    this.status = element("div", "llm-novelty-status");
    this.status.setAttribute("role", "status");
    this.body = element("div", "llm-novelty-body");
    this.card = element("div", "llm-novelty-card");
    this.through = element("div", "llm-novelty-through");
    root.append(this.status, this.body, this.through);
    this.halt = poll(() => this.ask());
  }

  async ask() {
    let answer;
    try {
      answer = await fetchJson(this.data.url);
    } catch (error) {
      this.say(error.message, true);
      return 3000;
    }
    if (answer.found) {
      if (!this.root.dataset.drawn) this.show(answer.found);
      this.root.dataset.drawn = "novelty";
      this.follow(answer.through);
      const ended = answer.state === "finished" || answer.state === "failed";
      this.say(ended ? answer.message : "Writing this text with the snapshots of the run …", answer.state === "failed");
      return ended ? NEVER : 800;
    }
    const sorting = `Sorting the training text, so that it can be searched; this is done only once: ${percent(answer.progress)} …`;
    this.say(answer.message || WORDS[answer.state] || sorting, answer.state === "failed");
    return answer.state === "failed" ? NEVER : 400;
  }

  /**
   * @param {string} message
   * @param {boolean} bad
   */
  say(message, bad = false) {
    this.status.textContent = message;
    this.status.hidden = !message;
    this.status.classList.toggle("llm-novelty-bad", bad);
  }

  update() {}

  stop() {
    this.halt();
  }

  /** @param {Found} found */
  show(found) {
    const chart = lineChart("Share of the text in matches of at least so many characters", found.lengths,
      [["this text", found.curve, "chosen"], ["held-out text", found.control, "control"]], { least: 1, room: 120 });
    const text = element("div", "llm-novelty-text");
    text.append(element("span", "llm-novelty-prompt", this.data.prompt));
    for (const [content, start, end, kind] of found.spans) {
      const span = element("span", `llm-novelty-span llm-novelty-${kind}`, content);
      span.tabIndex = 0;
      span.setAttribute("role", "button");
      span.title = `${kind}: ${counted(end - start, "character")}`;
      const open = () => this.open(span, start, end, kind, found.copied_from);
      span.addEventListener("click", open);
      span.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        open();
      });
      text.append(span);
    }
    this.card.replaceChildren(element("p", "llm-novelty-hint", "Click a part of the text to see where it stands in the training text."));
    this.body.replaceChildren(legend(found), chart, text, this.card);
  }

  /**
   * The text as each snapshot writes it.
   *
   * @param {[steps: number[], copied: number[], recombined: number[], made: number[]] | []} through
   */
  follow([steps, copied, recombined, made]) {
    if (!steps || steps.length < 2) return;
    this.through.replaceChildren(
      lineChart("The same prompt and seed through training: share of the text", steps,
        [["copied", copied, "copied"], ["recombined", recombined, "recombined"], ["new", made, "new"]],
        { least: 1, room: 120 }),
      element("p", "llm-novelty-note", "One text a snapshot: a share of a few percent may be chance."));
  }

  /**
   * @param {HTMLElement} span
   * @param {number} start
   * @param {number} end
   * @param {Kind} kind
   * @param {number} copiedFrom
   */
  async open(span, start, end, kind, copiedFrom) {
    this.body.querySelector(".llm-novelty-chosen")?.classList.remove("llm-novelty-chosen");
    span.classList.add("llm-novelty-chosen");
    if (start === end) {
      this.card.replaceChildren(element("div", "", "The training text does not have this character."));
      return;
    }
    let answer;
    try {
      answer = await fetchJson(`${this.data.url}/passages?start=${start}&end=${end}`);
    } catch (error) {
      this.card.replaceChildren(element("div", "llm-novelty-bad", error.message));
      return;
    }
    if (!span.classList.contains("llm-novelty-chosen")) return; // another part was clicked since
    const shown = answer.passages.length;
    this.card.replaceChildren(element("div", "", `${counted(end - start, "character")}, word for word in the training text `
      + `${counted(answer.count, "time")}${answer.count > shown ? `; the first ${shown}:` : ":"}`));
    if (kind === "recombined") {
      this.card.append(element("p", "llm-novelty-note", `Marked as recombined: only ${copiedFrom} characters or more `
        + "count as copied. Pieces as long as this one are also found where nobody copied: in the held-out text."));
    }
    for (const [before, after] of answer.passages) {
      const passage = element("blockquote", "llm-novelty-passage");
      passage.append("… ", before, element("mark", `llm-novelty-${kind}`, answer.match), after, " …");
      this.card.append(passage);
    }
  }
}

/**
 * What each mark means, and how much of the text and of held-out text has it.
 *
 * @param {Found} found
 */
function legend(found) {
  const box = element("div");
  const table = element("table", "llm-novelty-legend");
  const head = element("tr");
  head.append(element("th", "", "Marked"), element("th", "", "Longest piece in the training text"),
    element("th", "llm-novelty-number", "This text"), element("th", "llm-novelty-number", "Held-out text"));
  const header = element("thead");
  header.append(head);
  const rows = element("tbody");
  /** @type {[kind: Kind, words: string][]} */
  const kinds = [
    ["copied", `${found.copied_from} characters or more, word for word`],
    ["recombined", `${found.known} to ${found.copied_from - 1} characters, word for word`],
    ["new", `fewer than ${found.known} characters: hardly more than a word`],
  ];
  for (const [kind, words] of kinds) {
    const row = element("tr");
    const name = element("td");
    name.append(element("span", `llm-novelty-${kind}`, kind));
    const [text, heldOut] = found.shares[kind];
    row.append(name, element("td", "", words), element("td", "llm-novelty-number", percent(text)),
      element("td", "llm-novelty-number", percent(heldOut)));
    rows.append(row);
  }
  table.append(header, rows);
  box.append(table, element("p", "llm-novelty-note",
    "Held-out text of the same length shows what to expect without any copying. "
    + (found.copied_from > 50 ? "This training text repeats its own sentences: held-out text, which nobody copied, "
      + `has pieces of up to ${found.copied_from - 1} characters in common with it. Only a longer piece shows that the `
      + "model copied." : "")));
  return box;
}

export default mount(Novelty);
