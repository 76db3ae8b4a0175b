"""Composition: how strongly what an earlier head writes can enter what a later head reads (Elhage et al. 2021).

    composition = ‖W_OV · W‖_F / (‖W_OV‖_F · ‖W‖_F),    ‖·‖_F the square root of the sum of squares

W_OV = W_Vᵀ W_O of the earlier head is what it writes into the residual stream for what it reads. W is the later head's

    Q-composition   W_QK  = W_Qᵀ W_K    the earlier head's output changes what the later head looks for
    K-composition   W_QKᵀ = W_Kᵀ W_Q    it changes where the later head finds it
    V-composition   W_OV                it is moved on to other positions

Only the weights count: norms, biases and positions (rotary angles, penalties) are outside of the product, and the text
plays no part. So it says what two heads could do together, not what they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from llm.interpret.recording import blocks, check_layer
from llm.model import Transformer

RANDOM_HEADS = 16  # each with each: 256 products


@dataclass(frozen=True)
class Composition:
    """The heads of an earlier layer with those of a later one; `random`: the mean for random matrices."""

    query: Float[Tensor, "first second"]
    key: Float[Tensor, "first second"]
    value: Float[Tensor, "first second"]
    random: float


@torch.no_grad()
def composition(model: Transformer, first_layer: int, second_layer: int) -> Composition:
    """Q-, K- and V-composition of every head of `first_layer` with every head of `second_layer`.

    Under grouped-query attention query head h uses the keys and values of head h // group.

    Raises:
        ValueError: a layer that does not exist, or a second layer that is not after the first.
    """
    check_layer(model, first_layer)
    check_layer(model, second_layer)
    if second_layer <= first_layer:
        raise ValueError(
            f"a head reads what earlier layers wrote: second_layer must be greater than first_layer={first_layer}, "
            f"got {second_layer}"
        )
    first, second = (blocks(model)[layer].attention for layer in (first_layer, second_layer))
    written = first.W_V.repeat_interleave(first.group, dim=0), first.W_O  # each [head, d_head, d_model]
    query, output = second.W_Q, second.W_O  # each [head, d_head, d_model]
    key, value = (weight.repeat_interleave(second.group, dim=0) for weight in (second.W_K, second.W_V))
    return Composition(
        query=composition_ratio(*written, query, key),
        key=composition_ratio(*written, key, query),
        value=composition_ratio(*written, value, output),
        random=random_composition(model.config.d_model, model.config.d_head),
    )


def composition_ratio(
    first_in: Float[Tensor, "first d_head d_model"],
    first_out: Float[Tensor, "first d_head d_model"],
    second_in: Float[Tensor, "second d_head d_model"],
    second_out: Float[Tensor, "second d_head d_model"],
) -> Float[Tensor, "first second"]:
    """‖W₁ W₂‖_F / (‖W₁‖_F ‖W₂‖_F) of W₁ = first_inᵀ · first_out and W₂ = second_inᵀ · second_out, each with each.

    The products [d_model, d_model] are never made: with the Gram matrices G = in · inᵀ and H = out · outᵀ,
    ‖W₁ W₂‖² = Σ M ∘ (G₁ M H₂), where M = first_out · second_inᵀ, and ‖W‖² = Σ G ∘ H.
    """
    gram_1, gram_2 = _gram(first_in), _gram(second_in)  # [first, d_head, d_head], [second, d_head, d_head]
    out_1, out_2 = _gram(first_out), _gram(second_out)
    middle = first_out.double()[:, None] @ second_in.double()[None].mT  # [first, second, d_head, d_head]
    product = (middle * (gram_1[:, None] @ middle @ out_2[None])).sum(dim=(-2, -1))  # [first, second], squared
    first = (gram_1 * out_1).sum(dim=(-2, -1))  # [first], squared
    second = (gram_2 * out_2).sum(dim=(-2, -1))  # [second], squared
    ratio = (product / (first[:, None] * second[None])).clamp(min=0).sqrt()  # [first, second]
    return ratio.nan_to_num(nan=0.0).float()  # a head of zeros composes with nothing


def random_composition(d_model: int, d_head: int, seed: int = 0) -> float:
    """The mean composition of heads whose matrices have independent normal entries: what chance alone gives."""
    generator = torch.Generator().manual_seed(seed)
    four = torch.randn(4, RANDOM_HEADS, d_head, d_model, generator=generator, dtype=torch.float64)
    return float(composition_ratio(*four).mean())


def _gram(weight: Float[Tensor, "head d_head d_model"]) -> Float[Tensor, "head d_head d_head"]:
    return weight.double() @ weight.double().mT
