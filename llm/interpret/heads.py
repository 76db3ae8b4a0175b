"""What each attention head does, in five numbers, measured on random tokens that come twice.

Random tokens leave nothing to guess from but the repetition itself, so a head that finds the earlier copy shows it.
A pattern A[head, q, k] says where a query position q looks: each row sums to 1. Patterns and scores count query heads;
under grouped-query attention query head h reads key/value head h // (n_heads / n_kv_heads).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.recording import check_layer, record, records
from llm.loss import token_losses
from llm.model import Transformer

SEQUENCES = 16
BATCH = 4  # sequences whose patterns are in memory at once


@dataclass(frozen=True)
class HeadScores:
    """One number a head, each the mean over sequences. Duplicate and induction are None where nothing repeats."""

    previous: Float[Tensor, "... head"]
    first: Float[Tensor, "... head"]
    entropy: Float[Tensor, "... head"]
    entropy_maximum: float  # of a head that spreads evenly over all it may see
    duplicate: Float[Tensor, "... head"] | None
    induction: Float[Tensor, "... head"] | None


@dataclass(frozen=True)
class InductionLoss:
    """Mean loss, in nats per token, of predicting the tokens of each copy; and of every position."""

    first: float
    second: float
    by_position: Float[Tensor, " target"]  # entry i: predicting token i + 1


def pattern_scores(pattern: Float[Tensor, "batch head query_pos key_pos"], length: int | None = None) -> HeadScores:
    """Scores of the heads of one pattern; `length` is L where the tokens are L tokens repeated twice.

    previous-token   mean over q ≥ 1 of A[q, q − 1]
    duplicate-token  mean over q ≥ L of A[q, q − L]
    induction        mean over q ≥ L of A[q, q − L + 1], the token after the earlier copy
    first-token      mean over q ≥ 1 of A[q, 0]
    entropy          mean over q of −Σ_k A log A, in nats, beside its maximum, the mean over q of ln(q + 1)

    Raises:
        ValueError: fewer than two positions, or a length that is not half of them.
    """
    positions = pattern.shape[-1]
    if positions < 2 or pattern.shape[-2] != positions:
        raise ValueError(
            f"a pattern of shape {list(pattern.shape)} has no scores: it needs 2 positions or more, squared"
        )
    if length is not None and (length < 2 or 2 * length != positions):
        raise ValueError(f"length={length} does not fit {positions} positions: it must be half of them and at least 2")

    def diagonal(distance: int, first_query: int) -> Tensor:
        """Mean over q ≥ first_query of A[q, q − distance]: a diagonal, whose entry i has q = i + distance."""
        return pattern.diagonal(-distance, dim1=-2, dim2=-1)[..., first_query - distance :].mean(dim=(0, -1))

    return HeadScores(
        previous=diagonal(1, 1),
        first=pattern[..., 1:, 0].mean(dim=(0, -1)),
        entropy=torch.special.entr(pattern).sum(dim=-1).mean(dim=(0, -1)),
        entropy_maximum=sum(math.log(seen) for seen in range(1, positions + 1)) / positions,
        duplicate=None if length is None else diagonal(length, length),
        induction=None if length is None else diagonal(length - 1, length),
    )


def head_scores(
    model: Transformer,
    occurring: Int[Tensor, " ids"],
    length: int | None = None,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> HeadScores:
    """`pattern_scores` of every head, [layer, head], on `repeated_tokens`.

    Patterns are reduced to their scores a few sequences at a time.

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, length = repeated_tokens(model, occurring, length, sequences, seed)
    total: dict[str, Tensor] = {}
    maximum = 0.0
    for kept in records(model, tokens, ["pattern"], BATCH):
        layers = [pattern_scores(pattern.float(), length) for pattern in kept.values()]
        maximum = layers[0].entropy_maximum
        share = len(next(iter(kept.values()))) / len(tokens)
        for name in ("previous", "first", "entropy", "duplicate", "induction"):
            stacked = torch.stack([getattr(scores, name) for scores in layers]) * share  # [layer, head]
            total[name] = total[name] + stacked if name in total else stacked
    return HeadScores(entropy_maximum=maximum, **total)


def induction_loss(
    model: Transformer,
    occurring: Int[Tensor, " ids"],
    length: int | None = None,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> InductionLoss:
    """Mean loss over the second copy of L random tokens, beside the first.

    second = mean of the loss of predicting tokens L … 2L − 1;  first = of tokens 1 … L − 1 (nothing predicts token 0).

    Raises:
        ValueError: as `repeated_tokens`.
    """
    tokens, length = repeated_tokens(model, occurring, length, sequences, seed)
    losses = [
        token_losses(kept["logits"][:, :-1], tokens[start : start + BATCH, 1:])
        for start, kept in zip(range(0, sequences, BATCH), records(model, tokens, ["logits"], BATCH), strict=True)
    ]
    by_position = torch.cat(losses).mean(dim=0)  # [2L − 1]
    return InductionLoss(by_position[: length - 1].mean().item(), by_position[length - 1 :].mean().item(), by_position)


def repeated_tokens(
    model: Transformer,
    occurring: Int[Tensor, " ids"],
    length: int | None = None,
    sequences: int = SEQUENCES,
    seed: int = 0,
) -> tuple[Int[Tensor, "batch pos"], int]:
    """`sequences` times L tokens drawn uniformly from the ids that occur, each repeated twice; and L.

    The same seed draws the same tokens on every device. L is half of n_ctx and at most 50 unless given.

    Raises:
        ValueError: nothing occurs, or 2L does not fit into the context.
    """
    ids = torch.unique(occurring).cpu().long()  # [ids], sorted
    longest = model.config.n_ctx // 2
    length = min(50, longest) if length is None else length
    if len(ids) == 0:
        raise ValueError("no token ids were given: draw them from the ids that occur in the training text")
    if not 2 <= length <= longest:
        raise ValueError(
            f"length={length} is not possible: twice the length must fit into n_ctx={model.config.n_ctx}, and it must "
            "be at least 2"
        )
    if sequences < 1:
        raise ValueError(f"sequences={sequences} is not possible: it must be a whole number of 1 or more")
    generator = torch.Generator().manual_seed(seed)
    once = ids[torch.randint(len(ids), (sequences, length), generator=generator)]  # [batch, L]
    return torch.cat([once, once], dim=1).to(next(model.parameters()).device), length


def value_weighted_pattern(
    model: Transformer, tokens: Int[Tensor, "batch pos"], layer: int
) -> Float[Tensor, "batch head query_pos key_pos"]:
    """`weighted_by_values` of one layer of a model on these tokens.

    Raises:
        ValueError: no such layer, or tokens that the model cannot read.
    """
    check_layer(model, layer)
    names = [f"blocks.{layer}.attention.{kind}" for kind in ("pattern", "value")]
    kept = record(model, tokens, names)
    return weighted_by_values(kept[names[0]], kept[names[1]])


def weighted_by_values(
    pattern: Float[Tensor, "batch head query_pos key_pos"], value: Float[Tensor, "batch kv_head pos d_head"]
) -> Float[Tensor, "batch head query_pos key_pos"]:
    """How much each key really contributes: A[q, k] · |value[k]|, each row scaled to sum to 1 (Kobayashi et al. 2020).

    A head can look at a position whose value is nearly zero, as at a sink, and take nothing from it.
    """
    sizes = value.norm(dim=-1).repeat_interleave(pattern.shape[1] // value.shape[1], dim=1)  # [batch, head, key_pos]
    weighted = pattern * sizes[:, :, None]  # [batch, head, query_pos, key_pos]
    return weighted / weighted.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(weighted.dtype).tiny)
