"""Rotary positions for a longer context: which pairs rotate more slowly, and by how much.

A model trained on short texts has never seen the angles of later positions. Slower rotations bring them back into the
range that it knows. This module imports no torch: the functions are in `frequencies`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig, require
from llm.registry import Registry, deferred

FREQUENCIES = "llm.layers.position.frequencies"


@dataclass(frozen=True)
class ScalingEntry:
    """What others need to know of a way to scale rotary positions."""

    label: str
    help: str  # what it does, as the end of a sentence
    why: str  # one would choose it, with the paper; empty for none
    source: str  # the paper, or empty
    lines: tuple[str, ...]  # of the equation of rotary positions, after that of `frequency`
    frequencies: Callable[[], Any] | None  # the function from (frequency [half], config) to scaled ones; None: unscaled
    multiplier: Callable[[], Any] | None  # the function from (config) to a factor of queries and keys; None: without
    validate: Callable[[ModelConfig], None]  # raises ValueError for a config that it cannot work with


def _counts_rotations(usual: float) -> Callable[[ModelConfig], None]:
    """Fewer rotations must be slowed than kept, also where rope_high_rotations is the usual one."""

    def validate(config: ModelConfig) -> None:
        low, high = config.rope_low_rotations, config.rope_high_rotations
        require(config, "rope_low_rotations", high is not None or low < usual,
                f"below {usual:g} unless rope_high_rotations is given")  # fmt: skip

    return validate


REGISTRY: Registry[ScalingEntry] = Registry(
    "rope_scaling",
    {
        "none": ScalingEntry(
            label="none",
            help="as in the paper",
            why="",
            source="",
            lines=(),
            frequencies=None,
            multiplier=None,
            validate=lambda config: None,
        ),
        "linear": ScalingEntry(
            label="linear",
            help="all pairs alike, as if positions were closer together",
            why="A longer context after a little more training, but neighbours become harder to tell apart "
            "(Chen et al. 2023, arXiv:2306.15595).",
            source="Chen et al. 2023, arXiv:2306.15595",
            lines=("{frequency} ← {frequency} / rope_factor",),
            frequencies=deferred(FREQUENCIES, "linear_frequencies"),
            multiplier=None,
            validate=lambda config: None,
        ),
        "llama3": ScalingEntry(
            label="Llama 3",
            help="only pairs that rotate little within the original context",
            why="Near tokens look as they did in training, only far ones come closer (Llama 3.1: Dubey et al. 2024, "
            "arXiv:2407.21783).",
            source="Dubey et al. 2024, arXiv:2407.21783",
            lines=(
                "kept = (rotations − low) / (high − low), between 0 and 1,  rotations = n_original · {frequency} / 2π",
                "{frequency} ← kept · {frequency} + (1 − kept) · {frequency} / rope_factor",
            ),
            frequencies=deferred(FREQUENCIES, "llama3_frequencies"),
            multiplier=None,
            validate=_counts_rotations(4.0),
        ),
        "yarn": ScalingEntry(
            label="YaRN",
            help="as llama3, with an even transition from pair to pair, and sharper attention",
            why="Needs the least further training for a longer context (Peng et al. 2023, arXiv:2309.00071).",
            source="Peng et al. 2023, arXiv:2309.00071",
            lines=(
                "kept = 1 for pairs with over high rotations in the original context, 0 under low, even in between",
                "{frequency} ← kept · {frequency} + (1 − kept) · {frequency} / rope_factor",
            ),
            frequencies=deferred(FREQUENCIES, "yarn_frequencies"),
            multiplier=deferred(FREQUENCIES, "yarn_multiplier"),
            validate=_counts_rotations(32.0),
        ),
    },
)
