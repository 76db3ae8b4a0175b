"""The residual stream: how long each position's vector is after every layer, and who wrote it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.decomposition import Component, decompose
from llm.interpret.recording import record
from llm.model import Transformer


@dataclass(frozen=True)
class ResidualStream:
    """Rows of `size` are the embedding and then each layer; components are those that write into the last stream."""

    size: Float[Tensor, "row batch pos"]
    components: list[Component]
    written: Float[Tensor, "component batch pos"]
    share: Float[Tensor, "component batch pos"]


@torch.no_grad()
def residual_stream(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> ResidualStream:
    """Size by layer and position, and each component's part in the last residual stream r.

    size = |resid|, the L2 norm;  written = |c| of a component's output c;  share = c · r / |r|²

    Shares sum to 1 at every position; one is negative where a component writes against the sum. In a post-norm model c
    is what later norms, at the real run's statistics, leave of the output.
    """
    kept = record(model, tokens, ["embedding", "resid_post"])
    sizes = torch.stack([resid.norm(dim=-1) for resid in kept.values()])  # [row, batch, pos]
    components, parts = decompose(model, tokens, heads=False, final_norm=False)
    stream = parts.sum(dim=0)  # [batch, pos, d_model]
    share = (parts * stream).sum(dim=-1) / stream.square().sum(dim=-1)  # [component, batch, pos]
    return ResidualStream(sizes, components, parts.norm(dim=-1), share)
