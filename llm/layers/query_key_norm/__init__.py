"""Normalised queries and keys: which of a position's numbers are normalised together, each head's or those of all.

This module imports no torch: the code is in `llm.layers.norm.rmsnorm` and `all_heads`, everything else in the entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.layers.norm import REGISTRY as NORMS
from llm.registry import Equation, Registry, by_implementation

RMSNORM = NORMS["rmsnorm"]


@dataclass(frozen=True)
class QueryKeyNormEntry:
    """What others need to know of a way to normalise queries and keys."""

    label: str
    help: str  # what it does, to follow its name
    why: str  # one would choose it, with the paper
    words: str  # in the equation of attention
    source: str  # the paper
    title: str  # of the layer, in the map of the code
    classes: Callable[[str], Any]  # by implementation, made from (config, d_head) or (config, heads)
    all_heads: bool  # one norm of the vector of all heads, instead of each head's own vector
    equation: Callable[[ModelConfig], Equation]

    def parameters(self, config: ModelConfig) -> int:
        """Learned numbers of a layer: those of its queries' norm and of its keys'."""
        widths = self.widths(config)
        return sum(RMSNORM.parameters(config, width) for width in widths)

    def widths(self, config: ModelConfig) -> tuple[int, int]:
        """The number of learned factors of the queries' norm, and of the keys'."""
        return (config.query_width, config.key_value_width) if self.all_heads else (config.d_head, config.d_head)

    def vectors(self, config: ModelConfig) -> list[int]:
        """The widths of all that is normalised by itself at one position."""
        if self.all_heads:
            return [config.query_width, config.key_value_width]
        return [config.d_head] * (config.n_heads + config.n_kv_heads)


REGISTRY: Registry[QueryKeyNormEntry] = Registry(
    "qk_norm_over",
    {
        "per_head": QueryKeyNormEntry(
            label="each head by itself",
            help="each head's by themselves",
            why="Keeps scores from growing without bound (Henry et al. 2020, arXiv:2010.04245; Qwen3: Yang et al. "
            "2025, arXiv:2505.09388).",
            words="Queries and keys are normalised to the same length first, so that only their direction counts.",
            source="Henry et al. 2020, arXiv:2010.04245",
            title=RMSNORM.label,
            classes=RMSNORM.classes,
            all_heads=False,
            equation=RMSNORM.equation,
        ),
        "all_heads": QueryKeyNormEntry(
            label="all heads together",
            help="those of all heads together, as in OLMo 2",
            why="Keeps scores from growing without bound, and lets heads differ in the size of their queries (OLMo 2: "
            "OLMo et al. 2024, arXiv:2501.00656).",
            words="A position's queries, of all heads together, are normalised to one length first, and so are its "
            "keys: scores cannot grow without bound, but some heads may have larger ones than others.",
            source="OLMo et al. 2024, arXiv:2501.00656",
            title="RMSNorm of all heads",
            classes=by_implementation(
                "llm.layers.query_key_norm.all_heads",
                "HeadsRMSNormWithEinops",
                "HeadsRMSNormWithoutEinops",
                "HeadsRMSNormFused",
            ),
            all_heads=True,
            equation=lambda config: Equation(
                (
                    "{mean_square}[pos] = mean over all heads h and their numbers of x[h, pos]²",
                    "{return|y}[h, pos] = x[h, pos] / √({mean_square}[pos] + ε) · γ[h]",
                ),
                "Bring a position's queries, or keys, of all heads together to the same scale.",
                "Zhang & Sennrich 2019, arXiv:1910.07467; OLMo et al. 2024, arXiv:2501.00656",
            ),
        ),
    },
)
