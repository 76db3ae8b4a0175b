"""Snapshots of a run: the weights at many of its steps, and the trainer's state as far as there is room for it.

step_000100/
  model.safetensors   the weights
  snapshot.json       the step's losses
  trainer.pt          what training needs to continue from here
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from llm.config import ModelConfig, TrainingConfig
from llm.costs import memory, parameter_count
from llm.costs.activations import FLOAT32
from llm.model import Transformer
from llm.runs.errors import DamagedCheckpointError
from llm.runs.weights import GatheredWeights, weights_as_bytes
from llm.runtime.files import TEMPORARY, remove_folder, remove_if_possible, write_folder
from llm.runtime.regular_files import IrregularFileError, is_regular, open_regular, remove

STATE = "trainer.pt"
SNAPSHOT_FILES = ("model.safetensors", "snapshot.json", STATE)
SNAPSHOT = re.compile(r"step_([0-9]{6}|[1-9][0-9]{6,})")


def snapshot_due(step: int, steps: int) -> bool:
    """Whether a snapshot is kept at this step: 0, 1, 2, 4, 8, then four for each doubling, and the last.

    Dense while a model learns fastest, sparse later, so that learning can be replayed.
    """
    if step < 8 or step == steps:
        return step in (0, 1, 2, 4) or step == steps
    quarter = 2 ** (step.bit_length() - 3)  # a quarter of the doubling that step is in
    return step % quarter == 0


def kept_bytes(model: ModelConfig, training: TrainingConfig) -> int:
    """About how many bytes the weights and trainer's states of a whole run take on the disk: see `tidy_snapshots`.

    Beside the snapshots these are the best and the final weights.
    """
    weights, state = FLOAT32 * parameter_count(model).total, memory(model, training).optimizer
    snapshots = len(_due(training.steps)) * (weights + state)
    least = (2 * weights + state) if training.steps else weights + state  # the first, and the newest with its state
    return 2 * weights + min(snapshots, max(least, training.max_disk_mb * 1_000_000))


def _due(steps: int) -> list[int]:
    """All steps at which a snapshot is due, in a run of so many."""
    due = [step for step in range(min(steps, 8)) if snapshot_due(step, steps)]
    step = 8
    while step < steps:
        due.append(step)
        step += 2 ** (step.bit_length() - 3)
    return [*due, steps]


def snapshot_steps(run: Path) -> list[int]:
    """Steps of the snapshots in a run folder, ascending."""
    names = (SNAPSHOT.fullmatch(entry.name) for entry in os.scandir(run) if entry.is_dir(follow_symlinks=False))
    return sorted(int(match[1]) for match in names if match)


def resumable_steps(run: Path) -> list[int]:
    """Steps of the snapshots that training can continue from, ascending: those with the trainer's state."""
    return [step for step in snapshot_steps(run) if is_regular(snapshot_path(run, step) / STATE)]


def snapshot_path(run: Path, step: int) -> Path:
    """The path of this step's snapshot, whether it exists or not."""
    return run / f"step_{step:06d}"


def save_snapshot(
    run: Path,
    step: int,
    model: Transformer | GatheredWeights,
    info: dict[str, Any],
    trainer_state: dict[str, Any],
    keep_mb: int,
) -> None:
    """Store the weights of this step, the newest, and the trainer's state; then `tidy_snapshots`."""

    def fill(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(weights_as_bytes(model, step))
        (folder / "snapshot.json").write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")
        state = io.BytesIO()  # given a file, torch raises no OSError where the disk is full
        torch.save(trainer_state, state)
        (folder / STATE).write_bytes(state.getbuffer())

    write_folder(snapshot_path(run, step), fill)
    tidy_snapshots(run, keep_mb)


def copy_snapshot(run: Path, step: int, target: Path) -> None:
    """Copy a snapshot with its trainer's state into another run folder."""

    def fill(folder: Path) -> None:
        for name in ("model.safetensors", "snapshot.json", STATE):
            with open_regular(snapshot_path(run, step) / name) as file, (folder / name).open("xb") as copy:
                shutil.copyfileobj(file, copy)

    write_folder(snapshot_path(target, step), fill)


def tidy_snapshots(run: Path, keep_mb: int) -> None:
    """Keep not much more than `keep_mb` megabytes of snapshots.

    Beyond that, the trainer's state is removed from all but the newest, and then whole snapshots are, all but the first
    and the newest: each time where they are closest together on a logarithmic scale of steps.
    """
    for unfinished in run.glob(f"{TEMPORARY}step_*"):  # whose removal failed
        remove_if_possible(unfinished)
    size = sum(file.lstat().st_size for step in snapshot_steps(run) for file in snapshot_path(run, step).iterdir())
    while size > keep_mb * 1_000_000 and len(steps := resumable_steps(run)) > 1:
        state = snapshot_path(run, _least_missed(steps)) / STATE
        size -= state.lstat().st_size
        remove(state)
    while size > keep_mb * 1_000_000 and len(steps := snapshot_steps(run)) > 2:
        snapshot = snapshot_path(run, _least_missed(steps))
        size -= sum(file.lstat().st_size for file in snapshot.iterdir())
        remove_folder(snapshot)


def load_trainer_state(run: Path, step: int) -> dict[str, Any]:
    """The `trainer_state` that `save_snapshot` was given. Raises DamagedCheckpointError."""
    path = snapshot_path(run, step) / STATE
    try:
        with open_regular(path) as file, warnings.catch_warnings(action="ignore"):  # torch's, on odd tensors
            _require_plain_archive(file)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DamagedCheckpointError(path, "it is missing, and without it training cannot continue") from None
    except IrregularFileError:
        raise
    except Exception as error:  # a hostile or truncated file can raise anything
        raise DamagedCheckpointError(path, f"it cannot be read ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise DamagedCheckpointError(path, "it does not contain a trainer's state")
    return state


def _require_plain_archive(file: BinaryIO) -> None:
    """Raise ValueError unless this is a zip archive without compression, which takes no more memory than its size.

    Torch also reads an older format, where a few bytes can claim tensors of any size: it begins otherwise.
    """
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    size = file.seek(0, os.SEEK_END)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or size < sum(e.file_size for e in entries):
        raise ValueError("it is compressed")
    file.seek(0)
    if file.read(4) != b"PK\3\4":
        raise ValueError("it does not begin as a zip archive")
    file.seek(0)


def _least_missed(steps: list[int]) -> int:
    """The step whose removal leaves the smallest gap, on a logarithmic scale; not the last, and of two the first."""
    gaps = {steps[i]: math.log((steps[i + 1] + 1) / (steps[i - 1] + 1)) for i in range(1, len(steps) - 1)}
    return min(gaps, key=lambda step: gaps[step], default=steps[0])
