"""Positions: how the order of the tokens is encoded, since the model reads them all at once.

A scheme acts in one of three ways: it adds a vector to the residual stream once, after the token embedding; it rotates
each head's queries and keys; or it adds a bias to the attention scores.

`start` is the position of the first vector: 0, or the number of cached positions when a text is continued. This module
imports no torch: each scheme's file holds its code, its entry here everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from llm.config import Implementation, ModelConfig, require
from llm.layers.position.details import Choice, relative_bytes, require_pairs, rotary_choices, rotary_equation
from llm.registry import Equation, Registry, by_implementation

ActsOn = Literal["residual stream", "queries and keys", "scores", "nothing"]


@dataclass(frozen=True)
class DistanceCurves:
    """The title and caption of a chart of `distance_curves`, for schemes whose scores depend on distance."""

    title: str
    note: str


@dataclass(frozen=True)
class PositionEntry:
    """What others need to know of a position scheme.

    What its classes are called with depends on what it acts on:

    residual stream    forward(resid [batch, pos, d_model], start) → resid with something added
    queries and keys   forward(vectors [batch, head, pos, d_head], start) → the rotated vectors
    scores             forward(query_pos, key_pos) → a bias [head, query_pos, key_pos]

    Those of the last two have a method distance_curves(n_ctx) → [curve, distance] as well.
    """

    label: str
    help: str  # what it does, as the end of a sentence
    why: str  # one would choose it, with the paper
    title: str  # of the layer, in the map of the code
    acts_on: ActsOn
    classes: Callable[[str], Any]  # by implementation, made from (config)
    equation: Callable[[ModelConfig], Equation]
    term: str  # how it shows in the equation of what it acts on: a summand, or a line for queries and keys
    validate: Callable[[ModelConfig], None]  # raises ValueError for a config that the scheme cannot work with
    parameters: Callable[[ModelConfig], int]
    saved_bytes: Callable[
        [ModelConfig, Implementation], int
    ]  # that one attention layer's backward pass keeps for all sequences
    copies: Callable[[ModelConfig], bool]  # whether fused queries come out as copies, head after head in memory
    curves: DistanceCurves | None
    choices: Callable[[ModelConfig], list[Choice]]  # of the config, where they are not the usual ones

    @property
    def acts_by_distance(self) -> bool:
        """Whether a score depends on how far its key is from its query."""
        return self.acts_on in ("queries and keys", "scores")


def _nothing(implementation: str) -> Any:
    raise ValueError(f"a model without positions has no position layer to build in implementation {implementation!r}")


REGISTRY: Registry[PositionEntry] = Registry(
    "positional",
    {
        "learned": PositionEntry(
            label="learned",
            help="adds a learned vector for each position",
            why="Nothing simpler, and all that a fixed context needs; positions beyond it were never learned "
            "(Radford et al. 2019, GPT-2).",
            title="Positions",
            acts_on="residual stream",
            classes=by_implementation(
                "llm.layers.position.learned",
                "LearnedPositionsWithEinops",
                "LearnedPositionsWithoutEinops",
                "LearnedPositionsFused",
            ),
            equation=lambda config: Equation(
                ("{return|resid}[pos] = resid[pos] + {positions|W_pos}[pos]",),
                "Add a learned vector that says: this is position 0, 1, 2, …",
                "Radford et al. 2019",
            ),
            term="W_pos",
            validate=lambda config: None,
            parameters=lambda config: config.n_ctx * config.d_model,
            saved_bytes=lambda config, implementation: 0,
            copies=lambda config: False,
            curves=None,
            choices=lambda config: [],
        ),
        "sinusoidal": PositionEntry(
            label="sinusoidal",
            help="adds sine and cosine waves of the position",
            why="No parameters, and a distance looks the same everywhere in the text (Vaswani et al. 2017).",
            title="Positions",
            acts_on="residual stream",
            classes=by_implementation(
                "llm.layers.position.sinusoidal",
                "SinusoidalPositionsWithEinops",
                "SinusoidalPositionsWithoutEinops",
                "SinusoidalPositionsFused",
            ),
            equation=lambda config: Equation(
                (
                    "{angle}[pos, i] = {position} · 10000^(−2i/d_model)",
                    "{waves} = sin {angle}, cos {angle}",
                    "{return|resid} = resid + {waves}",
                ),
                "Like the hands of many clocks, some fast and some slow: together they tell the position.",
                "Vaswani et al. 2017, arXiv:1706.03762",
            ),
            term="waves",
            validate=lambda config: require(
                config, "d_model", config.d_model % 2 == 0, "even with positional='sinusoidal' (sine, cosine)"
            ),
            parameters=lambda config: 0,
            saved_bytes=lambda config, implementation: 0,
            copies=lambda config: False,
            curves=None,
            choices=lambda config: [],
        ),
        "rope": PositionEntry(
            label="rotary (RoPE)",
            help="rotates queries and keys by angles that grow with the position",
            why="Scores depend on how far apart two tokens are, not on where they stand; most large models use it "
            "(Su et al. 2021, arXiv:2104.09864).",
            title="Rotary",
            acts_on="queries and keys",
            classes=by_implementation(
                "llm.layers.position.rope", "RotaryWithEinops", "RotaryWithoutEinops", "RotaryFused"
            ),
            equation=rotary_equation,
            term="{query}, {key} ← each rotated by the angles of its position",
            validate=require_pairs,
            parameters=lambda config: 0,
            # cosines and sines, for queries and for keys, in float32
            saved_bytes=lambda config, implementation: 4 * 4 * config.n_ctx * config.rotary_width,
            copies=lambda config: config.rotary_width < config.d_head,
            curves=DistanceCurves(
                "Rotary positions: cosine of the angle between equal vectors, a line for each rotated pair",
                "The first pairs rotate fast and can tell short distances apart; the last rotate slowly. Nothing is "
                "learned here: it is the same at every step.",
            ),
            choices=rotary_choices,
        ),
        "alibi": PositionEntry(
            label="distance penalty (ALiBi)",
            help="subtracts from each score in proportion to the distance between query and key",
            why="Prefers what is near from the first step on, and reads texts longer than those it was trained on "
            "(Press et al. 2021, arXiv:2108.12409).",
            title="ALiBi",
            acts_on="scores",
            classes=by_implementation(
                "llm.layers.position.alibi", "AlibiWithEinops", "AlibiWithoutEinops", "AlibiFused"
            ),
            equation=lambda config: Equation(
                ("{distance}[q, k] = |q − k|", "{return|bias}[h, q, k] = −slope_h · {distance}[q, k]"),
                "The further away a token is, the more its score is lowered; each head has its own patience.",
                "Press et al. 2021, arXiv:2108.12409",
            ),
            term=" − slope_h · |q − k|",
            validate=lambda config: None,
            parameters=lambda config: 0,
            saved_bytes=lambda config, implementation: 0,
            copies=lambda config: False,
            curves=DistanceCurves(
                "ALiBi: penalty on the score, a line for each head",
                "A steep line keeps a head to near tokens, unless distant scores are much higher; with a flat "
                "one it can attend to distant tokens as well. Nothing is learned here: it is the same at every step.",
            ),
            choices=lambda config: [],
        ),
        "relative": PositionEntry(
            label="learned relative bias (T5)",
            help="adds to each score a learned bias for the distance between query and key",
            why="Each head learns which distances it prefers; what is far shares a bias, so texts may be longer than "
            "those of training (Raffel et al. 2020, arXiv:1910.10683).",
            title="Relative bias",
            acts_on="scores",
            classes=by_implementation(
                "llm.layers.position.relative",
                "RelativeBiasWithEinops",
                "RelativeBiasWithoutEinops",
                "RelativeBiasFused",
            ),
            equation=lambda config: Equation(
                (
                    "{distance}[q, k] = q − k",
                    "{return|bias}[h, q, k] = W_rel[h, bucket({distance}[q, k])]",
                    f"bucket(d) = d below {config.relative_buckets // (2 if config.causal else 4)};  beyond, ranges "
                    f"that grow with d, the last from {config.relative_max_distance} on"
                    + (";  −d has as many of its own" if not config.causal else ""),
                ),
                "Look up how much this head likes a key at this distance. Each near distance has its own learned bias; "
                "far ones share one. This layer has its own table; in T5 all layers share one.",
                "Raffel et al. 2020, arXiv:1910.10683",
            ),
            term=" + bias[h, q − k]",
            validate=lambda config: None,
            parameters=lambda config: config.n_layers * config.n_heads * config.relative_buckets,
            saved_bytes=relative_bytes,
            copies=lambda config: False,
            curves=DistanceCurves(
                "Relative bias: what is added to the score, a line for each head, layer after layer",
                "A head with a line that falls prefers near tokens. These biases are learned: they start at 0, and "
                "each layer has its own.",
            ),
            choices=lambda config: [],
        ),
        "none": PositionEntry(
            label="none",
            help="tells the model nothing of the order of its tokens",
            why="A control: because each token sees only those before it, some order can still be told "
            "(Haviv et al. 2022, arXiv:2203.16634).",
            title="",
            acts_on="nothing",
            classes=_nothing,
            equation=lambda config: Equation((), "", ""),
            term="",
            validate=lambda config: None,
            parameters=lambda config: 0,
            saved_bytes=lambda config, implementation: 0,
            copies=lambda config: False,
            curves=None,
            choices=lambda config: [],
        ),
    },
)
