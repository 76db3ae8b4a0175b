"""Direct logit attribution: how much each component adds to one token's logit over another's.

The logit difference of two tokens is linear in what the unembedding reads, so every component's contribution is a
number, and the numbers sum to the difference. *Direct* means: not through later layers, which read what earlier ones
wrote (Elhage et al. 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.decomposition import Component, decompose
from llm.interpret.recording import as_batch, check_pair, record
from llm.model import Transformer


@dataclass(frozen=True)
class Attribution:
    """Every component's contribution, and the model's own logit difference, which they sum to.

    With a soft-cap of the logits that is their difference before the cap: no sum passes through it.
    """

    components: list[Component]
    values: Float[Tensor, "component batch"]
    logit_difference: Float[Tensor, " batch"]
    output_difference: Float[Tensor, " batch"]  # after the cap, if there is one


@torch.no_grad()
def direct_logit_attribution(
    model: Transformer, tokens: Int[Tensor, "batch pos"], pair: tuple[int, int], position: int = -1
) -> Attribution:
    """What each component's output c adds to logit[y] − logit[y′], y = pair[0], y′ = pair[1], at one position.

    contribution = norm(c) · (W_U[:, y] − W_U[:, y′]), where the final norm has the statistics of the actual pass: for
    RMSNorm norm(c) = c / σ · γ, for LayerNorm (c − mean c) / σ · γ.

    Components: token embedding, position vector, every head, every attention bias b_O, every MLP, the norm's β. In a
    post-norm model c passes through each later norm in the same way; where attention's output is normalised before it
    is added, c of a head passes through that norm, whose σ is that of the whole output.

    Raises:
        ValueError: a token outside the vocabulary, a position outside the text.
    """
    tokens = as_batch(model, tokens)
    check_pair(model, pair)
    index = check_position(position, tokens.shape[1])
    components, parts = decompose(model, tokens, slice(index, index + 1))
    direction = model.unembed.matrix()[:, pair[0]] - model.unembed.matrix()[:, pair[1]]  # [d_model]
    recorded = record(model, tokens, ["uncapped", "logits"])
    before, after = (
        logits[:, index, pair[0]] - logits[:, index, pair[1]]
        for logits in (recorded["unembed.uncapped"], recorded["logits"])
    )  # [batch] each
    return Attribution(components, parts[:, :, 0] @ direction, before, after)


def check_position(position: int, length: int) -> int:
    """The position as an index from 0; −1 is the last.

    Raises:
        ValueError: the text has no such position.
    """
    if not -length <= position < length:
        raise ValueError(f"position {position} does not exist: this text's positions are 0 to {length - 1}")
    return position % length
