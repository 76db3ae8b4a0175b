"""The fields of a config.json from Hugging Face, each of which must be understood: none is silently ignored."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from llm.config import shown

# They change no number that a model of this project computes: names, versions, training settings of the source, and
# what a text begins or ends with.
HARMLESS = {
    "architectures", "model_type", "transformers_version", "dtype", "torch_dtype", "use_cache", "initializer_range",
    "_name_or_path", "bos_token_id", "eos_token_id", "pad_token_id", "return_dict", "gradient_checkpointing",
    "unk_token_id", "sep_token_id", "task_specific_params", "language",
}  # fmt: skip
# PretrainedConfig's fields that change what a model returns: only these values leave it as it is
EXPECTED: dict[str, Collection[Any]] = {
    "is_decoder": (False, True),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
    "output_attentions": (False, None),
    "output_hidden_states": (False, None),
    "tie_encoder_decoder": (False, None),
    "pruned_heads": ({}, None),
    "chunk_size_feed_forward": (0, None),
    "problem_type": (None,),
}


class Fields:
    """The content of a config.json; it counts which fields have been read."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.read = set(HARMLESS)

    def get(self, name: str, default: Any = None) -> Any:
        """The field as it is; the default where it is missing or null."""
        self.read.add(name)
        value = self.content.get(name)
        return default if value is None else value

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer of at least 1. Raises ValueError for anything else, and where it is missing without a default."""
        value = self.get(name, default)
        if type(value) is not int or value < 1:
            raise ValueError(f"its {name} must be an integer of at least 1, got {shown(value)}")
        return value

    def quotient(self, name: str, parts: str) -> int:
        """One integer divided by another, without a remainder. Raises ValueError where there is one."""
        number, count = self.integer(name), self.integer(parts)
        if number % count:
            raise ValueError(f"its {name} must be a multiple of {parts}={count}, got {number}")
        return number // count

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number. Raises as `integer`."""
        value = self.get(name, default)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"its {name} must be a finite number, got {shown(value)}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false. Raises ValueError for anything else."""
        value = self.get(name, default)
        if type(value) is not bool:
            raise ValueError(f"its {name} must be true or false, got {shown(value)}")
        return value

    def choice(self, name: str, meanings: dict[str, str], default: str) -> str:
        """The meaning of a word. Raises ValueError, naming those that are known, for another."""
        value = self.get(name, default)
        if not isinstance(value, str) or value not in meanings:
            raise ValueError(
                f"its {name}={shown(value)} cannot be represented here: known are {', '.join(sorted(meanings))}"
            )
        return meanings[value]

    def only(self, name: str, *allowed: Any) -> None:
        """Accept a field only with one of these values: with another, the model computes what no model here does."""
        self.read.add(name)
        value = self.content.get(name, allowed[0])
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise ValueError(f"its {name}={shown(value)} cannot be represented here: it would have to be {allowed[0]}")

    def dropout(self, *names: str) -> float:
        """One probability for all of these: a model here has a single one. Raises ValueError if they differ."""
        found = {name: self.number(name, 0.0) for name in names}
        if len(set(found.values())) > 1:
            given = ", ".join(f"{name}={value:g}" for name, value in found.items())
            raise ValueError(f"its {given} cannot be represented here: a model has one dropout for all of them")
        return next(iter(found.values()))

    def finish(self) -> None:
        """Raise ValueError for a field that nobody has read."""
        for name, allowed in EXPECTED.items():
            if name in self.content:
                self.only(name, *allowed)
        unknown = sorted(self.content.keys() - self.read)
        if unknown:
            named = ", ".join(f"{name}={shown(self.content[name])}" for name in unknown[:5])
            raise ValueError(f"it has fields that are not known for this family: {named}")
