"""A run's metrics in the files of other programs: what metrics.jsonl has, written offline while it grows or afterwards.

One code path for both: a follower of metrics.jsonl, which every run has, whoever trains it.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from llm.runs.errors import read_json_object
from llm.runs.folder import RunFolder
from llm.runs.status import ACTIVE

SECONDS = 2.0  # between two looks at a run that trains
PROJECT = "llm-from-scratch"


class Tracker(ABC):
    """Where a run's metrics are written."""

    package: str  # which this needs, the name of its extra too
    files: str  # what its folder contains, in words

    @abstractmethod
    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        """Begin to write a run; what was written of it before does not count any more."""

    @abstractmethod
    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """What was measured at one step."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left."""


class TensorBoard(Tracker):
    """Event files: `tensorboard --logdir FOLDER` shows all runs in it."""

    package = "tensorboard"
    files = "event files, shown by `uv run tensorboard --logdir {folder}`"

    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # TensorBoard leaves out what earlier files of the folder say of this step and later ones
        self._writer = SummaryWriter(str(folder / run), purge_step=0)
        rows = "\n".join(f"    {name}: {value}" for name, value in config.items())  # indented: as it is, no markup
        self._writer.add_text("config", rows, 0)

    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """Scalars and texts."""
        for name, number in numbers.items():
            self._writer.add_scalar(name, number, step)
        for name, text in texts.items():
            self._writer.add_text(name, "\n".join(f"    {line}" for line in text.split("\n")), step)

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()


class WeightsAndBiases(Tracker):
    """An offline run of wandb, which `wandb sync` sends to its server, if somebody wants that."""

    package = "wandb"
    files = "an offline run, which `uv run wandb sync` would send to wandb's server"

    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            mode="offline", silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True,
            x_disable_meta=True, x_save_requirements=False,
        )  # fmt: skip
        self._run = wandb.init(
            project=PROJECT, id=run, name=run, dir=str(folder), config=dict(config), settings=quiet, reinit="create_new"
        )

    def write(self, step: int, numbers: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """One row of its history."""
        self._run.log({**numbers, **texts}, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


TRACKERS: dict[str, type[Tracker]] = {tracker.package: tracker for tracker in (TensorBoard, WeightsAndBiases)}


def require_package(name: str) -> None:
    """Raise ValueError with the command that installs the tracker's package, if it is missing."""
    try:
        import_module(name)
    except ImportError:
        raise ValueError(f"{name} is not installed: `uv sync --extra {name}` installs it") from None


def follow(folder: RunFolder, into: Path, name: str, wait: bool = False) -> Iterator[int]:
    """Write a run's metrics with the tracker `name` to `into`; yields the steps written so far.

    `wait`: go on while the run trains. If its metrics are written anew, as when it is resumed from an earlier
    snapshot, so are the tracker's.
    """
    config = _flat(read_json_object(folder.path / "config.json"))
    tracker, offset, steps = TRACKERS[name](into, folder.id, config), 0, 0
    try:
        while True:
            active = folder.status().state in ACTIVE  # before reading: what is written until its end is read
            chunk = folder.read_metrics(offset)
            if chunk.reset:
                tracker.close()
                tracker, steps = TRACKERS[name](into, folder.id, config), 0
            offset = chunk.next_offset
            for row in chunk.rows:
                values = _flat({name: value for name, value in row.items() if name != "step"})
                numbers = {name: value for name, value in values.items() if _is_number(value)}
                texts = {name: value for name, value in values.items() if isinstance(value, str)}
                tracker.write(row["step"], numbers, texts)
            steps += len(chunk.rows)
            yield steps
            if not (wait and active):
                return
            time.sleep(SECONDS)
    finally:
        tracker.close()


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as one, with names such as evaluation/loss."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, list):  # by layer, and of these by expert
            value = {str(number): each for number, each in enumerate(value)}
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}/")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
