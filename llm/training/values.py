"""Values of a setting as a person types them: "0, 1, 2" for seed, "gpt, llama" for architecture."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig, TrainingConfig, describe
from llm.training.settings import require_setting

SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def read_values(name: str, text: str) -> list[Any]:
    """The values between commas, of the setting's type; whether they can work is for the configs to say.

    Raises ValueError: there is no such setting, no value, or one of another type.
    """
    require_setting(name)
    words = [word.strip() for word in text.split(",")]
    if "" in words:
        raise ValueError(f"{name} has no values to try: give some with commas between them, as in 0, 1, 2")
    return [_value(name, word) for word in words]


def _value(name: str, word: str) -> Any:
    field = (describe(ModelConfig) | describe(TrainingConfig)).get(name)
    if field is None or field.kind is str:
        return word
    if field.optional and word.lower() == "none":
        return None
    if field.kind is bool:
        if word.lower() not in SWITCHES:
            raise ValueError(f"{name} must be true or false, got {word!r:.80}")
        return SWITCHES[word.lower()]
    try:
        return field.kind(word)
    except ValueError:
        kind = "an integer" if field.kind is int else "a number"
        raise ValueError(f"{name} must be {kind}, got {word!r:.80}") from None
