"""Detect that training has diverged, and word the message for the user."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from llm.config import TrainingConfig
from llm.runtime.sharding import local
from llm.training.optimizers import REGISTRY as OPTIMIZERS
from llm.training.schedule import learning_rate_multiplier

DIVERGED = "Training diverged"  # how the message of a run that diverged begins
REMEDY = "Try a third of each learning rate, a longer warm-up, or a smaller grad_clip."
KEPT = {  # whether the weights are those from before the step, and whether there is a run folder
    (True, True): "The weights and the last snapshot are those from before that step. ",
    (True, False): "The weights are those from before that step. ",
    (False, True): "The last snapshot is from before that step. ",
    (False, False): "",
}


class TrainingDiverged(RuntimeError):
    """A loss, a gradient, a weight or a measure of an evaluation is NaN or infinite."""


def divergence_message(step: int, what: str, config: TrainingConfig, weights_kept: bool, in_folder: bool) -> str:
    """The message: which value is not finite in which step, which weights are safe, and what to try."""
    if step == 0:
        return f"Training cannot begin: the untrained model's {what}. Try precision float32, or a smaller model."
    kept, multiplier = KEPT[weights_kept, in_folder], learning_rate_multiplier(step, config)
    rates = " and ".join(
        f"{name} {multiplier * getattr(config, name):.2g}" for name in OPTIMIZERS[config.optimizer].learning_rates
    )
    return f"{DIVERGED} in step {step}: the {what} at {rates}. {kept}{REMEDY}"


def non_finite_measure(measures: dict[str, Any]) -> str | None:
    """Describe the first NaN or infinite measure, also inside a dataclass or dictionary; None if all are finite."""
    for name, value in measures.items():
        inner = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
        if isinstance(inner, dict) and (problem := non_finite_measure(inner)):
            return f"{name}'s {problem}"
        if isinstance(inner, float) and not math.isfinite(inner):
            return f"{name} became {inner}"
    return None


def all_finite(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether no weight is NaN or infinite, of those that this process has."""
    return bool(torch.stack([local(parameter).isfinite().all() for parameter in parameters]).all())
