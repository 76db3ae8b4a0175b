// A tensor: a heat map of two of its axes on a canvas, the other axes chosen by number, and where a cell came from.

const POSITIONS = ["pos", "query_pos", "key_pos"];
const LARGEST_CELL = 22;
const LABELLED_CELL = 11; // pixels from which on a token fits beside its row

/** 0.00123 → "1.23e-3", 12.3456 → "12.35" */
function shortNumber(value) {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2).replace("-", "−").replace("e+", "e") : value.toPrecision(4).replace("-", "−");
}

const rgb = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
const mixed = (from, to, share) => from.map((part, index) => part + (to[index] - part) * share);

class TensorView {
  constructor(root, ask) {
    this.root = root;
    this.ask = ask; // (what, parameters) => Promise of a Response
    this.turn = 0;
  }

  /** Show `variable`, made by `step` of `implementation`; the chosen axes and cell stay where they fit. */
  async show(wanted) {
    const same = this.wanted && this.wanted.variable.axes.join() === wanted.variable.axes.join()
      && this.wanted.variable.shape.join() === wanted.variable.shape.join();
    this.wanted = wanted;
    const { shape, name, values } = wanted.variable;
    if (!shape.length) {
      this.turn += 1;
      this.root.replaceChildren(element("p", "llm-code-hint", `${name} is a single number: ${shortNumber(values.mean)}`));
      return;
    }
    if (!same) {
      const wide = shape.map((size, axis) => [size, axis]).filter(([size]) => size > 1).map(([, axis]) => axis);
      this.columns = wide.at(-1) ?? Math.max(0, shape.length - 1);
      this.rows = wide.at(-2) ?? (this.columns > 0 ? this.columns - 1 : 0);
      this.at = shape.map(() => 0);
      this.cell = null;
    }
    await this.load();
  }

  async load() {
    const turn = ++this.turn;
    const { variable, gradient, implementation, step } = this.wanted;
    if (gradient && !variable.gradient) {
      this.controls();
      this.root.append(element("p", "llm-code-hint",
        `No gradient flows through ${variable.name}: the loss does not depend on it, or not in this text.`));
      return;
    }
    const response = await this.ask("array", { implementation, step, name: variable.name, gradient: gradient ? 1 : 0,
      rows: this.rows, columns: this.columns, at: this.at.join(",") });
    const numbers = new Float32Array(await response.arrayBuffer());
    if (turn !== this.turn) return; // another was asked for meanwhile
    this.numbers = numbers;
    [this.height, this.width] = response.headers.get("X-Shape").split(",").map(Number);
    this.controls();
    this.draw();
    if (this.cell) this.explain();
  }

  controls() {
    const { variable, gradient } = this.wanted;
    this.root.replaceChildren();
    const line = element("div", "llm-code-axes");
    line.append(element("strong", "", gradient ? `gradient of ${variable.name}` : variable.name));
    variable.axes.forEach((axis, index) => {
      const size = variable.shape[index];
      if (index === this.rows || index === this.columns) {
        const role = index === this.columns ? "→" : "↓";
        line.append(element("span", "llm-code-axis", `${role} ${axis} ${size}`));
      } else if (size > 1) {
        const label = element("label", "llm-code-axis", `${axis} `);
        const choice = element("select");
        choice.setAttribute("aria-label", `Which ${axis}`);
        for (let one = 0; one < size; one++) choice.append(new Option(String(one), String(one)));
        choice.value = String(this.at[index]);
        choice.addEventListener("change", () => {
          this.at[index] = Number(choice.value);
          this.load();
        });
        label.append(choice, ` of ${size}`);
        line.append(label);
      }
    });
    this.readout = element("span", "llm-code-readout");
    this.root.append(line);
  }

  label(axis, index) {
    const { variable, tokens } = this.wanted;
    return POSITIONS.includes(variable.axes[axis]) && tokens[index] !== undefined ? tokens[index] : null;
  }

