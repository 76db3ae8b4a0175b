"""Copying: which head attends, from a repeated token, to the token that followed its earlier occurrence.

Measured on text, unlike the induction score, which is measured on random tokens: a head can copy what a text repeats
without doing so for everything.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llm.interpret.attention_patterns import attention_layers, even_pattern
from llm.interpret.recording import as_batch
from llm.model import Transformer
from llm.runtime.stepwise import stepwise

APART = 3  # an occurrence that is no further back than this is not looked up: it may be part of the same word
BATCH = 8  # windows whose patterns are in memory at once


@dataclass(frozen=True)
class CopyingScores:
    """One number per head; the score of a head that attends evenly; and the number of positions measured."""

    copying: Float[Tensor, "layer head"]
    uniform: float
    positions: int


def earlier_occurrences(tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """For each position q the latest earlier position p of the same token; −1: there is none, or q − p ≤ 3."""
    earlier = (tokens[:, :, None] == tokens[:, None, :]).tril(-1)  # [batch, pos, pos]
    position = torch.arange(tokens.shape[1], device=tokens.device)  # [pos]
    latest = torch.where(earlier, position, -1).amax(dim=-1)  # [batch, pos]
    return torch.where(position - latest > APART, latest, -1)


def repeated_pairs(
    inputs: Int[Tensor, "batch pos"], targets: Int[Tensor, "batch pos"]
) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"], Int[Tensor, " pair"]]:
    """Row, position q and its `earlier_occurrences` p, wherever the token after q is again the one after p."""
    earlier = earlier_occurrences(inputs)  # [batch, pos]
    after = inputs.gather(1, (earlier + 1).clamp(min=0))  # [batch, pos]
    row, query = ((earlier >= 0) & (after == targets)).nonzero().unbind(dim=1)  # each [pair]
    return row, query, earlier[row, query]


@stepwise
def copying_scores(
    model: Transformer,
    inputs: Int[Tensor, "batch pos"],
    targets: Int[Tensor, "batch pos"],
    batch_size: int = BATCH,
    only: Bool[Tensor, "batch pos"] | None = None,
) -> Generator[None, None, CopyingScores]:
    """The copying score of every head on windows of text; `targets` are the tokens that follow `inputs`.

    score = mean of A[q, p + 1] over the positions q whose token occurred before, the last time at p, where the token
    after q is again the one after p, and q − p > 3. For a head that attends evenly to all that its mask shows: the mean
    of 1 / (q + 1), or with a window less or more, by layer; the mean over layers. `only`: positions q that count, such
    as those of `copied_pieces`; None: all.
    A text that repeats nothing scores 0. Yields after each layer of each batch of windows.

    Raises:
        ValueError: invalid tokens (see `as_batch`), or targets or `only` of another shape.
    """
    only = torch.ones_like(inputs, dtype=torch.bool) if only is None else only
    if not inputs.shape == targets.shape == only.shape:
        raise ValueError(
            f"inputs {list(inputs.shape)}, targets {list(targets.shape)} and only {list(only.shape)} must have the "
            "same shape"
        )
    config = model.config
    total = torch.zeros(config.n_layers, config.n_heads, dtype=torch.float64)  # [layer, head]
    uniform, positions = 0.0, 0
    for start in range(0, len(inputs), batch_size):
        tokens = as_batch(model, inputs[start : start + batch_size])
        following = targets[start : start + batch_size].to(tokens.device)  # [batch, pos]
        row, query, earlier = repeated_pairs(tokens, following)  # each [pair]
        counts = only[start : start + batch_size].to(tokens.device)[row, query]  # [pair]
        row, query, earlier = row[counts], query[counts], earlier[counts]  # each [position]
        for index, layer in enumerate(attention_layers(model, tokens)):
            total[index] += layer.pattern[row, :, query, earlier + 1].double().sum(dim=0).cpu()  # [head]
            uniform += float(even_pattern(layer.hidden)[query, earlier + 1].sum()) / config.n_layers
            yield
        positions += len(query)
    count = max(1, positions)
    return CopyingScores((total / count).float(), uniform / count, positions)
