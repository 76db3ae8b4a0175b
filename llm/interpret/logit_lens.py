"""The logit lens: what the model would predict if it stopped after a layer (nostalgebraist 2020).

    lens[layer] = unembed(final_norm(residual stream after the layer))

The norm's statistics are recomputed at each layer, so the last row is the model's own logits. Post-norm models have no
final norm: each layer's stream is normalised already (the embedding, the row before the first layer, is not).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.recording import as_batch, hookable_copy, record
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class LogitLens:
    """Rows are the embedding and then each layer. The true token is the next one, so the last position has none."""

    top_tokens: Int[Tensor, "row batch pos top"]  # most likely first
    top_probabilities: Float[Tensor, "row batch pos top"]
    true_probability: Float[Tensor, "row batch before"]  # before = pos − 1
    true_rank: Int[Tensor, "row batch before"]  # 1: the most likely


@stepwise
def logit_lens(model: Transformer, tokens: Int[Tensor, "batch pos"], top: int = 5) -> Generator[None, None, LogitLens]:
    """Top predictions, and probability and rank of the true next token, after the embedding and after every layer.

    probability = softmax(lens[layer])[true token];  rank = 1 + number of tokens with a greater logit.

    One layer's logits are in memory at a time. Yields after each row.

    Raises:
        ValueError: `top` below 1, or invalid tokens (see `as_batch`).
    """
    if top < 1:
        raise ValueError(f"top must be 1 or more, got {top}")
    tokens = as_batch(model, tokens)
    rows = []
    for resid in record(model, tokens, ["embedding", "resid_post"]).values():
        rows.append(_row(lens_logits(model, resid), tokens, top))
        yield
    return LogitLens(*(torch.stack(column) for column in zip(*rows, strict=True)))


@torch.no_grad()
def lens_logits(model: Transformer, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
    """Unembed a residual stream as if it were the last: unembed(final_norm(resid))."""
    copy = hookable_copy(model)
    return copy.unembed(copy.final_norm(resid))


def _row(
    logits: Float[Tensor, "batch pos d_vocab"], tokens: Int[Tensor, "batch pos"], top: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One row of each field of `LogitLens`."""
    probabilities = logits.softmax(dim=-1)  # [batch, pos, d_vocab]
    best = probabilities.topk(min(top, logits.shape[-1]), dim=-1)
    truth = tokens[:, 1:, None]  # [batch, before, 1]
    true_logit = logits[:, :-1].gather(2, truth)  # [batch, before, 1]
    rank = 1 + (logits[:, :-1] > true_logit).sum(dim=-1)  # [batch, before]
    return best.indices, best.values, probabilities[:, :-1].gather(2, truth)[..., 0], rank
