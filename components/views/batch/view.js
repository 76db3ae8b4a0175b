// The batch of a step as text, each token shaded by its loss; beside it the hardest tokens, and the model's guesses.

import { CellColours } from "../../frontend/colours.js";
import { element } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { escapeToken, fixed, percent, quoted, withThousands } from "../../frontend/format.js";
import { mount } from "../../frontend/mount.js";
import { barList, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} title
 * @property {import("../../frontend/export.js").Links} export
 * @property {string} guess what the person predicted, or nothing
 * @property {{ batch: string }} sources addresses
 */

/**
 * Token ids by window, the first of each without a loss; losses and guesses by window and position.
 *
 * @typedef {object} Batch
 * @property {number} step that learns from it
 * @property {boolean} taken whether the run takes this step
 * @property {number} windows of the whole batch
 * @property {number} mean loss
 * @property {number | null} recorded by training, of the whole batch
 * @property {number} uniform the loss if all tokens were equally likely
 * @property {Record<string, string>} texts of the tokens, by id
 * @property {number[][]} tokens
 * @property {number[][]} losses
 * @property {number[][][]} guesses ids
 * @property {number[][][]} probabilities
 * @property {[window: number, position: number][]} hardest
 */

const BEFORE = 24; // characters shown before a token in the list of the hardest

