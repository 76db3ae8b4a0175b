"""Opening a checkpoint: a run's model at one of its steps, ready to use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from llm.config import Implementation, ModelConfig
from llm.model import Transformer
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.weights import require_room
from llm.tokenizers import Tokenizer, load_tokenizer


@dataclass(frozen=True)
class Run:
    """A loaded checkpoint: the model in evaluation mode, its tokenizer, and the metrics up to its step."""

    model: Transformer
    tokenizer: Tokenizer
    config: ModelConfig
    metrics: list[dict[str, Any]]
    step: int
    folder: RunFolder


def load_run(
    path: Path | str,
    step: int | None = None,
    implementation: Implementation = "fused",
    device: torch.device | str = "cpu",
) -> Run:
    """Open a checkpoint. `step=None`: the final weights, else the best, else those of the newest snapshot.

    Raises:
        FileNotFoundError: there is no such run or step.
        DamagedCheckpointError: its files cannot be read, or do not fit together.
    """
    folder = RunFolder(path)
    config = folder.config().model
    tokenizer = fitting_tokenizer(folder, config)
    source = folder.choose_weights(step)
    require_room(folder.weights_file(source), config)
    model = Transformer(config, implementation)
    step = folder.load_weights(model, source)
    metrics = [row for row in folder.read_metrics().rows if row["step"] <= step]
    return Run(model.to(device).eval(), tokenizer, config, metrics, step, folder)


def fitting_tokenizer(folder: RunFolder, config: ModelConfig) -> Tokenizer:
    """The run's tokenizer. Raises DamagedCheckpointError if it is not of the model's d_vocab."""
    tokenizer = load_tokenizer(folder.path)
    if tokenizer.d_vocab != config.d_vocab:
        problem = f"it has {tokenizer.d_vocab} tokens, and the model's d_vocab is {config.d_vocab}"
        raise DamagedCheckpointError(folder.path / "tokenizer.json", problem)
    return tokenizer
