// The code reader: map, code in three implementations, the variables so far, the tensor of one of them, its equation.
// Stepping happens here in the browser; only what is selected is reported to the page, for its address.

import { element } from "../../frontend/dom.js";
import { fetchBytes, fetchJson } from "../../frontend/fetching.js";
import { mount } from "../../frontend/mount.js";
import { ColumnChoice } from "./columns.js";
import { drawEquation } from "./equation.js";
import { drawCrumbs, drawMap } from "./map.js";
import { drawProof } from "./proof.js";
import { hiddenFrom, ShapesQuiz } from "./quiz.js";
import { CodeColumn } from "./source.js";
import { TensorView } from "./tensor.js";
import { VariableCards } from "./variables.js";

/**
 * Data from the server.
 *
 * @typedef {object} Data
 * @property {string} url below which the server answers
 * @property {import("./map.js").Layer[]} layers
 * @property {Record<string, import("./equation.js").Equation>} equations by kind of layer
 * @property {{ layer?: string, implementation?: string, line?: string }} selected
 * @property {string} columns see ColumnChoice
 */

/** @typedef {import("./source.js").Step} Step */

/**
 * A layer's code in every implementation.
 *
 * @typedef {object} DescribedLayer
 * @property {Record<string, import("./source.js").Described>} implementations
 * @property {string[]} tokens
 */

const PLAY = 900; // milliseconds a line

/** The names of what a step made: tensors, and numbers or texts. */
const madeBy = (/** @type {Step} */ step) => [...step.variables.map((variable) => variable.name), ...step.values.map(([name]) => name)];

class CodeReader {
  static identity = (/** @type {Data} */ data) => data.url;