class BatchView {
  static identity = (/** @type {Data} */ data) => data.sources.batch;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    /** @type {Batch | null} */
    this.batch = null;
    this.status = new Status("Reading the batch and running the model on it …");
    this.summary = element("p", "llm-batch-summary");
    this.text = element("div", "llm-batch-text");
    Object.assign(this.text, { tabIndex: 0, role: "region", ariaLabel: "The windows of the batch" });
    this.card = element("div", "llm-part-panel llm-batch-card");
    this.hardest = element("ol", "llm-batch-hardest");
    const listTitle = element("div", "llm-part-title", "Hardest tokens first");
    const list = element("div");
    list.append(listTitle, this.hardest);
    const aside = element("div", "llm-batch-aside");
    aside.append(this.card, list);
    const body = element("div", "llm-batch-body");
    body.append(this.text, aside);
    root.replaceChildren(this.status.root, this.summary, body, this.exportRow());
    this.text.addEventListener("pointerover", (event) => this.explain(event.target));
    this.text.addEventListener("click", (event) => this.explain(event.target));
    this.read();
  }

  exportRow = () => exportRow(this.data.export, () => asSeen(this.root, this.data.title));

  async read() {
    try {
      this.batch = /** @type {Batch} */ (await fetchJson(this.data.sources.batch));
    } catch (error) {
      this.status.fail(error);
      return;
    }
    this.status.show("Hover over a token for the model's guesses, or choose one of the hardest.");
    this.build(this.batch);
    this.select(...this.batch.hardest[0]);
    this.root.dataset.drawn = "batch";
  }

  /** @param {Batch} batch */
  build({ step, taken, windows, mean, recorded, uniform, tokens, losses, hardest }) {
    const shown = tokens.length < windows ? `, of which the first ${tokens.length} are shown` : "";
    const same = typeof recorded === "number" ? ` The run recorded ${fixed(recorded)} for this step.` : "";
    const learns = taken ? "learns" : "would learn, if the run had gone on,";
    this.summary.textContent = `The next step, ${withThousands(step)}, ${learns} from ${windows} window${windows === 1 ? "" : "s"} of `
      + `${losses[0].length} tokens${shown}. Before it, their mean loss is ${fixed(mean)} nats.${same} `
      + `Shading: from 0 to ${fixed(uniform, 2)} nats, the loss if all tokens were equally likely.`;
    /** @type {HTMLElement[][]} elements by window and position */
    this.pieces = [];
    this.text.replaceChildren(...tokens.flatMap((ids, window) => {
      const average = losses[window].reduce((sum, loss) => sum + loss, 0) / losses[window].length;
      const line = element("p", "llm-batch-line");
      const [first, ...pieces] = ids.map((id) => element("span", "llm-batch-token", readable(this.batch.texts[id])));
      pieces.forEach((piece, position) => {
        piece.dataset.window = String(window);
        piece.dataset.position = String(position);
      });
      this.pieces.push(pieces);
      line.append(first, ...pieces);
      return [element("div", "llm-batch-window", `Window ${window + 1} · mean loss ${fixed(average)}`), line];
    }));
    this.shade();
    this.hardest.replaceChildren(...hardest.map(([window, position]) => {
      const item = element("li");
      item.append(this.row(window, position));
      return item;
    }));
  }

  shade() {
    const colours = new CellColours(this.text, "negative");
    this.pieces.forEach((pieces, window) => pieces.forEach((piece, position) => {
      const strength = Math.min(1, this.batch.losses[window][position] / this.batch.uniform);
      piece.style.backgroundColor = colours.background(strength);
      piece.style.color = colours.text(strength);
    }));
  }

  /**
   * A button that shows one token in the text.
   *
   * @param {number} window
   * @param {number} position
   */
  row(window, position) {
    const { guesses, losses, probabilities, texts, tokens } = this.batch;
    const row = element("button", "llm-batch-row");
    row.type = "button";
    const before = tokens[window].slice(0, position + 1).map((id) => texts[id]).join("");
    const context = element("span", "llm-batch-context", `…${escapeToken([...before].slice(-BEFORE).join(""))}`);
    context.append(element("b", "", escapeToken(texts[tokens[window][position + 1]])));
    const expected = guesses[window][position]
      .map((id, guess) => `${quoted(texts[id])} ${percent(probabilities[window][position][guess])}`).join(", ");
    row.append(context, element("span", "", fixed(losses[window][position], 2)),
      element("span", "llm-batch-guesses", `expected ${expected}`));
    row.addEventListener("click", () => {
      this.select(window, position);
      const piece = this.pieces[window][position];
      this.text.scrollTop = piece.offsetTop - this.text.clientHeight / 2;
    });
    return row;
  }

  /** @param {EventTarget | null} target */
  explain(target) {
    const { window, position } = /** @type {HTMLElement} */ (target).dataset;
    if (position !== undefined) this.select(Number(window), Number(position));
  }

  /**
   * @param {number} window
   * @param {number} position
   */
  select(window, position) {
    const { guesses, losses, probabilities, texts, tokens } = this.batch;
    this.text.querySelector(".llm-batch-chosen")?.classList.remove("llm-batch-chosen");
    this.pieces[window][position].classList.add("llm-batch-chosen");
    const loss = losses[window][position];
    const token = texts[tokens[window][position + 1]];
    /** @type {[name: string, fraction: number, text: string][]} */
    const lines = guesses[window][position].map((id, guess) => {
      const probability = probabilities[window][position][guess];
      return [escapeToken(texts[id]), probability, percent(probability)];
    });
    this.card.replaceChildren(
      element("div", "llm-part-title", `${quoted(token)}: loss ${fixed(loss)}, probability ${percent(Math.exp(-loss))}`),
      element("p", "llm-part-note", `Window ${window + 1}, token ${position + 2}`),
      barList("The model's guesses in its place", lines));
  }

  /** @param {Data} data */
  update(data) {
    const before = this.data;
    this.data = data;
    renewExportRow(this.root, before, data, this.exportRow);
    if (this.batch) this.shade(); // after a change of theme
  }
}

/**
 * A token as part of a text: spaces stay, a line break is visible and breaks the line, what is invisible is escaped.
 *
 * @param {string} text
 */
export const readable = (text) =>
  [...text].map((sign) => (sign === " " ? sign : sign === "\n" ? "↵\n" : escapeToken(sign))).join("");

export default mount(BatchView);
