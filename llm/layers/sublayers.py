"""How a block's two sublayers, attention and MLP, are connected: one after the other, or beside each other.

This module imports no torch: the block's code is in `block`, everything else about a connection is in its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm.registry import Registry

AT_ONCE = (
    "Attention copies information from earlier positions; at the same time the MLP transforms what was there before: "
    "it sees what attention found only in the next block."
)


@dataclass(frozen=True)
class SublayersEntry:
    """What others need to know of a connection."""

    label: str
    help: str  # what it does, to follow its name
    why: str  # one would choose it, with the paper
    words: str  # of the block's equation
    source: str  # the paper, or empty
    parallel: bool  # the MLP reads what the block reads, not what attention has added to it
    one_norm: bool  # attention and MLP read the result of the same norm


REGISTRY: Registry[SublayersEntry] = Registry(
    "sublayers",
    {
        "sequential": SublayersEntry(
            label="one after the other",
            help="first attention, then the MLP, which also reads what attention has added",
            why="The MLP can use at once what attention has found (Vaswani et al. 2017, arXiv:1706.03762).",
            words="Attention copies information from earlier positions, the MLP transforms it.",
            source="",
            parallel=False,
            one_norm=False,
        ),
        "parallel": SublayersEntry(
            label="beside each other",
            help="both read what the block reads, each through its own norm, as in GPT-NeoX",
            why="Attention and MLP read the same, so their products can run at once: about 15% faster in large models "
            "(GPT-NeoX: Black et al. 2022, arXiv:2204.06745).",
            words=AT_ONCE,
            source="Black et al. 2022, arXiv:2204.06745",
            parallel=True,
            one_norm=False,
        ),
        "parallel_one_norm": SublayersEntry(
            label="beside each other, with one norm",
            help="both read what the block reads, through one norm, as in GPT-J",
            why="Attention and MLP read the same through one norm, so their products can run at once "
            "(GPT-J: Wang & Komatsuzaki 2021; Black et al. 2022, arXiv:2204.06745).",
            words=AT_ONCE,
            source="Wang & Komatsuzaki 2021; Black et al. 2022, arXiv:2204.06745",
            parallel=True,
            one_norm=True,
        ),
    },
)
