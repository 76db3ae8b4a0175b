"""Does an induction head form? Head scores, losses and in-context learning through training, on three seeds.

    uv run python experiments/induction.py [--seeds 3] [--steps 1300] [--out docs] [--keep FOLDER] [--songs FILE]

An induction head (Olsson et al. 2022, arXiv:2209.11895) finds an earlier occurrence of the current token and attends to
the token that followed it. It needs two layers: one writes to each position which token came before it, the next
searches for that. It helps where a text repeats what could not have been predicted. So a two-layer model is trained on
the story world with a skipping song after each story: words of the stories in random order, each line sung three times.
There are three controls: the same with one layer, the same two layers on the stories alone, and the untrained model,
step 0.

Writes induction.csv, induction.svg, and the table in the induction.md next to them.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

from components.shared.style import COLOURS
from llm import TrainingConfig, preset
from llm.checkpoints import RunFolder, load_run
from llm.data import TextData, read_text
from llm.interpret.head_scores import head_scores, induction_loss
from llm.interpret.loss_by_position import in_context_score, loss_by_position
from llm.runtime import compute
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import require_replaceable
from llm.training.setup import start_run
from llm.world.chance import Chance

PROJECT = Path(__file__).parents[1]
BEGIN, END = "<!-- measured -->", "<!-- end -->"  # around the table in induction.md

MODEL = {
    "n_ctx": 48,
    "rope_theta": 10_000.0,
    "qk_norm": True,
    "tie_embeddings": True,
}  # otherwise, except for the number of layers, the small llama
TRAINING: dict[str, Any] = {"batch_size": 42, "schedule": "constant"}
D_VOCAB = 1_024  # small, so that each token is seen often, and many words take several
WINDOWS = 128  # of held-out text: the in-context score compares only two positions, and few windows leave it noisy

# what is trained: number of layers, and whether the stories have songs
RUNS = {"two layers": (2, True), "one layer": (1, True), "two layers, stories": (2, False)}


@dataclass(frozen=True)
class Options:
    """Command-line options; the defaults are the experiment."""

    seeds: Annotated[int, Doc("Training runs of the model and of each control.")] = 3
    steps: Annotated[int, Doc("Optimizer steps of each run.")] = 1_300
    text: Annotated[Path, Doc("Text of the story world.")] = PROJECT / "training.txt"
    out: Annotated[Path, Doc("Folder for induction.csv, induction.svg and the table in induction.md.")] = (
        PROJECT / "docs"
    )
    keep: Annotated[Path | None, Doc("Folder to keep the runs in, for the app to show. None: they are deleted.")] = None
    songs: Annotated[Path | None, Doc("Only write the stories with songs to this file, for training in the app.")] = (
        None
    )


@dataclass(frozen=True)
class Measurement:
    """One snapshot of one run: a row of induction.csv. Losses in nats per token."""

    run: str
    seed: int
    step: int
    induction_score: float  # of the head with the highest
    previous_score: float  # likewise
    first_copy_loss: float  # of random tokens that are repeated once
    second_copy_loss: float
    in_context_score: float
    validation_loss: float


def with_songs(text: str) -> str:
    """The stories of `text` with a song after each: six lines of its words, each equally likely, sung three times."""
    chance = Chance(0)
    words = sorted(set(re.findall(r"\b[a-z]{3,}\b", text)))
    parts = []
    for story in text.strip().split("\n\n"):
        song = [" ".join([chance.pick(words) for _ in range(chance.number(2, 8))] * 3) for _ in range(6)]
        parts.append("\n".join([story, "Then they skipped rope and sang:", *song]))
    return "\n\n".join(parts) + "\n"


def train_run(name: str, seed: int, story: str, steps: int, runs: Path) -> RunFolder:
    """Train a run from start to end, and save its snapshots."""
    layers, songs = RUNS[name]
    text, text_name = (with_songs(story), "stories and songs") if songs else (story, "the story world")
    model = preset("llama", "small", d_vocab=D_VOCAB, **(MODEL | {"n_layers": layers}))
    training = TrainingConfig(
        steps=steps, seed=seed, eval_every=steps, sample_tokens=0, skill_pairs=0, device="cpu", **TRAINING
    )
    trainer = start_run(model, training, "bpe", text, text_name, runs, D_VOCAB, "llama", "small")
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
    windows = data.evaluation_windows(WINDOWS)
    for step in folder.snapshots():
        model = load_run(folder.path, step).model
        scores, copies = head_scores(model, data.train), induction_loss(model, data.train)
        losses = loss_by_position(model, *windows)  # [pos]
        yield Measurement(
            name, seed, step, float(scores.induction.max()), float(scores.previous.max()),
            copies.first, copies.second, in_context_score(losses).score, float(losses.mean()),
        )  # fmt: skip


# The chart: four panels over the steps, a band from the lowest to the highest seed around their mean.

PANELS = {
    "induction_score": "Highest induction score of any head",
    "second_copy_loss": "Loss on the second copy of random tokens, nats",
    "in_context_score": "In-context learning score, nats (below 0: uses its context)",
    "validation_loss": "Validation loss, nats per token",
}
WIDTH, HEIGHT = 430, 240
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 34, 26
STROKES = {  # on white paper, so that it reads in either theme; dashed: the controls
    "two layers": (COLOURS["accent"][0], "none"),
    "one layer": (COLOURS["baseline"][0], "6 4"),
    "two layers, stories": (COLOURS["validation"][0], "6 4"),
}
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
        f'<path d="M{20 + 190 * index} 22h26" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/>'
        f'<text x="{54 + 190 * index}" y="26" fill="{INK}">{name}</text>'
        for index, (name, (colour, dashes)) in enumerate([*STROKES.items(), ("two layers, untrained", (QUIET, "2 4"))])
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
        values_at = by_step(rows, run, name)
        lower, upper = ([point(step, pick(seeds)) for step, seeds in values_at.items()] for pick in (min, max))
        mean = [point(step, statistics.fmean(seeds)) for step, seeds in values_at.items()]
        parts.append(f'<path d="{line(lower + upper[::-1])}Z" fill="{colour}" fill-opacity="0.18"/>'
                     f'<path d="{line(mean)}" fill="none" stroke="{colour}" stroke-width="2" '
                     f'stroke-dasharray="{dashes}"/>')  # fmt: skip
    untrained = statistics.fmean(by_step(rows, "two layers", name)[0])
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


def table(rows: list[Measurement]) -> str:
    """The last snapshots as a table in Markdown: mean, and the lowest and the highest seed."""
    last = max(row.step for row in rows)
    models = {f"{run}, step {last:,}": (run, last) for run in RUNS} | {"two layers, untrained": ("two layers", 0)}
    names = [field.name for field in dataclasses.fields(Measurement)[3:]]
    lines = ["| | " + " | ".join(name.replace("_", " ") for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, (run, step) in models.items():
        columns = [by_step(rows, run, name)[step] for name in names]
        cells = [f"{statistics.fmean(seeds):.2f} ({min(seeds):.2f} to {max(seeds):.2f})" for seeds in columns]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write(rows: list[Measurement], out: Path) -> None:
    """The three files; of an existing induction.md, only the text between its two markers is replaced."""
    out.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Measurement)])
    for row in rows:
        writer.writerow([f"{cell:.4f}" if isinstance(cell, float) else cell for cell in dataclasses.astuple(row)])
    write_bytes(out / "induction.csv", text.getvalue().encode())
    write_bytes(out / "induction.svg", chart(rows).encode())
    note = out / "induction.md"
    if note.exists():
        before, _, rest = note.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        write_bytes(note, f"{before}{BEGIN}\n{table(rows)}\n{END}{after}".encode())


def main(options: Options) -> None:
    """Train, measure, write."""
    for path in (options.songs, *(options.out / name for name in ("induction.csv", "induction.svg", "induction.md"))):
        if path is not None:
            require_replaceable(path, "an output")
    story = read_text(options.text)
    if options.songs is not None:
        write_bytes(options.songs, with_songs(story).encode())
        return
    rows: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for name in RUNS:
                rows += measure(name, seed, train_run(name, seed, story, options.steps, options.keep or Path(folder)))
            write(rows, options.out)  # of the seeds so far
    print(table(rows))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
