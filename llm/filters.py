"""The filters of sampling: what changes the logits before a token is drawn.

They are applied in the order of `SamplingConfig`'s fields: repetition penalty, temperature, top-k, top-p, min-p. Each
is a pure function on logits [..., d_vocab]; a token that it excludes gets the logit −∞, so probability 0, and the most
likely token is always kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from llm.config import SamplingConfig


def repetition_penalty(
    logits: Float[Tensor, "*batch d_vocab"], tokens: Sequence[int], penalty: float
) -> Float[Tensor, "*batch d_vocab"]:
    """Make the tokens that already occur in the text less likely (CTRL, Keskar et al. 2019, arXiv:1909.05858).

    z → z / penalty where z > 0, z · penalty where z ≤ 0, for every token in `tokens`, once, even if it occurs often.

    The paper divides every logit, which would favour a token whose logit is below 0; hence the second case.
    """
    present = torch.tensor(sorted(set(tokens)), dtype=torch.long, device=logits.device)  # [count]
    selected = logits[..., present]  # [..., count]
    penalised = torch.where(selected > 0, selected / penalty, selected * penalty)  # [..., count]
    limits = torch.finfo(logits.dtype)  # an extreme penalty would overflow to infinity
    return logits.index_copy(-1, present, penalised.clamp(limits.min, limits.max))


def temperature(logits: Float[Tensor, "*batch d_vocab"], temperature: float) -> Float[Tensor, "*batch d_vocab"]:
    """Sharpen the distribution below 1, flatten it above 1 (Ackley, Hinton & Sejnowski 1985).

    p ∝ exp(z / temperature)

    At 0, the limit, only the most likely token is left: greedy decoding. The largest logit is shifted to 0 before the
    division, which changes no probability and keeps a tiny temperature from overflowing.
    """
    if temperature < torch.finfo(logits.dtype).tiny:
        return top_k(logits, 1)
    return (logits - logits.amax(dim=-1, keepdim=True)) / temperature


def top_k(logits: Float[Tensor, "*batch d_vocab"], k: int) -> Float[Tensor, "*batch d_vocab"]:
    """Keep the k most likely tokens (Fan et al. 2018, arXiv:1805.04833), or all if there are no more than k."""
    likeliest = logits.topk(min(k, logits.shape[-1])).indices  # [..., k]
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, likeliest, True)  # [..., d_vocab]
    return logits.masked_fill(~kept, -torch.inf)


def top_p(logits: Float[Tensor, "*batch d_vocab"], p: float) -> Float[Tensor, "*batch d_vocab"]:
    """Keep the fewest tokens whose probabilities sum to p or more (nucleus, Holtzman et al. 2020, arXiv:1904.09751).

    From the most likely down, a token is kept if those before it sum to less than p. So few tokens are kept if the
    model is confident, and many if it is not.
    """
    if p >= 1:
        return logits  # rounding may bring the cumulative sum to 1 before the last token
    descending, order = logits.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)  # [..., d_vocab] each
    before = descending.cumsum(dim=-1).roll(1, dims=-1)  # [..., d_vocab]
    before[..., 0] = -torch.inf  # the most likely token is kept, however small p
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < p)  # [..., d_vocab]
    return logits.masked_fill(~kept, -torch.inf)


def min_p(logits: Float[Tensor, "*batch d_vocab"], p: float) -> Float[Tensor, "*batch d_vocab"]:
    """Keep the tokens at least p times as likely as the most likely one (Nguyen et al. 2024, arXiv:2407.01082)."""
    probabilities = logits.softmax(dim=-1)  # [..., d_vocab]
    least = p * probabilities.amax(dim=-1, keepdim=True)  # [..., 1]
    return logits.masked_fill(probabilities < least, -torch.inf)


def filter_stages(
    logits: Float[Tensor, "*batch d_vocab"], tokens: Sequence[int], config: SamplingConfig
) -> dict[str, Float[Tensor, "*batch d_vocab"]]:
    """The logits on their way to a draw: the model's own, as "model", then those after each filter that is on.

    A filter has the name of its field in `config`; `tokens` is the text so far, including the prompt. Softmax of the
    last ones are the probabilities with which a token is drawn.
    """
    stages = {"model": logits}
    if config.repetition_penalty != 1:
        stages["repetition_penalty"] = logits = repetition_penalty(logits, tokens, config.repetition_penalty)
    if config.temperature != 1:
        stages["temperature"] = logits = temperature(logits, config.temperature)
    if config.top_k is not None:
        stages["top_k"] = logits = top_k(logits, config.top_k)
    if config.top_p is not None:
        stages["top_p"] = logits = top_p(logits, config.top_p)
    if config.min_p is not None:
        stages["min_p"] = logits = min_p(logits, config.min_p)
    return stages


def apply_filters(
    logits: Float[Tensor, "*batch d_vocab"], tokens: Sequence[int], config: SamplingConfig
) -> Float[Tensor, "*batch d_vocab"]:
    """The logits after all filters: the last of `filter_stages`."""
    *_, filtered = filter_stages(logits, tokens, config).values()  # [..., d_vocab]
    return filtered
