"""What a family of models is: how its config.json and its tensors become a model of this project, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.interop.families.fields import Fields


@dataclass(frozen=True)
class Weight:
    """One tensor of another project, and the parameters here that hold the same numbers.

    `axes` is an einops pattern from their axes to ours; read backwards it is the way out. Several parameters lie
    behind each other along our first axis, `part`. `{layer}` in a name counts the blocks.
    """

    theirs: str
    ours: tuple[str, ...]
    axes: str

    def of_layer(self, layer: int) -> Weight:
        """The same of one block."""
        number = str(layer)
        ours = tuple(name.replace("{layer}", number) for name in self.ours)
        return Weight(self.theirs.replace("{layer}", number), ours, self.axes)


def weight(theirs: str, ours: str, axes: str) -> Weight:
    """A tensor for a parameter, or for several that are separated by spaces. One pattern: the same axes on both sides.

    In `ours`, `~` stands for `blocks.{layer}.`.
    """
    return Weight(
        theirs, tuple(ours.replace("~", "blocks.{layer}.").split()), axes if "->" in axes else f"{axes} -> {axes}"
    )


@dataclass(frozen=True)
class Family:
    """A family, by the name `model_type` that config.json gives it. The entry is all that others know of it."""

    label: str
    architecture: str  # the class in transformers that computes logits
    source: str  # the paper, or where the weights came from first
    read: Callable[[Fields], dict[str, Any]]  # ModelConfig's fields from config.json; reads every field it has
    write: Callable[[ModelConfig], dict[str, Any]]  # the nearest config.json; `of_model` checks what it says
    weights: tuple[Weight, ...]  # all that a model of the family can have; parameters that a model lacks are left out
    prefix: str  # of the names of all tensors but the unembedding's, in files that begin with it or do not
    buffers: str = r"(?!)"  # tensors in older files that are no weights: a pattern of their names, without the prefix

    def all_weights(self, n_layers: int) -> list[Weight]:
        """The tensors of a model with so many blocks."""
        found = [entry for entry in self.weights if "{layer}" not in entry.theirs]
        per_layer = [entry for entry in self.weights if "{layer}" in entry.theirs]
        return found + [entry.of_layer(layer) for layer in range(n_layers) for entry in per_layer]

    def is_buffer(self, name: str) -> bool:
        """Whether a tensor of this name is no weight."""
        return re.fullmatch(self.buffers, name.removeprefix(self.prefix)) is not None


def config_of(family: Family, content: dict[str, Any]) -> ModelConfig:
    """The ModelConfig that a config.json means. Raises ValueError, naming what cannot be represented."""
    fields = Fields(content)
    values = family.read(fields)
    fields.finish()
    return ModelConfig(**values)
