"""Settings with which a copying circuit forms: filled into the form of a new run, and compared with those of a run."""

from __future__ import annotations

from typing import Any

from components.shared import folders, form_values
from llm.checkpoints import RunConfig
from llm.config import ModelConfig

TEXT = folders.STRANGERS_TEXT
ARCHITECTURE, SIZE = "gpt", "small"
# measured in docs/circuit.md: two of three layers see only the last two tokens, so their heads learn early to look one
# back, and a head of the third finds what they left
MODEL: dict[str, Any] = {"qk_norm": True, "mask": "sliding", "window": 2, "full_every": 3}
TRAINING = {"steps": 1500}
IN_WORDS = (
    f"{TEXT.name}, {ARCHITECTURE} {SIZE}, qk_norm on, attention to the last {MODEL['window']} tokens only (mask "
    f"{MODEL['mask']}, window {MODEL['window']}) except in every third layer (full_every {MODEL['full_every']}), "
    f"{TRAINING['steps']:,} steps"
)


def fill_in() -> None:
    """Choose these settings in the form of a new run, from its next rerun."""
    form_values.fill_in(ARCHITECTURE, SIZE, MODEL, TRAINING, TEXT)


def differences(config: RunConfig) -> list[str]:
    """What a run lacks of these settings, in words."""
    model: ModelConfig = config.model
    name = config.about(str, "text", "name")
    lacks = [] if name == TEXT.name else [f"it read {name or 'another text'}, not {TEXT.name}"]
    lacks += [
        f"{field} was {_in_words(getattr(model, field))}, not {_in_words(value)}"
        for field, value in MODEL.items()
        if getattr(model, field) != value
    ]
    steps = config.training.steps
    return lacks + ([f"it was to take {steps:,} steps, not {TRAINING['steps']:,}"] if steps < TRAINING["steps"] else [])


def _in_words(value: bool | int | str) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
