"""The training config as config.json has it, so that two runs with the same settings have the same one."""

from __future__ import annotations

import dataclasses

from llm.config import ModelConfig, TrainingConfig
from llm.runtime.text import normalize_text


def as_recorded(training: TrainingConfig, model: ModelConfig) -> TrainingConfig:
    """The config as a run with this model records it: with a learning rate, and its prompt read as texts are."""
    return dataclasses.replace(training.for_model(model), sample_prompt=normalize_text(training.sample_prompt))
