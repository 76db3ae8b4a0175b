// The residual stream: norm by layer and position, and the fraction of the last vector that each part wrote.

import { element, oncePerFrame } from "../../frontend/dom.js";
import { exportRow, renewExportRow } from "../../frontend/export.js";
import { fetchJson } from "../../frontend/fetching.js";
import { quoted, short, wholePercent, withSign } from "../../frontend/format.js";
import { Grid } from "../../frontend/grid.js";
import { mount } from "../../frontend/mount.js";
import { barList, rowChart, signedBars, Status } from "../../frontend/parts.js";
import { asSeen } from "../../frontend/picture.js";

class Residual {
  static identity = (data) => data.sources.residual;

  constructor(root, data, page) {
    this.root = root;
    this.data = data;
    this.held = null;
    this.report = (position) => page.report("locked", position);
    this.status = new Status("Computing every layer …");
    this.container = element("div");
    this.details = element("div", "llm-part-columns");
    root.replaceChildren(this.status.root, this.container, this.details, this.exportRow());
    this.read();
  }

  exportRow = () => exportRow(this.data.export, () =>
    asSeen(this.root, `${this.data.figures[this.data.figure]} · ${this.data.title}`));

  async read() {
    try {
      this.stream = await fetchJson(this.data.sources.residual);
    } catch (error) {
      this.status.fail(error);
      return;
    }
    this.paint();
    this.root.dataset.drawn = "residual";
  }

  /** Another figure has other rows, so that it gets a grid of its own. */
  paint() {
    const { figure, figures, labels, rows } = this.data;
    const names = figure === "size" ? rows : this.stream.parts;
    const focus = this.grid?.focus?.[1] ?? labels.length - 1;
    this.held = this.data.locked;
    this.grid = new Grid(labels, names, { width: 22, widest: 64, height: 24 }, {
      hover: oncePerFrame((row, position) => (this.held === null ? this.select(row, position) : null)),
      choose: (row, position) => this.hold(this.held === position ? null : position, row),
      free: () => this.hold(null, this.grid.focus?.[0] ?? 0),
    });
    this.container.replaceChildren(this.grid.root);
    const values = this.stream[figure];
    const { scale, legend } = figure === "share" ? signedScale(values) : normScale(values);
    this.grid.show((row, position) => {
      const value = values[row][position];
      return [scale(value), ...(this.grid.cell >= 30 ? [figure === "share" ? wholePercent(value) : short(value)] : [])];
    }, `${figures[figure]}, ${names.length} rows by ${labels.length} positions`, legend,
    figure === "share" ? "positive" : "accent");
    const position = this.held ?? Math.min(focus, labels.length - 1);
    this.grid.fit();
    this.select(names.length - 1, position);
    this.grid.reveal(position);
  }

  hold(position, row) {
    if (!this.stream) return;
    this.held = position;
    this.select(row, position ?? this.grid.focus[1]);
    this.report(position === null ? null : [position]);
  }

  /** Show one position everywhere at once. */
  select(row, position) {
    this.grid.mark([row, position], this.held !== null);
    const parts = [this.writers(position), this.growth(position, row), this.lengths(position)];
    this.details.replaceChildren(...parts.map((part) => {
      const panel = element("div", "llm-part-panel");
      panel.append(part);
      return panel;
    }));
    this.status.say(this.held === null ? "Hover over a position to decompose its vector. Click to select it."
      : "Selected. Click it again, or press Escape, to clear the selection.");
  }

  named = (position) => `${quoted(this.data.labels[position])} (${position})`;

  writers(position) {
    const values = this.stream.share.map((shares) => shares[position]);
    const lines = this.stream.parts.map((part, index) => [part, values[index], signedPercent(values[index])]);
    const title = `What wrote the last vector of ${this.named(position)}`;
    const bars = signedBars(title, lines, Math.max(...values.map(Math.abs)));
    bars.append(element("p", "llm-part-note", "Fractions sum to 100%. A part below 0 writes against the sum."));
    return bars;
  }

  growth(position, row) {
    const sizes = this.stream.size.map((one) => one[position]);
    const at = this.data.figure === "size" ? row : -1;
    return rowChart(`Norm of the vector at ${this.named(position)}`, this.data.rows, sizes, at, short);
  }

  lengths(position) {
    const values = this.stream.written.map((one) => one[position]);
    const longest = Math.max(...values) || 1;
    return barList("Norm of what each part wrote",
      this.stream.parts.map((part, index) => [part, values[index] / longest, short(values[index])]));
  }

  update(data) {
    const before = this.data;
    const repaint = data.figure !== before.figure || data.locked !== this.held;
    this.data = data;
    renewExportRow(this.root, before, data, this.exportRow);
    if (this.stream && repaint) this.paint();
    else this.grid?.draw(); // after a change of theme
  }
}

const signedPercent = (fraction) => (Math.abs(fraction) < 0.0005 ? "0.0%" : `${withSign(100 * fraction, 1)}%`);

/** Norms differ by orders of magnitude (the first token's is often far greater): colour follows their logarithm. */
function normScale(values) {
  const all = values.flat().filter((value) => value > 0);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const span = Math.log(high / low) || 1;
  return {
    scale: (value) => (value > 0 ? Math.log(value / low) / span : 0),
    legend: `Colour: norm on a logarithmic scale, from ${short(low)} to ${short(high)}.`,
  };
}

function signedScale(values) {
  const most = Math.max(...values.flat().map(Math.abs)) || 1;
  const end = wholePercent(most);
  return { scale: (value) => value / most, legend: `Colour: from −${end} over 0 to ${end} of the last vector.` };
}

export default mount(Residual);
