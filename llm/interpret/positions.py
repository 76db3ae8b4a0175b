"""Positions: how similar the position vectors are, or how a score depends on distance alone."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.interpret.recording import blocks
from llm.layers.position import REGISTRY as POSITIONS
from llm.model import Transformer


@torch.no_grad()
def position_cosines(model: Transformer) -> Float[Tensor, "pos pos"]:
    """Cosine similarity of every two position vectors, for schemes that add one to the residual stream.

    Raises:
        ValueError: this model adds no position vectors.
    """
    config = model.config
    if model.positions is None:
        allowed = _schemes_acting_on("residual stream")
        raise ValueError(f"positional must be one of {allowed} to have position vectors, got {config.positional!r}")
    zeros = model.embed.W_E.new_zeros(1, config.n_ctx, config.d_model)
    vectors = model.positions(zeros)[0]  # [pos, d_model]
    unit = nn.functional.normalize(vectors, dim=-1)  # [pos, d_model]
    return unit @ unit.T


@torch.no_grad()
def distance_curves(model: Transformer) -> Float[Tensor, "curve distance"]:
    """How a score depends on the distance d = q − k alone, for d = 0 … n_ctx − 1.

    rope      one curve per rotated pair i: cos(d · frequency), frequency = θ^(−2i/d_rotary) unless it is scaled: the
              dot product of two equal unit vectors in that pair
    alibi     one curve per head: −slope · d, the term added to the score
    relative  one curve per head and layer, layer after layer: the learned bias, the term added to the score

    Raises:
        ValueError: in this model's position scheme, scores do not depend on distance.
    """
    attentions = [block.attention for block in blocks(model)]
    schemes: list[Any] = [
        attention.score_bias if attention.rotation is None else attention.rotation for attention in attentions
    ]
    if schemes[0] is None:
        allowed = _schemes_acting_on("queries and keys", "scores")
        raise ValueError(
            f"positional must be one of {allowed} for scores to depend on distance, got {model.config.positional!r}"
        )
    learned = POSITIONS[model.config.positional].parameters(model.config) > 0
    each = [scheme.distance_curves(model.config.n_ctx) for scheme in (schemes if learned else schemes[:1])]
    return torch.cat(each)


def _schemes_acting_on(*acts_on: str) -> str:
    return ", ".join(name for name, entry in POSITIONS.items() if entry.acts_on in acts_on)
