"""What a family of models is: how its config.json and its tensors become a model of this project, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture
from llm.interop.families.weight import Weight


@dataclass(frozen=True)
class Family:
    """A family, by the name `model_type` that config.json gives it. The entry is all that others know of it."""

    label: str
    architecture: str  # the class in transformers that computes logits
    read: Callable[[Fields], dict[str, Any]]  # ModelConfig's fields from config.json; reads every field it has
    write: Callable[[ModelConfig], dict[str, Any]]  # the nearest config.json; `of_model` checks what it says
    weights: tuple[Weight, ...]  # all that a model of the family can have; parameters that a model lacks are left out
    prefix: str  # of the names of all tensors but the unembedding's, in files that begin with it or do not
    gguf: GgufArchitecture | None = None  # how llama.cpp has it, where that is known here
    buffers: str = r"(?!)"  # tensors in older files that are no weights: a pattern of their names, without the prefix

    def is_buffer(self, name: str) -> bool:
        """Whether a tensor of this name is no weight."""
        return re.fullmatch(self.buffers, name.removeprefix(self.prefix)) is not None


def config_of(family: Family, content: dict[str, Any]) -> ModelConfig:
    """The ModelConfig that a config.json means. Raises ValueError, naming what cannot be represented."""
    fields = Fields(content)
    values = family.read(fields)
    fields.finish()
    return ModelConfig(**values)
