"""Where a tensor of another project belongs, and how its axes lie there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weight:
    """One tensor of another project, and the parameters here that hold the same numbers.

    `axes` is an einops pattern from their axes to ours; read backwards it is the way out. Several parameters lie
    behind each other along our first axis, `part`. `{layer}` in a name counts the blocks.
    """

    theirs: str
    ours: tuple[str, ...]
    axes: str
    plus: float = 0.0  # what is added to their numbers: Gemma's norms multiply by 1 + γ

    @property
    def per_layer(self) -> bool:
        """Whether each block has one."""
        return "{layer}" in self.theirs

    def of_layer(self, layer: int) -> Weight:
        """The same of one block."""
        number = str(layer)
        ours = tuple(name.replace("{layer}", number) for name in self.ours)
        return Weight(self.theirs.replace("{layer}", number), ours, self.axes, self.plus)


def weight(theirs: str, ours: str, axes: str, plus: float = 0.0) -> Weight:
    """A tensor for a parameter, or for several that are separated by spaces. One pattern: the same axes on both sides.

    In `ours`, `~` stands for `blocks.{layer}.`.
    """
    return Weight(
        theirs, tuple(ours.replace("~", "blocks.{layer}.").split()), axes if "->" in axes else f"{axes} -> {axes}", plus
    )
