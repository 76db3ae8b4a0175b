"""Train a run again from its config.json and text alone, and compare: does the same come out?

The new run is written to a temporary folder; nothing of the first is changed. Row by row, everything that metrics.jsonl
holds is compared except times, and each snapshot's weights and the best and final ones bit for bit, while the first has
them. Equality is to be expected under the conditions that config.json records (`llm.runtime.conditions`).
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import ModelFile, RunFolder
from llm.runs.weights import read_weights
from llm.runtime import compute
from llm.training.divergence import TrainingDiverged
from llm.training.setup import changed_since_start, start_again
from llm.training.trainer import Trainer

TIMES = ("tokens_per_second", "seconds", "elapsed")


@dataclass(frozen=True)
class Difference:
    """Where a run that is trained again first differs."""

    step: int
    what: str  # such as "loss" or "evaluation accuracy"
    recorded: str
    here: str


@dataclass(frozen=True)
class Reproduction:
    """How far a run has been trained again, and whether it came out the same."""

    step: int  # compared so far
    last: int  # to be compared
    difference: Difference | None
    changed: list[str]  # recorded conditions that are others here, in words