  draw() {
    const room = Math.max(240, this.root.clientWidth - 118);
    this.size = Math.max(1, Math.min(LARGEST_CELL, Math.floor(room / this.width)));
    const labelled = this.size >= LABELLED_CELL;
    this.left = labelled && this.label(this.rows, 0) !== null ? 78 : 0;
    this.top = labelled && this.label(this.columns, 0) !== null ? 62 : 0;
    const canvas = (this.canvas = element("canvas", "llm-code-canvas"));
    const right = this.top ? 36 : 0; // for the slanted label of the last column
    const [width, height] = [this.left + this.width * this.size + right, this.top + this.height * this.size];
    const sharp = window.devicePixelRatio || 1;
    canvas.width = width * sharp;
    canvas.height = height * sharp;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label",
      `Heat map of ${this.wanted.variable.name}, ${this.height} by ${this.width}. Arrow keys move the chosen cell.`);
    const frame = element("div", "llm-code-frame");
    frame.append(canvas);
    this.origin = element("div", "llm-code-origin");
    this.root.append(frame, this.readout, this.origin);
    this.readout.textContent = "Click a cell to see where it came from.";
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.picture(), this.left, this.top, this.width * this.size, this.height * this.size);
    this.writeLabels(pen);
    canvas.addEventListener("pointermove", (event) => this.read(this.cellAt(event)));
    canvas.addEventListener("click", (event) => this.choose(this.cellAt(event)));
    canvas.addEventListener("keydown", (event) => this.move(event));
    this.frame = frame;
    if (this.cell) this.markCell();
  }

  picture() {
    const image = new ImageData(this.width, this.height);
    const [low, middle, high, never] = ["negative", "neutral", "positive", "line"].map((name) => rgb(colour(this.root, name)));
    let greatest = 0;
    for (const value of this.numbers) if (isFinite(value) && Math.abs(value) > greatest) greatest = Math.abs(value);
    this.numbers.forEach((value, index) => {
      const share = greatest ? Math.abs(value) / greatest : 0;
      const shade = isFinite(value) ? mixed(middle, value < 0 ? low : high, Math.sqrt(share)) : never;
      image.data.set([...shade, 255], 4 * index);
    });
    const picture = element("canvas");
    picture.width = this.width;
    picture.height = this.height;
    picture.getContext("2d").putImageData(image, 0, 0);
    return picture;
  }

  writeLabels(pen) {
    pen.fillStyle = colour(this.root, "quiet");
    pen.font = `${Math.min(12, this.size)}px monospace`;
    pen.textBaseline = "middle";
    for (let row = 0; this.left && row < this.height; row++) {
      pen.textAlign = "right";
      pen.fillText(visibleToken(this.label(this.rows, row + this.at[this.rows]), 10), this.left - 5,
        this.top + (row + 0.5) * this.size);
    }
    for (let column = 0; this.top && column < this.width; column++) {
      pen.save();
      pen.translate(this.left + (column + 0.5) * this.size, this.top - 5);
      pen.rotate(-Math.PI / 3);
      pen.textAlign = "left";
      pen.fillText(visibleToken(this.label(this.columns, column + this.at[this.columns]), 10), 0, 0);
      pen.restore();
    }
  }

  cellAt(event) {
    const column = Math.floor((event.offsetX - this.left) / this.size);
    const row = Math.floor((event.offsetY - this.top) / this.size);
    return row >= 0 && column >= 0 && row < this.height && column < this.width ? [row, column] : null;
  }

  read(cell) {
    if (!cell) return;
    const { variable } = this.wanted;
    const place = this.place(cell).map((at, axis) => {
      const label = this.label(axis, at);
      return `${variable.axes[axis]} ${at}${label === null ? "" : ` ${JSON.stringify(label)}`}`;
    });
    this.readout.textContent = `${shortNumber(this.numbers[cell[0] * this.width + cell[1]])} at ${place.join(", ")}`;
  }

  place([row, column]) {
    const place = [...this.at];
    if (this.rows !== this.columns) place[this.rows] += row;
    place[this.columns] += column;
    return place;
  }

  move(event) {
    const stride = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!stride) return;
    event.preventDefault();
    const [row, column] = this.cell ?? [0, 0];
    this.choose([Math.min(this.height - 1, Math.max(0, row + stride[0])),
      Math.min(this.width - 1, Math.max(0, column + stride[1]))]);
  }

  choose(cell) {
    if (!cell) return;
    this.cell = cell;
    this.read(cell);
    this.markCell();
    this.explain();
  }

  markCell() {
    this.mark?.remove();
    if (this.cell[0] >= this.height || this.cell[1] >= this.width) return;
    this.mark = element("div", "llm-code-mark");
    this.mark.style.left = `${this.left + this.cell[1] * this.size - 1}px`;
    this.mark.style.top = `${this.top + this.cell[0] * this.size - 1}px`;
    this.mark.style.width = this.mark.style.height = `${this.size + 2}px`;
    this.frame.append(this.mark);
  }

  async explain() {
    const turn = this.turn;
    const { variable, implementation, step } = this.wanted;
    const response = await this.ask("cell", { implementation, step, name: variable.name,
      at: this.place(this.cell).join(",") });
    const found = await response.json();
    if (turn === this.turn) drawOrigin(this.origin, variable.name, this.place(this.cell), found);
  }
}

