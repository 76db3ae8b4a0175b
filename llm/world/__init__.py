"""The story world: a seeded generator of short original stories, with a checker and probes for them.

    llm.world.generate(seed, size)      the text
    llm.world.check(text)               which sentences of a text the world could have produced
    llm.world.probes(skill, seed)       minimal pairs for each of llm.world.SKILLS

The names are imported when first used: the command line shows the defaults without any plot.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm.world.asking import SKILLS, probes
    from llm.world.checker import check
    from llm.world.stories import generate

_MODULES = {
    "SKILLS": "llm.world.asking",
    "check": "llm.world.checker",
    "generate": "llm.world.stories",
    "probes": "llm.world.asking",
}

DEFAULT_SEED = 1
DEFAULT_SIZE = 1_200_000  # bytes, of training.txt
STRANGERS_SIZE = 6_000_000  # of strangers.txt: more, since what is read often is known by heart and not looked up

__all__ = ["DEFAULT_SEED", "DEFAULT_SIZE", "SKILLS", "STRANGERS_SIZE", "check", "generate", "probes"]


def __getattr__(name: str) -> Any:
    """One of the names above."""
    if name not in _MODULES:
        raise AttributeError(f"module 'llm.world' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
