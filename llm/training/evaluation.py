"""How good a model is, on fixed validation windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from llm.data import TextData
from llm.loss import next_token_loss
from llm.model import Transformer
from llm.tokenizers import Tokenizer


@dataclass(frozen=True)
class Evaluation:
    """Measures on the validation windows."""

    loss: float  # mean next-token cross-entropy, nats per token
    perplexity: float  # exp(loss): as uncertain as a choice among this many equally likely tokens
    accuracy: float  # fraction of positions whose likeliest token is the true one
    bits_per_character: float  # total nats / ln 2 / characters, so that tokenizers compare
    windows: int
    tokens: int


@torch.no_grad()
def evaluate(
    model: Transformer,
    data: TextData,
    tokenizer: Tokenizer,
    windows: int,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Evaluation:
    """Measure `model` on the fixed validation windows (`TextData.evaluation_windows`), in batches.

    bits per character = Σ −ln p(token) / ln 2 / Σ characters that the predicted tokens begin.
    """
    device = next(model.parameters()).device
    inputs, targets = data.evaluation_windows(windows, device)  # [batch, pos]
    was_training = model.training
    model.eval()
    nats, right = 0.0, 0
    try:
        for start in range(0, len(inputs), batch_size):
            with autocast():
                logits = model(inputs[start : start + batch_size])  # [batch, pos, d_vocab]
            truth = targets[start : start + batch_size]  # [batch, pos]
            nats += next_token_loss(logits, truth, reduction="sum").item()
            right += int((logits.argmax(dim=-1) == truth).sum())
    finally:
        model.train(was_training)
    loss = nats / targets.numel()
    return Evaluation(
        loss=loss,
        perplexity=math.exp(min(loss, 700)),  # above it exp overflows a float
        accuracy=right / targets.numel(),
        bits_per_character=nats / math.log(2) / count_characters(targets.cpu(), tokenizer.characters_per_token),
        windows=len(inputs),
        tokens=targets.numel(),
    )


def count_characters(tokens: Int[Tensor, ...], characters_per_token: list[int]) -> int:
    """Characters that these tokens begin; at least one, so that it can divide."""
    return max(1, int(torch.tensor(characters_per_token)[tokens].sum()))