  /**
   * @param {HTMLElement} root
   * @param {Data} data
   * @param {import("../../frontend/mount.js").Page} page
   */
  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.report = (/** @type {Record<string, string>} */ selected) => page.report("selected", selected);
    this.actual = true;
    this.gradient = false;
    this.quizzing = false;
    this.quiz = new ShapesQuiz();
    this.step = 0;
    this.build();
    const { layer, implementation, line } = data.selected;
    const known = data.layers.some((one) => one.path === layer);
    const first = data.layers.find((one) => one.kind === "Attention") ?? data.layers[0];
    this.open(known && layer ? layer : layer === "model" ? "" : first.path, implementation, Number(line) || null);
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
  }

  build() {
    this.root.replaceChildren();
    const part = (/** @type {string} */ name) => element("div", `llm-code-${name}`);
    this.map = element("nav", "llm-code-map");
    this.crumbs = element("nav", "llm-code-crumbs");
    this.equation = part("equation");
    this.toolbar = part("toolbar");
    this.question = part("question");
    this.columns = part("columns");
    this.proof = part("proof");
    this.variables = new VariableCards(part("variables"), (entry) => this.select(entry));
    this.tensor = part("tensor");
    const work = part("work");
    this.root.append(this.map, this.crumbs, this.equation, this.toolbar, this.question, this.columns, this.proof, work);
    this.map.setAttribute("aria-label", "The forward pass");
    this.crumbs.setAttribute("aria-label", "Path to this layer");
    work.append(this.variables.root, this.tensor);
    /** @type {(label: string, title: string, act: () => void) => HTMLButtonElement} */
    const button = (label, title, act) => {
      const made = element("button", "llm-code-button", label);
      made.type = "button";
      made.title = title;
      made.addEventListener("click", act);
      this.toolbar.append(made);
      return made;
    };
    button("◀ Back", "Previous line", () => this.go(this.step - 1));
    button("Step ▶", "Next line", () => this.go(this.step + 1));
    this.playing = button("Play", "Step through the lines automatically", () => this.play());
    /** @type {(label: string, title: string, name: "actual" | "gradient" | "quizzing") => HTMLButtonElement} */
    const toggle = (label, title, name) => {
      const made = button(label, title, () => {
        this[name] = !this[name];
        made.setAttribute("aria-pressed", String(this[name]));
        this.show();
      });
      made.setAttribute("aria-pressed", String(this[name]));
      return made;
    };
    toggle("Actual sizes", "Sizes of this model and text in place of axis names", "actual");
    this.backward = toggle("Backward", "The gradient of the loss with respect to each tensor", "gradient");
    this.quizButton = toggle("Shapes quiz", "Hide the shapes and guess the next one", "quizzing");
    this.choice = new ColumnChoice(this.columns, this.data.columns, (shown) => this.showColumns(shown));
    this.toolbar.append(this.choice.root);
    this.status = element("span", "llm-code-status");
    this.status.setAttribute("role", "status");
    this.toolbar.append(this.status);
    this.view = new TensorView(this.tensor, {
      array: (parameters) => this.ask(fetchBytes, "array", this.path, parameters),
      cell: (parameters) => this.ask(fetchJson, "cell", this.path, parameters),
    });
  }

  /**
   * What the server answers; null if it refuses, and the reason then stands beside the buttons.
   *
   * @template Answer
   * @param {(address: string) => Promise<Answer>} fetchAnswer
   * @param {string} what
   * @param {string} path of a layer
   * @param {Record<string, string | number>} [parameters]
   */
  async ask(fetchAnswer, what, path, parameters) {
    try {
      return await fetchAnswer(`${this.data.url}/${what}?${new URLSearchParams({ path, ...parameters })}`);
    } catch (error) {
      this.status.textContent = error.message;
      return null;
    }
  }

  /**
   * @param {string} path
   * @param {string} [implementation]
   * @param {number | null} [line]
   */
  async open(path, implementation = this.implementation, line = null) {
    this.stop();
    this.opening = path; // the layer that is shown stays `this.path` until this one's code is here
    const { layers } = this.data;
    drawMap(this.map, layers, path, (other) => this.open(other));
    drawCrumbs(this.crumbs, layers, path, (other) => this.open(other));
    this.status.textContent = "Tracing …";
    const described = /** @type {DescribedLayer | null} */ (await this.ask(fetchJson, "layer", path));
    if (!described || this.opening !== path) return;
    this.path = path;
    const fromAddress = !this.described; // the first one: there is nothing to report
    this.described = described;
    const names = Object.keys(described.implementations);
    this.implementation = names.includes(implementation) ? implementation : this.choice.firstOf(names);
    const every = Object.values(described.implementations).flatMap((one) => one.steps.flatMap((step) => step.variables));
    this.backward.hidden = !every.some((variable) => variable.gradient);
    if (this.backward.hidden) this.gradient = false;
    this.backward.setAttribute("aria-pressed", String(this.gradient));
    this.quizButton.hidden = !every.length; // code without tensors has no shapes to guess
    if (!every.length) this.quizzing = false;
    this.quizButton.setAttribute("aria-pressed", String(this.quizzing));
    this.columns.replaceChildren();
    this.made = Object.entries(described.implementations).map(([name, one]) =>
      new CodeColumn(name, one, (chosen, step) => this.go(step, chosen)));
    this.columns.append(...this.made.map((column) => column.root));
    const at = this.steps.findIndex((step) => (line === null ? step.variables.length : step.first <= line && line <= step.last));
    this.variables.forget();
    const { kind } = layers.find((layer) => layer.path === path);
    drawEquation(this.equation, this.data.equations[kind], (name) => this.goTo(name));
    this.go(Math.max(0, at), this.implementation, !fromAddress);
    this.prove(path);
  }

  get steps() {
    return this.described.implementations[this.implementation].steps;
  }

  /**
   * A person chose which columns are shown: the current line stays, or becomes its counterpart.
   *
   * @param {string[]} shown
   */
  showColumns(shown) {
    const stays = shown.includes(this.implementation);
    this.go(stays ? this.step : this.steps[this.step].pairs[shown[0]] ?? 0, stays ? this.implementation : shown[0]);
  }

  /**
   * @param {number} step
   * @param {string} [implementation]
   * @param {boolean} [report]
   */
  go(step, implementation = this.implementation, report = true) {
    if (!this.described) return;
    this.implementation = implementation;
    this.step = Math.min(Math.max(0, step), this.steps.length - 1);
    this.variables.forget();
    this.show();
    if (report && !this.timer) this.reportLater();
  }

  /** The address follows, once a person rests. */
  reportLater() {
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => this.report({ layer: this.path || "model", implementation: this.implementation,
      line: String(this.steps[this.step]?.first ?? ""), columns: this.choice.chosen }), 500);
  }

  play() {
    if (this.timer) {
      this.stop();
      this.reportLater();
      return;
    }
    this.playing.textContent = "Stop";
    this.timer = setInterval(() => {
      this.go(this.step + 1);
      if (this.step === this.steps.length - 1) this.stop();
    }, PLAY);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.playing.textContent = "Play";
  }

  show() {
    if (!this.described) return;
    const current = this.steps[this.step];
    const id = `${this.path}/${this.implementation}/${this.step}`;
    const asking = this.quizzing && !this.quiz.answered.has(id);
    this.choice.show(this.made, this.implementation);
    for (const column of this.made) {
      const own = column.name === this.implementation;
      column.show({ step: own ? this.step : current?.pairs[column.name], paired: !own, actual: this.actual,
        hiddenFrom: this.quizzing ? hiddenFrom(column, own, current, asking) : null });
    }
    const calls = this.steps.at(-1)?.call ?? 0;
    this.status.textContent = `Line ${current.first} · step ${this.step + 1} of ${this.steps.length}`
      + (calls ? ` · call ${current.call + 1} of ${calls + 1}` : "");
    this.question.hidden = !this.quizzing;
    if (this.quizzing) this.quiz.draw(this.question, id, current.variables[0], this.steps, () => this.show());
    this.variables.show(this.steps, this.step, { gradient: this.gradient, actual: this.actual, asking });
    this.markSymbols();
  }

  /** @param {import("./variables.js").Entry | null} entry whose tensor is shown; null: none */
  select(entry) {
    if (entry) {
      this.view.show({ variable: entry.variable, gradient: this.gradient, implementation: this.implementation,
        step: entry.index, tokens: this.described.tokens });
    } else this.view.clear();
  }

  /**
   * The line that makes a variable last; in the einops code where this one never makes it.
   *
   * @param {string} name
   */
  goTo(name) {
    const { implementations } = this.described;
    for (const implementation of [this.implementation, ...Object.keys(implementations)]) {
      const { steps } = implementations[implementation];
      const step = steps.findLastIndex((one) => madeBy(one).includes(name));
      if (step >= 0) {
        this.go(step, implementation);
        return;
      }
    }
  }

  markSymbols() {
    const names = madeBy(this.steps[this.step]);
    for (const symbol of this.equation.querySelectorAll(".llm-code-symbol")) {
      symbol.classList.toggle("llm-code-symbol-now", names.includes(symbol.getAttribute("data-variable")));
    }
  }

  /** @param {string} path */
  async prove(path) {
    this.proof.textContent = "Comparing the implementations …";
    const compared = await this.ask(fetchJson, "comparison", path);
    if (this.path === path) drawProof(this.proof, compared ?? []);
  }
}

export default mount(CodeReader);
