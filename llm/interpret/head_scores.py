"""What each attention head does, in five numbers, measured on random tokens that are repeated once.

Random tokens can be predicted only from the repetition, so a head that finds the earlier copy stands out. The copies
have different lengths: a head that always looks the same distance back finds the earlier copy in few of them.
A pattern A[head, q, k] says how much query position q attends to key position k: each row sums to 1. Patterns and
scores count query heads; under grouped-query attention query head h reads key/value head h // (n_heads / n_kv_heads).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llm.interpret.attention_patterns import attention_layers, even_pattern
from llm.interpret.recording import records
from llm.loss import token_losses
from llm.model import Transformer
from llm.runtime.stepwise import stepwise

SEQUENCES = 16
BATCH = 4  # sequences whose logits are in memory at once
LONGEST = 50  # tokens of a copy
LABELS = {
    "previous": "previous token",
    "duplicate": "duplicate token",
    "induction": "induction",
    "first": "first token",
    "copying": "copying",
}  # scores that a head can be named after
LABEL_ABOVE = 0.5  # a head is named after a score above this: more than half of its attention
NAMES = ("previous", "duplicate", "induction", "first", "entropy")


@dataclass(frozen=True)
class HeadScores:
    """One number per head, the mean over sequences, and by name what a head that attends evenly would score.

    Evenly to all that its layer's mask shows; of several layers, the mean.
    """

    previous: Float[Tensor, "... head"]
    duplicate: Float[Tensor, "... head"]
    induction: Float[Tensor, "... head"]
    first: Float[Tensor, "... head"]
    entropy: Float[Tensor, "... head"]
    uniform: dict[str, float]  # its entropy is the greatest that there can be


@dataclass(frozen=True)
class InductionLoss:
    """Mean loss, in nats per token, of predicting each copy's tokens."""

    first: float
    second: float


