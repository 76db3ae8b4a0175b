"""The logit lens: what the model would say if it stopped after a layer (nostalgebraist 2020).

    lens[layer] = unembed(final_norm(residual stream after the layer))

The norm's statistics are computed anew at each layer, so the last row is the model's own logits. Post-norm models have
no final norm: each layer's stream is normalised already (the embedding, the row before the first layer, is not).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.recording import as_batch, record, twin
from llm.model import Transformer


@dataclass(frozen=True)
class Lens:
    """Rows are the embedding and then each layer. The true token is the next one, so the last position has none."""

    top_tokens: Int[Tensor, "row batch pos top"]  # likeliest first
    top_probabilities: Float[Tensor, "row batch pos top"]
    true_probability: Float[Tensor, "row batch before"]  # before = pos − 1
    true_rank: Int[Tensor, "row batch before"]  # 1: the likeliest


def lens(model: Transformer, tokens: Int[Tensor, "batch pos"], top: int = 5) -> Lens:
    """Top guesses, and probability and rank of the true next token, after the embedding and after every layer.

    probability = softmax(lens[layer])[true token];  rank = 1 + number of tokens with a greater logit.

    One layer's logits are in memory at a time.

    Raises:
        ValueError: `top` below 1.
    """
    return together(lens_rows(model, tokens, top))


def lens_rows(model: Transformer, tokens: Int[Tensor, "batch pos"], top: int = 5) -> Iterator[Lens]:
    """The same a row at a time, each a Lens of one row: whoever asks can do something else in between.

    Raises:
        ValueError: `top` below 1.
    """
    if top < 1:
        raise ValueError(f"top={top} is not possible: it must be a whole number of 1 or more")
    tokens = as_batch(model, tokens)
    for resid in record(model, tokens, ["embedding", "resid_post"]).values():
        yield Lens(*(column[None] for column in _row(lens_logits(model, resid), tokens, top)))


def together(rows: Iterable[Lens]) -> Lens:
    """What `lens_rows` yields, as one Lens."""
    columns = zip(*(vars(row).values() for row in rows), strict=True)
    return Lens(*(torch.cat(column) for column in columns))


@torch.no_grad()
def lens_logits(model: Transformer, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_vocab"]:
    """Unembed a residual stream as if it were the last: unembed(final_norm(resid))."""
    other = twin(model)
    return other.unembed(other.final_norm(resid))


def _row(
    logits: Float[Tensor, "batch pos d_vocab"], tokens: Int[Tensor, "batch pos"], top: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    probabilities = logits.softmax(dim=-1)  # [batch, pos, d_vocab]
    best = probabilities.topk(min(top, logits.shape[-1]), dim=-1)
    truth = tokens[:, 1:, None]  # [batch, before, 1]
    true_logit = logits[:, :-1].gather(2, truth)  # [batch, before, 1]
    rank = 1 + (logits[:, :-1] > true_logit).sum(dim=-1)  # [batch, before]
    return best.indices, best.values, probabilities[:, :-1].gather(2, truth)[..., 0], rank
