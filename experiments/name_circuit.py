"""When does a circuit form that copies? Scores and losses through training, for each preset, on three seeds.

    uv run python experiments/name_circuit.py [--seeds 3] [--steps 1500] [--out docs] [--keep FOLDER]

In strangers.txt there are names that are in no other story, and rows of words without sense. To write one again, a
model has to look it up: one head writes to each position which token came before it, and a head of a later layer
searches for that (Olsson et al. 2022, arXiv:2209.11895). Each preset is trained on this text with the page's defaults,
except for what the page *Circuit* needs. There are two controls: the gpt with one layer, and the untrained model,
step 0.

Writes circuit.csv, circuit.svg, and the tables in the circuit.md next to them.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

from components.shared import recipe
from components.shared.style import COLOURS
from llm import TrainingConfig, preset
from llm.checkpoints import RunFolder, load_run
from llm.data import TextData, read_text
from llm.interpret.copied_pieces import copied_pieces, copying_loss
from llm.interpret.copying import copying_scores
from llm.interpret.head_scores import head_scores
from llm.runtime import compute
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import require_replaceable
from llm.training.setup import start_run

PROJECT = Path(__file__).parents[1]
BEGIN, END = "<!-- measured -->", "<!-- end -->"  # around the tables in circuit.md

MODEL = recipe.MODEL  # otherwise the small presets
D_VOCAB = 2_048  # the page's default
WINDOWS = 128  # of the validation text


# what is trained: a small preset, and changes to it
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt": ("gpt", {}),
    # at the small preset's rope_theta of 100, tokens far apart hardly match; biases let a head look at nothing
    "llama": ("llama", {"rope_theta": 10_000.0, "qkv_bias": True}),
    "olmo": ("olmo", {}),
    "gpt, one layer": ("gpt", {"n_layers": 1, "mask": "causal"}),  # a layer that sees everything
}


@dataclass(frozen=True)
class Options:
    """Command-line options; the defaults are the experiment."""

    seeds: Annotated[int, Doc("Training runs of each preset and of each control.")] = 3
    steps: Annotated[int, Doc("Optimizer steps of each run.")] = 1_500
    text: Annotated[Path, Doc("Text whose names must be looked up.")] = recipe.TEXT
    out: Annotated[Path, Doc("Folder for circuit.csv, circuit.svg and the tables in circuit.md.")] = PROJECT / "docs"
    keep: Annotated[Path | None, Doc("Folder to keep the runs in, for the app to show. None: they are deleted.")] = None


@dataclass(frozen=True)
class Measurement:
    """One snapshot of one run: a row of circuit.csv. Losses in nats per token."""

    run: str
    seed: int
    step: int
    previous_score: float  # of the head with the highest
    copying_score: float  # likewise, on all repeated pairs of tokens
    pieces_score: float  # likewise, on copied pieces
    induction_score: float  # likewise, on random tokens
    copied_accuracy: float  # share of copied pieces that are predicted
    copied_loss: float
    other_loss: float  # on all other tokens


def train_run(name: str, seed: int, text: Path, steps: int, runs: Path) -> RunFolder:
    """Train a run from start to end, and save its snapshots."""
    architecture, changes = RUNS[name]
    model = preset(architecture, "small", d_vocab=D_VOCAB, **(MODEL | changes))
    training = TrainingConfig(steps=steps, seed=seed, eval_every=steps, sample_tokens=0, skill_pairs=0, device="cpu")
    trainer = start_run(model, training, "bpe", read_text(text), text.name, runs, D_VOCAB, architecture, "small")
    for metrics in compute.iterate(trainer):
        if metrics.step % 100 == 0 or metrics.step == steps:
            progress = f"{name}, seed {seed}: step {metrics.step} of {steps}, loss {metrics.loss:.3f}"
            print(f"{progress}, {metrics.seconds:.0f} s", flush=True)
    assert trainer.folder is not None
    return trainer.folder


def measure(name: str, seed: int, folder: RunFolder) -> Iterator[Measurement]:
    """The figures of every snapshot of a run."""
    first = load_run(folder.path)
    data = TextData.from_text(folder.text(), first.tokenizer, first.config.n_ctx)
    inputs, targets = data.evaluation_windows(WINDOWS)  # each [batch, pos]
    copied = copied_pieces(inputs, targets, data.train, first.config.d_vocab).mask(inputs.shape)  # [batch, pos]
    for step in folder.snapshots():
        model = load_run(folder.path, step).model
        scores = head_scores(model, data.train)
        loss = copying_loss(model, inputs, targets, copied)
        yield Measurement(
            name, seed, step, float(scores.previous.max()),
            float(copying_scores(model, inputs, targets).copying.max()),
            float(copying_scores(model, inputs, targets, only=copied).copying.max()), float(scores.induction.max()),
            loss.accuracy, loss.copied, loss.rest,
        )  # fmt: skip


# The chart: four panels over the steps, a band from the lowest to the highest seed around their mean.

PANELS = {
    "previous_score": "Highest previous-token score of any head",
    "pieces_score": "Highest copying score, on copied pieces",
    "induction_score": "Highest induction score of any head",
    "copied_accuracy": "Copied pieces that are predicted",
}
WIDTH, HEIGHT = 430, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 34, 26
STROKES = {  # on white paper, so that it reads in either theme; dashed: the controls
    "gpt": (COLOURS["validation"][0], "none"),
    "llama": (COLOURS["accent"][0], "none"),
    "olmo": (COLOURS["positive"][0], "none"),
    "gpt, one layer": (COLOURS["baseline"][0], "6 4"),
}
UNTRAINED = ("gpt, untrained", (COLOURS["quiet"][0], "2 4"))
INK, QUIET, LINE, PAPER = COLOURS["neutral"][1], COLOURS["quiet"][0], COLOURS["line"][0], COLOURS["panel"][0]


def chart(rows: list[Measurement]) -> str:
    """All panels as one SVG."""
    panels = [
        f'<g transform="translate({12 + index % 2 * (WIDTH + 12)} {44 + index // 2 * (HEIGHT + 12)})">'
        f"{_panel(rows, name, title)}</g>"
        for index, (name, title) in enumerate(PANELS.items())
    ]
    width, height = 2 * WIDTH + 36, 2 * HEIGHT + 68
    legend = "".join(
        f'<path d="M{20 + 146 * index} 22h26" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>'
        f'<text x="{52 + 146 * index}" y="26" fill="{INK}">{name}</text>'
        for index, (name, (colour, dashes)) in enumerate([*STROKES.items(), UNTRAINED])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" rx="8" fill="{PAPER}" stroke="{LINE}"/>'
        f"{legend}{''.join(panels)}</svg>\n"
    )


def _panel(rows: list[Measurement], name: str, title: str) -> str:
    values = [getattr(row, name) for row in rows]
    low, high = min(0.0, *values), max(0.1, *values)
    last = max(row.step for row in rows)

    def point(step: int, value: float) -> tuple[float, float]:
        """Where a value is drawn; steps on a logarithmic scale, as snapshots are taken."""
        x = LEFT + (WIDTH - LEFT - RIGHT) * math.log2(step + 1) / math.log2(last + 1)
        return x, TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    def line(points: list[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)

    parts = [f'<text x="{LEFT - 34}" y="16" font-weight="600" fill="{INK}">{title}</text>']
    for value in sorted({low, 0.0, high}):
        y = point(0, value)[1]
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{QUIET}">{value:.2f}</text>'
                     f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE}"/>')  # fmt: skip
    for step in (0, 1, 4, 16, 64, 256, 1024, last):
        if step < last / 2 or step == last:  # so that labels do not overlap
            parts.append(f'<text x="{point(step, 0)[0]:.1f}" y="{HEIGHT - 6}" text-anchor="middle" fill="{QUIET}">'
                         f"{step}</text>")  # fmt: skip
    for run, (colour, dashes) in reversed(STROKES.items()):
        if run not in _measured(rows):
            continue
        values_at = by_step(rows, run, name)
        lower, upper = ([point(step, pick(seeds)) for step, seeds in values_at.items()] for pick in (min, max))
        mean = [point(step, statistics.fmean(seeds)) for step, seeds in values_at.items()]
        parts.append(f'<path d="{line(lower + upper[::-1])}Z" fill="{colour}" fill-opacity="0.18"/>'
                     f'<path d="{line(mean)}" fill="none" stroke="{colour}" stroke-width="2" '
                     f'stroke-dasharray="{dashes}"/>')  # fmt: skip
    untrained = statistics.fmean(by_step(rows, "gpt", name)[0])
    parts.append(f'<path d="{line([point(0, untrained), point(last, untrained)])}" fill="none" stroke="{QUIET}" '
                 'stroke-width="1.5" stroke-dasharray="2 4"/>')  # fmt: skip
    return "".join(parts)


def by_step(rows: list[Measurement], run: str, name: str) -> dict[int, list[float]]:
    """The values of a figure by step, one per seed."""
    values: dict[int, list[float]] = {}
    for row in rows:
        if row.run == run:
            values.setdefault(row.step, []).append(getattr(row, name))
    return values


def last_table(rows: list[Measurement]) -> str:
    """The last snapshots as a table in Markdown: mean, and the lowest and the highest seed."""
    last = max(row.step for row in rows)
    models = {f"{run}, step {last:,}": (run, last) for run in _measured(rows)} | {"gpt, untrained": ("gpt", 0)}
    names = [field.name for field in dataclasses.fields(Measurement)[3:]]
    lines = ["| | " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, (run, step) in models.items():
        columns = [by_step(rows, run, name)[step] for name in names]
        cells = [f"{statistics.fmean(seeds):.2f} ({min(seeds):.2f} to {max(seeds):.2f})" for seeds in columns]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _measured(rows: list[Measurement]) -> list[str]:
    return [run for run in RUNS if any(row.run == run for row in rows)]


REACHED = {
    "previous-token score of 0.5": ("previous_score", 0.5),
    "copying score of 0.5 on copied pieces": ("pieces_score", 0.5),
    "induction score of 0.4": ("induction_score", 0.4),
    "nine tenths predicted": ("copied_accuracy", 0.9),
}


def when_table(rows: list[Measurement]) -> str:
    """The first snapshot of each seed at which a part of the circuit is there."""
    lines = ["| | " + " | ".join(REACHED) + " |", "|---" * (len(REACHED) + 1) + "|"]
    for run in _measured(rows):
        cells = []
        for name, bar in REACHED.values():
            seeds: dict[int, str] = {}
            for row in rows:
                if row.run == run:
                    seeds.setdefault(row.seed, "never")
                    if getattr(row, name) >= bar and seeds[row.seed] == "never":
                        seeds[row.seed] = f"{row.step:,}"
            cells.append(", ".join(seeds.values()))
        lines.append(f"| {run} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(rows: list[Measurement], out: Path) -> None:
    """The three files; of an existing circuit.md, only the text between its two markers is replaced."""
    out.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Measurement)])
    for row in rows:
        writer.writerow([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in dataclasses.astuple(row)])
    write_bytes(out / "circuit.csv", text.getvalue().encode())
    write_bytes(out / "circuit.svg", chart(rows).encode())
    note = out / "circuit.md"
    if note.exists():
        before, _, rest = note.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        write_bytes(note, f"{before}{BEGIN}\n{last_table(rows)}\n\n{when_table(rows)}\n{END}{after}".encode())


def main(options: Options) -> None:
    """Train, measure, write."""
    for name in ("circuit.csv", "circuit.svg", "circuit.md"):
        require_replaceable(options.out / name, "an output")
    rows: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for name in RUNS:
                runs = options.keep or Path(folder)
                rows += measure(name, seed, train_run(name, seed, options.text, options.steps, runs))
            write(rows, options.out)  # of the seeds so far
    print(last_table(rows), when_table(rows), sep="\n\n")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
