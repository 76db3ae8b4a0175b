"""Take the residual stream apart: it is a sum, so each component's part in what the unembedding reads is known exactly.

Pre-norm: the last residual stream is token embedding + position vector + every head + every MLP + biases, and the final
norm follows. A norm whose statistics are frozen from the real run is linear, so it can be applied to each part, as
`Norm.apply_to_parts` does; its shift β becomes a part of its own.

Post-norm: every sublayer's addition is followed by such a norm, and each part passes all norms after it. Still exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import as_batch, blocks, head_outputs, hookable_copy, record
from llm.layers.norm.base import Norm
from llm.model import Transformer

Kind = Literal["token", "position", "head", "attention", "attention bias", "mlp", "norm bias"]


@dataclass(frozen=True)
class Component:
    """Something that writes into the residual stream. The final norm's bias has no layer."""

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

    With `heads`, attention is one part a head and its bias b_O, else one part a layer. An MLP's part includes b_out.
    """
    tokens = as_batch(model, tokens)
    wanted = ["embedding", "mlp_out", "mixed" if heads else "attention_out"]
    kept = record(model, tokens, wanted)
    token = hookable_copy(model).embed(tokens)[:, positions]  # [batch, pos, d_model]
    names, parts = [Component("token")], [token]
    if model.positions is not None:
        names.append(Component("position"))
        parts.append(kept["embedding"][:, positions] - token)
    for layer, block in enumerate(blocks(model)):
        if heads:
            attention = block.attention
            written = head_outputs(kept[f"blocks.{layer}.attention.mixed"][:, :, positions], attention.W_O)
            names += [Component("head", layer, head) for head in range(attention.n_heads)]
            parts += written.unbind(dim=2)  # each [batch, pos, d_model]
            if attention.b_O is not None:
                names.append(Component("attention bias", layer))
                parts.append(attention.b_O.detach().expand_as(token))
        else:
            names.append(Component("attention", layer))
            parts.append(kept[f"blocks.{layer}.attention_out"][:, positions])
        if not block.pre_norm:
            parts = _through(block.norm_attention, names, parts, layer)
        names.append(Component("mlp", layer))
        parts.append(kept[f"blocks.{layer}.mlp_out"][:, positions])
        if not block.pre_norm:
            parts = _through(block.norm_mlp, names, parts, layer)
    if final_norm and isinstance(model.final_norm, Norm):
        parts = _through(model.final_norm, names, parts, None)
    return names, torch.stack(parts)


def read_direction(
    model: Transformer, vector: Float[Tensor, "... d_model"], layer: int
) -> Float[Tensor, "... d_model"]:
    """What a vector that layer `layer`'s MLP writes looks like to the unembedding, up to each position's own 1/σ.

    Pre-norm: through the final norm (`Norm.direction`). Post-norm: the same for every norm after it.
    """
    norms: list[nn.Module] = [model.final_norm]
    if model.config.norm_position == "post":
        later = blocks(model)[layer + 1 :]
        norms = [blocks(model)[layer].norm_mlp]
        norms += [norm for block in later for norm in (block.norm_attention, block.norm_mlp)]
    for norm in norms:
        if isinstance(norm, Norm):
            vector = norm.direction(vector)
    return vector


def _through(norm: Norm, names: list[Component], parts: list[Tensor], layer: int | None) -> list[Tensor]:
    """Each part through a norm frozen at the statistics of their sum; the norm's shift joins `names` and the parts."""
    scaled = list(norm.apply_to_parts(torch.stack(parts)).unbind())
    shift = norm.shift()
    if shift is not None:
        names.append(Component("norm bias", layer))
        scaled.append(shift.detach().expand_as(scaled[0]))
    return scaled
