"""Train a run again, from its config.json and its text alone, and check whether the results are the same.

The new run is written to a temporary folder; nothing of the first is changed. Compared are, row by row, all of
metrics.jsonl except times, and bit for bit the weights of every snapshot, the best and the final ones, as far as the
first run has kept them. They can be expected to be equal under the conditions that config.json records
(`llm.runtime.conditions`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from llm.runs.folder import ModelFile, RunFolder
from llm.runs.origin import branched
from llm.runs.weights import read_weights
from llm.runtime import compute
from llm.tokenizers import Tokenizer, load_tokenizer
from llm.training.branching import branch_again
from llm.training.divergence import TrainingDiverged
from llm.training.setup import start_again
from llm.training.trainer import Trainer

TIMES = {"tokens_per_second", "seconds", "elapsed"}


@dataclass(frozen=True)
class Difference:
    """Where a run that is trained again first differs."""

    step: int
    what: str  # such as "loss", "evaluation accuracy" or "weights unembed.W_U[3, 5]"
    recorded: Any
    here: Any


@dataclass(frozen=True)
class Comparison:
    """How far a run has been trained again, and what came out."""

    step: int
    last_step: int  # the comparison ends here, or at the first difference
    difference: Difference | None


def reproduce(path: Path | str, steps: int | None = None) -> Generator[Comparison, None, None]:
    """Train the run again and compare it, through `steps` or all that it has; yields after each step from 0 on.

    A branch (`llm.training.branching`) is trained again from where it began.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: it has no metrics to compare with, its files are damaged, or this machine lacks its device.
    """
    folder = RunFolder(path)
    rows = {row["step"]: row for row in folder.read_metrics().rows}
    if not rows:
        raise ValueError(f"Run {folder.id} has no metrics yet: there is nothing to compare with")
    origin = branched(folder.config())
    first = 0 if origin is None else origin.step
    last = max(rows) if steps is None else max(first, min(steps, max(rows)))
    weights = _weights_files(folder)
    with tempfile.TemporaryDirectory() as temporary:
        trainer = start_again(path, temporary) if origin is None else branch_again(path, temporary)
        assert trainer.folder is not None
        read = 0  # bytes of the new run's metrics
        try:
            difference = _tokenizer_difference(load_tokenizer(folder.path), trainer.tokenizer)
            for step in range(first, last + 1):
                if origin is None or step > first:
                    difference = difference or _take_step(trainer, step)
                chunk = trainer.folder.read_metrics(read)
                read = chunk.next_offset
                difference = difference or _row_difference(step, rows.get(step, {}), chunk.rows[-1])
                for file in weights.get(step, []):
                    difference = difference or _weights_difference(step, read_weights(file)[1], trainer)
                yield Comparison(step, last, difference)
                if difference is not None:
                    return
        finally:
            trainer.folder.unlock()  # Windows removes no open file


def _take_step(trainer: Trainer, step: int) -> Difference | None:
    """Train to this step, or say why that is not possible."""
    try:
        compute.run(trainer.initial_metrics if step == 0 else trainer.__next__)
    except TrainingDiverged as error:
        return Difference(step, "course", "trained", str(error))
    except StopIteration:
        return Difference(step, "course", "trained", str(trainer.stop_reason))
    return None


def _row_difference(step: int, recorded: dict[str, Any], row: dict[str, Any]) -> Difference | None:
    """The first value of a row of metrics.jsonl that is different. Runs of earlier versions may have fewer values."""
    here = _flat(row)
    for name, value in _flat(recorded).items():
        if name not in TIMES and (name not in here or here[name] != value):
            return Difference(step, name, value, here.get(name))
    return None


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by their path, such as "evaluation loss"."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        flat |= _flat(value, f"{prefix}{name} ") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _weights_difference(step: int, recorded: dict[str, Tensor], trainer: Trainer) -> Difference | None:
    """The number that differs most in the first tensor that is not the same bit for bit."""
    for name, parameter in trainer.model.named_parameters():
        weight, here = recorded.get(name), parameter.detach().cpu()
        if weight is None or weight.shape != here.shape:
            return Difference(step, f"weights {name}", None if weight is None else list(weight.shape), list(here.shape))
        if not torch.equal(weight, here):
            index = tuple(int(i) for i in torch.unravel_index((weight - here).abs().argmax(), here.shape))
            return Difference(step, f"weights {name}{list(index)}", weight[index].item(), here[index].item())
    return None


def _tokenizer_difference(recorded: Tokenizer, here: Tokenizer) -> Difference | None:
    """The first token that differs."""
    if recorded.d_vocab != here.d_vocab:
        return Difference(0, "tokenizer's d_vocab", recorded.d_vocab, here.d_vocab)
    for token in range(here.d_vocab):
        if recorded.token_bytes(token) != here.token_bytes(token):
            return Difference(0, f"token {token}", recorded.token_text(token), here.token_text(token))
    return None


def _weights_files(folder: RunFolder) -> dict[int, list[Path]]:
    """The files of weights of each step."""
    files = {step: [folder.weights_file(step)] for step in folder.snapshots()}
    for which in get_args(ModelFile):
        if folder.has(which):
            file = folder.weights_file(which)
            files.setdefault(read_weights(file)[0], []).append(file)
    return files
