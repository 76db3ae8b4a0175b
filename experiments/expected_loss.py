"""What do the default settings reach? The validation loss through training of each architecture, on several seeds.

    uv run python experiments/expected_loss.py [--seeds 0 1 2] [--architectures gpt llama olmo]

Writes llm/comparison/expected.csv, from which the page Train draws a band behind the curve of a run with these
settings. Samples and skills are left out: they do not change what is learned. A run takes about a minute on two cores.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from typing_extensions import Doc

import llm
from llm.comparison.curves import validation_curve
from llm.comparison.expected import FIELDS, MEASURED
from llm.presets import COURSE
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import require_replaceable

PROJECT = Path(__file__).parents[1]
SIZE = "small"


@dataclass(frozen=True)
class Options:
    """Command-line options; the defaults are the experiment."""

    seeds: Annotated[tuple[int, ...], Doc("A run of each architecture for each.")] = (0, 1, 2)
    architectures: Annotated[tuple[str, ...], Doc("Which to train; what was measured of others is kept.")] = COURSE
    steps: Annotated[int | None, Doc("Optimizer steps of each run. None: the default.")] = None
    data: Annotated[Path, Doc("Text to train on.")] = PROJECT / "training.txt"
    out: Annotated[Path, Doc("File to write.")] = MEASURED


def main(options: Options) -> None:
    """Train, measure, and write the file after each run."""
    require_replaceable(options.out, "out")
    rows = _read(options.out)
    steps = {} if options.steps is None else {"steps": options.steps}
    for architecture in options.architectures:
        for seed in map(str, options.seeds):
            others = [row for row in rows if (row["architecture"], row["seed"]) != (architecture, seed)]
            measured = list(_train(architecture, seed, options.data, steps))
            rows = sorted(
                [*others, *measured], key=lambda row: (row["architecture"], int(row["seed"]), int(row["step"]))
            )
            file = io.StringIO()
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_bytes(options.out, file.getvalue().encode())
            print(f"{architecture}, seed {seed}: validation loss {measured[-1]['loss']}", flush=True)


def _train(architecture: str, seed: str, data: Path, steps: dict[str, Any]) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as runs:
        run = llm.train(data, architecture=architecture, size=SIZE, seed=int(seed), device="cpu", sample_tokens=0,
                        skill_pairs=0, checkpoints_dir=Path(runs), **steps)  # fmt: skip
        for point in validation_curve(run.metrics, run.folder.config()):
            values = (architecture, SIZE, seed, f"{point.step:.0f}", f"{point.nats:.4f}")
            yield dict(zip(FIELDS, values, strict=True))


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
