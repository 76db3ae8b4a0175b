"""Where a block's norms stand: on what a sublayer reads, on what it writes, or on the sum.

This module imports no torch: the block's code is in `block`, everything else about a place is in its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm.registry import Registry


@dataclass(frozen=True)
class NormPositionEntry:
    """What others need to know of a place of the norms."""

    label: str
    help: str  # what it does, to follow its name
    why: str  # one would choose it, with the paper
    words: str  # of the block's equation
    source: str  # the paper
    reads: bool  # a sublayer reads the normalised residual stream
    writes: bool  # what a sublayer writes is normalised before it is added
    stream: bool  # the residual stream itself is normalised after an addition; then the model has no final norm

    def added(self, sublayer: str, shared: bool) -> str:
        """What a sublayer adds, as an equation writes it; `shared`: it reads the `read` of another."""
        read = ("read" if shared else "norm(resid)") if self.reads else "resid"
        return f"norm({sublayer}({read}))" if self.writes else f"{sublayer}({read})"


REGISTRY: Registry[NormPositionEntry] = Registry(
    "norm_position",
    {
        "pre": NormPositionEntry(
            label="before a sublayer",
            help="what a sublayer reads",
            why="Before a sublayer it leaves the residual stream itself alone (Xiong et al. 2020, arXiv:2002.04745).",
            words="Both only add: the residual stream itself passes through unchanged.",
            source="Xiong et al. 2020, arXiv:2002.04745",
            reads=True,
            writes=False,
            stream=False,
        ),
        "post": NormPositionEntry(
            label="after the addition",
            help="the residual stream after an addition",
            why="After an addition, as in the first transformer: harder to train (Xiong et al. 2020, "
            "arXiv:2002.04745).",
            words="After an addition the whole residual stream is brought back to a steady scale.",
            source="Vaswani et al. 2017, arXiv:1706.03762",
            reads=False,
            writes=False,
            stream=True,
        ),
        "post_sublayer": NormPositionEntry(
            label="after a sublayer",
            help="what a sublayer writes, before it is added",
            why="On what a sublayer writes, so that no sublayer adds too much, and the residual stream itself stays as "
            "it is: steadier training, with normalised queries and keys (OLMo 2: OLMo et al. 2024, arXiv:2501.00656).",
            words="What each writes is brought to a steady scale before it is added; what they read is not.",
            source="OLMo et al. 2024, arXiv:2501.00656",
            reads=False,
            writes=True,
            stream=False,
        ),
        "sandwich": NormPositionEntry(
            label="before and after a sublayer",
            help="both what a sublayer reads and what it writes",
            why="On what a sublayer reads and on what it writes, to keep training steady (Gemma 2: Gemma Team 2024, "
            "arXiv:2408.00118; Ding et al. 2021, arXiv:2105.13290).",
            words="What each reads is brought to a steady scale, and again what it writes, before it is added.",
            source="Gemma Team 2024, arXiv:2408.00118",
            reads=True,
            writes=True,
            stream=False,
        ),
    },
)
