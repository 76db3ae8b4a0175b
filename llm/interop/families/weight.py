"""Where a tensor of another project belongs, and how its axes lie there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from llm.config import ModelConfig


@dataclass(frozen=True)
class Weight:
    """One tensor of another project, and the parameters here that hold the same numbers.

    `axes` is an einops pattern from their axes to ours; read backwards it is the way out. Several parameters lie
    behind each other along our first axis, `part`. `{layer}` in a name counts the blocks, and `{expert}` the experts:
    theirs has one expert's matrix, ours the stack of all experts of a block.
    """

    theirs: str
    ours: tuple[str, ...]
    axes: str
    plus: float = 0.0  # what is added to their numbers: Gemma's norms multiply by 1 + γ
    expert: int | None = None  # whose matrix it is, the index along the first axis of ours

    def each(self, config: ModelConfig) -> Iterator[Weight]:
        """The same of each block and of each expert, or itself where there is one only."""
        for layer in range(config.n_layers if "{layer}" in self.theirs else 1):
            theirs = self.theirs.replace("{layer}", str(layer))
            ours = tuple(name.replace("{layer}", str(layer)) for name in self.ours)
            if "{expert}" not in theirs:
                yield dataclasses.replace(self, theirs=theirs, ours=ours)
            else:
                for expert in range(config.n_experts):
                    name = theirs.replace("{expert}", str(expert))
                    yield dataclasses.replace(self, theirs=name, ours=ours, expert=expert)


def weights_of_all(weights: tuple[Weight, ...], config: ModelConfig) -> list[Weight]:
    """The tensors of a model with so many blocks and experts; also those whose parameters such a model lacks."""
    return [found for entry in weights for found in entry.each(config)]


def weight(theirs: str, ours: str, axes: str, plus: float = 0.0) -> Weight:
    """A tensor for a parameter, or for several that are separated by spaces. One pattern: the same axes on both sides.

    In `ours`, `~` stands for `blocks.{layer}.`.
    """
    return Weight(
        theirs, tuple(ours.replace("~", "blocks.{layer}.").split()), axes if "->" in axes else f"{axes} -> {axes}", plus
    )
