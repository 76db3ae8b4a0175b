"""What a branch of a run can change, and what that does to the learning rate. This module imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from llm.config import ModelConfig, TrainingConfig, describe
from llm.training.recorded import as_recorded
from llm.training.schedule import learning_rate_multiplier

FIXED = {  # settings of training that a branch cannot change, and why
    "batch_size": "it decides which windows of the text a step reads",
    "accumulation": "it decides which windows of the text a step reads",
    "separate_documents": "it decides the tokens of the text",
    "optimizer": "the state of one optimizer is of no use to another",
    "eval_windows": "the losses before and after would be of different passages",
    "device": "the random state is one of this kind of device",
    "seed": "it has decided the first weights, and decides which windows come next",
}
CHANGEABLE = (*(name for name in describe(TrainingConfig) if name not in FIXED), "dropout")


def changed_settings(
    model: ModelConfig, before: TrainingConfig, step: int, changes: Mapping[str, Any]
) -> tuple[ModelConfig, TrainingConfig]:
    """The configs of a branch at this step of a run with these.

    Raises ValueError for a setting that cannot be changed, a value that cannot work, and where no step is left.
    """
    for name in changes:
        if name in CHANGEABLE:
            continue
        if name in describe(ModelConfig):
            reason = "it is part of the model, which goes on"
        else:
            reason = FIXED.get(name, "it is not a setting of training")
        raise ValueError(f"{name} cannot be changed in a branch: {reason}. These can: {', '.join(CHANGEABLE)}")
    training = dataclasses.replace(before, **{name: value for name, value in changes.items() if name != "dropout"})
    model = dataclasses.replace(model, dropout=changes.get("dropout", model.dropout))
    training = as_recorded(training, model)
    if training.precision != before.precision and "float16" in (training.precision, before.precision):
        raise ValueError("precision cannot be changed from or to float16 in a branch: float16 has a state of its own")
    if training.steps <= step:
        raise ValueError(f"steps must be above {step}, the step from which the branch goes on, got {training.steps}")
    return model, training


def schedule_in_words(before: TrainingConfig, after: TrainingConfig, step: int) -> str:
    """What a branch at this step changes in the course of the learning rate; empty: nothing at this step."""
    old = learning_rate_multiplier(min(step + 1, before.steps), before)
    new = learning_rate_multiplier(step + 1, after)
    if abs(new - old) < 0.005:
        return ""
    rises = " Training loss may rise before it falls further." if new > 1.5 * old else ""
    return (
        f"The schedule is that of a run of {after.steps:,} steps from now on: in step {step + 1:,} the learning rate "
        f"is {new:.0%} of its peak, where this run's schedule has {old:.0%}.{rises}"
    )
