"""Decompose the residual stream: it is a sum, so each component's contribution to the unembedding's input is exact.

Pre-norm: the last residual stream is token embedding + position vector + every head + every MLP + biases, and the final
norm follows. A norm with its statistics frozen at those of the actual forward pass is linear, so it can be applied to
each part (`Norm.apply_to_parts`); its shift β becomes a separate part.

Post-norm: such a norm follows every sublayer's addition, and each part goes through all later norms. Still exact.

With a norm of what a sublayer writes, each head's part, and b_O, go through that norm as well, whose statistics are
those of the whole output of attention. A part is what is added to the stream in every case.
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

    With `heads`, attention is one part per head plus the bias b_O, else one per layer. An MLP's part includes b_out and
    what a norm of its output adds.
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
            mixed = activations[f"blocks.{layer}.attention.mixed"][:, :, positions]
            written = list(head_outputs(mixed, attention.W_O).unbind(dim=2))  # each [batch, pos, d_model]
            components += [Component("head", layer, head) for head in range(attention.n_heads)]
            if attention.b_O is not None:
                components.append(Component("attention bias", layer))
                written.append(attention.b_O.detach().expand_as(token))
            if block.norm_writes:
                written = _through_norm(cast(Norm, block.norm_attention_out), components, written, layer)
            parts += written
        else:
            components.append(Component("attention", layer))
            parts.append(activations[f"blocks.{layer}.attention_out"][:, positions])
        if block.norm_mid:
            parts = _through_norm(cast(Norm, block.norm_attention), components, parts, layer)
        components.append(Component("mlp", layer))
        parts.append(activations[f"blocks.{layer}.mlp_out"][:, positions])
        if block.norm_end:
            parts = _through_norm(cast(Norm, block.norm_mlp), components, parts, layer)
    if final_norm and not isinstance(model.final_norm, nn.Identity):
        parts = _through_norm(cast(Norm, model.final_norm), components, parts, None)
    return components, torch.stack(parts)


def read_direction(
    model: Transformer, vector: Float[Tensor, "... d_model"], layer: int
) -> Float[Tensor, "... d_model"]:
    """A vector written by layer `layer`'s MLP as the unembedding reads it, up to each position's factor 1/σ.

    It passes through the norm of what the MLP writes, if there is one, and then through the final norm or, post-norm,
    through every later norm of the stream (`Norm.direction`).
    """
    block = blocks(model)[layer]
    own = [block.norm_mlp_out] if block.norm_writes else []
    end = [block.norm_mlp] if block.norm_end else []
    return through_norms([*own, *end, *norms_on_the_way(model, layer + 1, None)], vector)


def norms_on_the_way(model: Transformer, first: int, reader: int | None) -> list[nn.Module]:
    """The norms through which the stream before layer `first` reaches the attention of `reader` (None: W_U)."""
    norms: list[nn.Module] = []
    for block in blocks(model)[first:reader]:
        norms += [block.norm_attention] if block.norm_mid else []
        norms += [block.norm_mlp] if block.norm_end else []
    if reader is None:
        return norms if isinstance(model.final_norm, nn.Identity) else [*norms, model.final_norm]
    block = blocks(model)[reader]
    return [*norms, block.norm_attention] if block.norm_reads else norms


def through_norms(norms: list[nn.Module], vector: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
    """A vector through each of these norms (`Norm.direction`), so up to their factors 1/σ."""
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
