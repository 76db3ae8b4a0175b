"""The residual stream: the norm of each position's vector after every layer, and which components wrote it."""

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
    """Rows of `norm` are the embedding and then each layer; components are those that write into the last stream."""

    norm: Float[Tensor, "row batch pos"]
    components: list[Component]
    component_norm: Float[Tensor, "component batch pos"]
    fraction: Float[Tensor, "component batch pos"]


@torch.no_grad()
def residual_stream(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> ResidualStream:
    """Norm by layer and position, and each component's contribution to the last residual stream r.

    norm = |resid|, the L2 norm;  component_norm = |c| of a component's output c;  fraction = c · r / |r|²

    Fractions sum to 1 at every position; a fraction is negative where a component opposes the sum. In a post-norm
    model c is the output after all later norms, with the statistics of the actual forward pass.

    Raises:
        ValueError: invalid tokens (see `as_batch`).
    """
    activations = record(model, tokens, ["embedding", "resid_post"])
    norms = torch.stack([resid.norm(dim=-1) for resid in activations.values()])  # [row, batch, pos]
    components, parts = decompose(model, tokens, heads=False, final_norm=False)
    stream = parts.sum(dim=0)  # [batch, pos, d_model]
    fraction = (parts * stream).sum(dim=-1) / stream.square().sum(dim=-1)  # [component, batch, pos]
    return ResidualStream(norms, components, parts.norm(dim=-1), fraction)
