"""What each attention head does, in five numbers, measured on random tokens that are repeated once.

Random tokens can be predicted only from the repetition, so a head that finds the earlier copy stands out.
A pattern A[head, q, k] says how much query position q attends to key position k: each row sums to 1. Patterns and
scores count query heads; under grouped-query attention query head h reads key/value head h // (n_heads / n_kv_heads).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.attention_patterns import attention_layers
from llm.interpret.recording import records
from llm.loss import token_losses
from llm.model import Transformer
from llm.runtime.stepwise import stepwise

SEQUENCES = 16
BATCH = 4  # sequences whose logits are in memory at once
LABELS = {
    "previous": "previous token",
    "duplicate": "duplicate token",
    "induction": "induction",
    "first": "first token",
}  # scores that a head can be named after
LABEL_ABOVE = 0.5  # a head is named after a score above this: more than half of its attention


@dataclass(frozen=True)
class HeadScores:
    """One number per head, the mean over sequences."""

    previous: Float[Tensor, "... head"]
    duplicate: Float[Tensor, "... head"]
    induction: Float[Tensor, "... head"]
    first: Float[Tensor, "... head"]
    entropy: Float[Tensor, "... head"]
    entropy_maximum: float  # of a head that attends evenly to every position up to the query


@dataclass(frozen=True)
class InductionLoss:
    """Mean loss, in nats per token, of predicting each copy's tokens, and by position."""

    first: float
    second: float
    by_position: Float[Tensor, " target"]  # entry i: predicting token i + 1


def pattern_scores(pattern: Float[Tensor, "batch head query_pos key_pos"]) -> HeadScores:
    """Scores of the heads of one pattern on `repeated_tokens`: L tokens, then the same L again.

    previous-token   mean over q ≥ 1 of A[q, q − 1]
    duplicate-token  mean over q ≥ L of A[q, q − L]
    induction        mean over q ≥ L of A[q, q − L + 1], the token after the earlier copy
    first-token      mean over q ≥ 1 of A[q, 0]
    entropy          mean over q of −Σ_k A log A, in nats; its maximum is the mean over q of ln(q + 1)

    Raises:
        ValueError: a pattern that is not square, or whose number of positions is odd or below 4.
    """
    positions = pattern.shape[-1]
    if positions < 4 or positions % 2 or pattern.shape[-2] != positions:
        raise ValueError(
            f"pattern must be square with an even number of positions, 4 or more, got shape {list(pattern.shape)}"
        )
    length = positions // 2

    def diagonal(distance: int, first_query: int) -> Tensor:
        """Mean over q ≥ first_query of A[q, q − distance]: a diagonal, whose entry i has q = i + distance."""
        return pattern.diagonal(-distance, dim1=-2, dim2=-1)[..., first_query - distance :].mean(dim=(0, -1))

    return HeadScores(
        previous=diagonal(1, 1),
        duplicate=diagonal(length, length),
        induction=diagonal(length - 1, length),
        first=pattern[..., 1:, 0].mean(dim=(0, -1)),
        entropy=torch.special.entr(pattern).sum(dim=-1).mean(dim=(0, -1)),
        entropy_maximum=sum(math.log(attended) for attended in range(1, positions + 1)) / positions,
    )


@stepwise
def head_scores(
    model: Transformer,
    token_ids: Int[Tensor, " ids"],
    length: int | None = None,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> Generator[None, None, HeadScores]:
    """`pattern_scores` of every head, [layer, head], on `repeated_tokens`.

    One layer's patterns are in memory at a time. Yields after each layer.

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, _ = repeated_tokens(model, token_ids, length, sequences, seed)
    layers = []
    for layer in attention_layers(model, tokens):
        layers.append(pattern_scores(layer.pattern.float()))
        yield
    names = ("previous", "duplicate", "induction", "first", "entropy")
    stacked = {name: torch.stack([getattr(scores, name) for scores in layers]) for name in names}  # [layer, head]
    return HeadScores(entropy_maximum=layers[0].entropy_maximum, **stacked)


def head_label(previous: float, duplicate: float, induction: float, first: float) -> tuple[str, float] | None:
    """The score that a head is named after, a key of `LABELS`, and its value; None where none is above `LABEL_ABOVE`.

    A label says where more than half of the attention goes on random repeated tokens, and no more than that.
    """
    scores = {"previous": previous, "duplicate": duplicate, "induction": induction, "first": first}
    name = max(scores, key=scores.__getitem__)
    return (name, scores[name]) if scores[name] > LABEL_ABOVE else None


def induction_loss(
    model: Transformer,
    token_ids: Int[Tensor, " ids"],
    length: int | None = None,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> InductionLoss:
    """Mean loss over each of two copies of L random tokens.

    second = mean of the loss of predicting tokens L … 2L − 1;  first = of tokens 1 … L − 1 (nothing predicts token 0).

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, length = repeated_tokens(model, token_ids, length, sequences, seed)
    losses = [
        token_losses(recorded["logits"][:, :-1], tokens[start : start + BATCH, 1:])
        for start, recorded in zip(range(0, sequences, BATCH), records(model, tokens, ["logits"], BATCH), strict=True)
    ]
    by_position = torch.cat(losses).mean(dim=0)  # [2L − 1]
    return InductionLoss(by_position[: length - 1].mean().item(), by_position[length - 1 :].mean().item(), by_position)


def repeated_tokens(
    model: Transformer,
    token_ids: Int[Tensor, " ids"],
    length: int | None = None,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> tuple[Int[Tensor, "batch pos"], int]:
    """`sequences` sequences of L tokens drawn uniformly from `token_ids`, then the same L again; and L.

    No token is drawn twice for a sequence where there are L different ones: after a token that occurred twice before,
    even a perfect induction head cannot know which occurrence to follow. The same seed draws the same tokens on every
    device. By default L is half of n_ctx, at most 50.

    Raises:
        ValueError: `token_ids` is empty, or 2L does not fit into the context.
    """
    ids = torch.unique(token_ids).cpu().long()  # [ids], sorted
    longest = model.config.n_ctx // 2
    length = min(50, longest) if length is None else length
    if len(ids) == 0:
        raise ValueError("token_ids must not be empty: pass those that occur in the training text")
    if not 2 <= length <= longest:
        raise ValueError(
            f"length must be 2 to {longest}, so that it fits twice into n_ctx={model.config.n_ctx}, got {length}"
        )
    if sequences < 1:
        raise ValueError(f"sequences must be 1 or more, got {sequences}")
    generator = torch.Generator().manual_seed(seed)
    if len(ids) >= length:
        drawn = torch.rand(sequences, len(ids), generator=generator).argsort(dim=1)[:, :length]  # [batch, L]
    else:
        drawn = torch.randint(len(ids), (sequences, length), generator=generator)  # [batch, L]
    once = ids[drawn]  # [batch, L]
    return torch.cat([once, once], dim=1).to(next(model.parameters()).device), length