/** A token short enough for a label, its spaces and line breaks visible. */
function visibleToken(text, most) {
  const shown = text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");
  return shown.length > most ? `${shown.slice(0, most - 1)}…` : shown;
}

const MAKINGS = {
  contraction: "The dot product of two vectors: multiply number by number, then add up.",
  softmax: "e to the power of each score, less the greatest one, as a share of their sum.",
  mean: "The mean of a row.",
  norm: "One row, brought to a steady scale.",
  hidden: "Made inside one kernel, which never stores the numbers in between.",
  cells: "Made from the numbers at the same place.",
};

/** Where a cell came from: the line, its parts as strips of bars, and named results. */
function drawOrigin(place, name, cell, found) {
  place.replaceChildren();
  const title = element("div", "llm-code-origin-title");
  title.append(element("code", "", `${name}[${cell.join(", ")}]`), ` = ${shortNumber(found.value)}`);
  if (found.labels.some((label) => label !== null)) {
    title.append(element("span", "llm-code-quiet",
      ` at ${found.labels.filter((label) => label !== null).map((label) => JSON.stringify(label)).join(", ")}`));
  }
  if (found.gradient !== null) title.append(element("span", "llm-code-quiet", ` · gradient ${shortNumber(found.gradient)}`));
  place.append(title, element("code", "llm-code-expression", found.expression));
  place.append(element("p", "llm-code-hint",
    MAKINGS[found.kind] + (found.borrowed ? " (Told by the einops line that makes the same tensor.)" : "")));
  for (const part of found.parts) {
    const row = element("div", "llm-code-origin-row");
    row.append(element("code", "llm-code-origin-name", part.name));
    row.append(part.numbers.length === 1 ? element("span", "", shortNumber(part.numbers[0])) : bars(place, part.numbers));
    place.append(row);
  }
  for (const [fact, value] of Object.entries(found.facts)) {
    const row = element("div", "llm-code-origin-row llm-code-fact");
    row.append(element("span", "llm-code-origin-name", fact), element("span", "", shortNumber(value)));
    place.append(row);
  }
}

/** Numbers as a strip of bars around zero; the title of the strip tells their range. */
function bars(place, numbers) {
  const canvas = element("canvas", "llm-code-bars");
  canvas.width = Math.max(numbers.length, 256);
  canvas.height = 36;
  const finite = numbers.filter((value) => isFinite(value));
  const greatest = Math.max(...finite.map(Math.abs), 1e-30);
  const pen = canvas.getContext("2d");
  const [up, down] = [colour(place, "positive"), colour(place, "negative")];
  const wide = canvas.width / numbers.length;
  numbers.forEach((value, index) => {
    if (!isFinite(value)) return;
    pen.fillStyle = value < 0 ? down : up;
    const tall = (18 * Math.abs(value)) / greatest;
    pen.fillRect(index * wide, value < 0 ? 18 : 18 - tall, Math.max(1, wide - 1), tall);
  });
  canvas.title = `${numbers.length} numbers, largest size ${shortNumber(greatest)}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", canvas.title);
  return canvas;
}

