"""A neuron's direct effect on the output: the tokens whose logits it raises and lowers most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.decomposition import read_direction
from llm.interpret.recording import blocks, check_layer, check_neurons
from llm.model import Transformer


@dataclass(frozen=True)
class NeuronEffect:
    """The tokens that a neuron raises most and lowers most."""

    raised: Int[Tensor, " count"]
    raised_by: Float[Tensor, " count"]
    lowered: Int[Tensor, " count"]
    lowered_by: Float[Tensor, " count"]


@torch.no_grad()
def neuron_effect(model: Transformer, layer: int, neuron: int, count: int = 10) -> NeuronEffect:
    """What a neuron's activation adds directly to every token's logit, per unit, up to each position's factor 1/σ.

    effect = W_out[neuron] · W_U, where W_out[neuron] first passes through the later norms (see `read_direction`); where
    there are several, the factor is the product of all their 1/σ. Logits are those before a soft-cap.
    Returns the tokens whose logits it raises and lowers most.

    Raises:
        ValueError: no such layer or neuron, or a mixture of experts.
    """
    check_neurons(model.config)
    check_layer(model, layer)
    if not 0 <= neuron < model.config.d_mlp:
        raise ValueError(f"neuron {neuron} does not exist: a layer's neurons are 0 to {model.config.d_mlp - 1}")
    written = blocks(model)[layer].mlp.W_out[neuron]  # [d_model]
    effect = read_direction(model, written, layer) @ model.unembed.matrix()  # [d_vocab]
    raised, lowered = effect.topk(min(count, len(effect))), (-effect).topk(min(count, len(effect)))
    return NeuronEffect(raised.indices, raised.values, lowered.indices, -lowered.values)