def pattern_scores(
    pattern: Float[Tensor, "batch head query_pos key_pos"],
    lengths: Sequence[int],
    hidden: Bool[Tensor, "query_pos key_pos"] | None = None,
) -> HeadScores:
    """Scores of the heads of one pattern on `repeated_tokens`: in each sequence L tokens, then the same L again.

    previous-token   mean over q ≥ 1 of A[q, q − 1]
    duplicate-token  mean over q ≥ L of A[q, q − L]
    induction        mean over q ≥ L of A[q, q − L + 1], the token after the earlier copy
    first-token      mean over q ≥ 1 of A[q, 0]
    entropy          mean over q of −Σ_k A log A, in nats; its maximum is the mean over q of ln(keys that q sees)

    Positions from 2 L on are padding and do not count. `hidden`: what the mask hides; None: what comes later.

    Raises:
        ValueError: not one length of 2 or more for each sequence, or a pattern too small for it.
    """
    if len(lengths) != len(pattern) or not all(2 <= length <= min(pattern.shape[2:]) // 2 for length in lengths):
        raise ValueError(
            f"lengths must be a number for each of {len(pattern)} sequences, 2 or more and at most half of the "
            f"pattern's positions, got {list(lengths)} for shape {list(pattern.shape)}"
        )
    scores = _mean_scores(pattern, lengths)
    hidden = ~torch.ones(pattern.shape[2:], dtype=torch.bool).tril() if hidden is None else hidden
    even = even_pattern(hidden)  # [query_pos, key_pos]
    uniform = _mean_scores(even.expand(len(lengths), 1, -1, -1), lengths)
    return HeadScores(**scores, uniform={name: score.item() for name, score in uniform.items()})


def _mean_scores(pattern: Float[Tensor, "batch head query_pos key_pos"], lengths: Sequence[int]) -> dict[str, Tensor]:
    each = [
        _scores(heads[:, : 2 * length, : 2 * length], length) for heads, length in zip(pattern, lengths, strict=True)
    ]
    return {name: torch.stack([scores[name] for scores in each]).mean(dim=0) for name in NAMES}  # each [head]


def _scores(pattern: Float[Tensor, "head query_pos key_pos"], length: int) -> dict[str, Tensor]:
    """The scores on one sequence, each [head]."""

    def diagonal(distance: int, first_query: int) -> Tensor:
        """Mean over q ≥ first_query of A[q, q − distance]: a diagonal, whose entry i has q = i + distance."""
        return pattern.diagonal(-distance, dim1=-2, dim2=-1)[..., first_query - distance :].mean(dim=-1)

    return {
        "previous": diagonal(1, 1),
        "duplicate": diagonal(length, length),
        "induction": diagonal(length - 1, length),
        "first": pattern[..., 1:, 0].mean(dim=-1),
        "entropy": torch.special.entr(pattern).sum(dim=-1).mean(dim=-1),
    }


@stepwise
def head_scores(
    model: Transformer, token_ids: Int[Tensor, " ids"], sequences: int = SEQUENCES, seed: int = 0
) -> Generator[None, None, HeadScores]:
    """`pattern_scores` of every head, [layer, head], on `repeated_tokens`.

    One layer's patterns are in memory at a time. Yields after each layer.

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, lengths = repeated_tokens(model, token_ids, sequences, seed)
    layers = []
    for layer in attention_layers(model, tokens):
        layers.append(pattern_scores(layer.pattern.float(), lengths, layer.hidden))
        yield
    stacked = {name: torch.stack([getattr(scores, name) for scores in layers]) for name in NAMES}  # [layer, head]
    uniform = {name: sum(scores.uniform[name] for scores in layers) / len(layers) for name in NAMES}
    return HeadScores(uniform=uniform, **stacked)


def head_label(scores: Mapping[str, float]) -> tuple[str, float] | None:
    """The greatest of a head's scores and its name, a key of `LABELS`; None where none is above `LABEL_ABOVE`.

    A label says where more than half of the attention goes, on random repeated tokens or, for copying, on held-out
    text, and no more than that.
    """
    name = max(LABELS, key=scores.__getitem__)
    return (name, scores[name]) if scores[name] > LABEL_ABOVE else None


def induction_loss(
    model: Transformer, token_ids: Int[Tensor, " ids"], sequences: int = SEQUENCES, seed: int = 0
) -> InductionLoss:
    """Mean loss over each of two copies of L random tokens, over the sequences of `repeated_tokens`.

    second = mean of the loss of predicting tokens L … 2L − 1;  first = of tokens 1 … L − 1 (nothing predicts token 0).

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, lengths = repeated_tokens(model, token_ids, sequences, seed)
    losses = torch.cat(
        [
            token_losses(recorded["logits"][:, :-1], tokens[start : start + BATCH, 1:])
            for start, recorded in zip(
                range(0, sequences, BATCH), records(model, tokens, ["logits"], BATCH), strict=True
            )
        ]
    )  # [batch, pos − 1], entry i: predicting token i + 1
    first = torch.cat([of_one[: length - 1] for of_one, length in zip(losses, lengths, strict=True)])
    second = torch.cat([of_one[length - 1 : 2 * length - 1] for of_one, length in zip(losses, lengths, strict=True)])
    return InductionLoss(first.mean().item(), second.mean().item())


def repeated_tokens(
    model: Transformer, token_ids: Int[Tensor, " ids"], sequences: int = SEQUENCES, seed: int = 0
) -> tuple[Int[Tensor, "batch pos"], list[int]]:
    """`sequences` sequences of L tokens drawn uniformly from `token_ids`, then the same L again; and each one's L.

    The longest L is half of n_ctx, at most 50 and at most the number of different ids; the others are evenly spaced
    from half of that on. Shorter sequences go on repeating, as padding. So no token is drawn twice for a sequence:
    after a token that occurred twice before, even a perfect induction head could not know which occurrence to follow.
    (Only of a single id, which nothing can be measured on, is everything made.) The same seed draws the same tokens
    on every device.

    Raises:
        ValueError: `token_ids` is empty, n_ctx is below 4, or `sequences` below 1.
    """
    ids = torch.unique(token_ids).cpu().long()  # [ids], sorted
    if len(ids) == 0:
        raise ValueError("token_ids must not be empty: pass those that occur in the training text")
    if model.config.n_ctx < 4:
        raise ValueError(f"n_ctx must be 4 or more, so that 2 tokens fit in twice, got {model.config.n_ctx}")
    if sequences < 1:
        raise ValueError(f"sequences must be 1 or more, got {sequences}")
    if len(ids) == 1:
        ids = ids.repeat(2)
    longest = min(LONGEST, model.config.n_ctx // 2, len(ids))
    lengths: list[int] = torch.linspace(max(2, longest // 2), longest, sequences).round().int().tolist()
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(sequences, len(ids), generator=generator).argsort(dim=1)[:, :longest]  # [batch, longest L]
    turn = torch.arange(2 * longest) % torch.tensor(lengths)[:, None]  # [batch, pos]
    return ids[drawn.gather(1, turn)].to(next(model.parameters()).device), lengths
