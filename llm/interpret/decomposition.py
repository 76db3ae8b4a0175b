"""Decompose the residual stream: it is a sum, so each component's contribution to the unembedding's input is exact.

Pre-norm: the last residual stream is token embedding + position vector + every head + every MLP + biases, and the final
norm follows. A norm with its statistics frozen at those of the actual forward pass is linear, so it can be applied to
each part (`Norm.apply_to_parts`); its shift β becomes a separate part.

Post-norm: such a norm follows every sublayer's addition, and each part goes through all later norms. Still exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import as_batch, blocks, head_outputs, hookable_copy, record
from llm.layers.norm.base import Norm
from llm.model import Transformer

Kind = Literal["token", "position", "head", "attention", "attention bias", "mlp", "norm bias"]


@dataclass(frozen=True)
class Component:
    """A part of the model that writes into the residual stream. The final norm's bias has no layer."""

    kind: Kind
    layer: int | None = None
    head: int | None = None


@torch.no_grad()
def decompose(
    model: Transformer,
    tokens: Int[Tensor, "batch pos"],
    positions: slice = slice(None),
    heads: bool = True,
    final_norm: bool = True,
) -> tuple[list[Component], Float[Tensor, "component batch pos d_model"]]:
    """The parts whose sum is what the unembedding reads (or, without `final_norm`, the last residual stream).

    With `heads`, attention is one part per head plus the bias b_O, else one per layer. An MLP's part includes b_out.
    """
    tokens = as_batch(model, tokens)
    activations = record(model, tokens, ["embedding", "mlp_out", "mixed" if heads else "attention_out"])
    token = hookable_copy(model).embed(tokens)[:, positions]  # [batch, pos, d_model]
    components, parts = [Component("token")], [token]
    if model.positions is not None:
        components.append(Component("position"))
        parts.append(activations["embedding"][:, positions] - token)
    for layer, block in enumerate(blocks(model)):
        if heads:
            attention = block.attention
            written = head_outputs(activations[f"blocks.{layer}.attention.mixed"][:, :, positions], attention.W_O)
            components += [Component("head", layer, head) for head in range(attention.n_heads)]
            parts += written.unbind(dim=2)  # each [batch, pos, d_model]
            if attention.b_O is not None:
                components.append(Component("attention bias", layer))
                parts.append(attention.b_O.detach().expand_as(token))
        else:
            components.append(Component("attention", layer))
            parts.append(activations[f"blocks.{layer}.attention_out"][:, positions])
        if not block.pre_norm:
            parts = _through_norm(block.norm_attention, components, parts, layer)
        components.append(Component("mlp", layer))
        parts.append(activations[f"blocks.{layer}.mlp_out"][:, positions])
        if not block.pre_norm:
            parts = _through_norm(block.norm_mlp, components, parts, layer)
    if final_norm and model.config.norm_position == "pre":
        parts = _through_norm(cast(Norm, model.final_norm), components, parts, None)
    return components, torch.stack(parts)


def read_direction(
    model: Transformer, vector: Float[Tensor, "... d_model"], layer: int
) -> Float[Tensor, "... d_model"]:
    """A vector written by layer `layer`'s MLP as the unembedding reads it, up to each position's factor 1/σ.

    Pre-norm: passed through the final norm (`Norm.direction`); post-norm: through every later norm.
    """
    norms: list[nn.Module] = [model.final_norm]
    if model.config.norm_position == "post":  # then there is no final norm
        later = blocks(model)[layer + 1 :]
        norms = [blocks(model)[layer].norm_mlp]
        norms += [norm for block in later for norm in (block.norm_attention, block.norm_mlp)]
    for norm in norms:
        vector = cast(Norm, norm).direction(vector)
    return vector


def _through_norm(norm: Norm, components: list[Component], parts: list[Tensor], layer: int | None) -> list[Tensor]:
    """Apply a norm to each part, frozen at the statistics of their sum; its shift is added as a component."""
    scaled = list(norm.apply_to_parts(torch.stack(parts)).unbind())
    shift = norm.shift()
    if shift is not None:
        components.append(Component("norm bias", layer))
        scaled.append(shift.detach().expand_as(scaled[0]))
    return scaled
