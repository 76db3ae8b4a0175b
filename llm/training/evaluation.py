"""How good a model is, on fixed validation windows, and the baselines: predictors without a network."""

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


@dataclass(frozen=True)
class Baselines:
    """Losses on the whole validation part of three predictors without a network, in nats per token.

    uniform: every token equally likely. unigram: by how often each token occurs. bigram: by how often it follows the
    token before. Counts are those of the training part, plus one (add-one smoothing).
    """

    uniform: float
    unigram: float
    bigram: float
    uniform_bits_per_character: float
    unigram_bits_per_character: float
    bigram_bits_per_character: float


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
        bits_per_character=nats / math.log(2) / _characters(targets.cpu(), tokenizer.characters_per_token),
        windows=len(inputs),
        tokens=targets.numel(),
    )


def baselines(data: TextData, d_vocab: int, characters_per_token: list[int]) -> Baselines:
    """Losses of the uniform, unigram and bigram predictors on the validation part.

    unigram: p(y) = (count(y) + 1) / (N + d_vocab);  bigram: p(y | x) = (count(x, y) + 1) / (count(x) + d_vocab).
    Pairs are counted sparsely, so that a vocabulary of 50,000 needs no table of 50,000².
    """
    train, truth = data.train.long(), data.validation[1:].long()
    before = data.validation[:-1].long()
    counts = torch.bincount(train, minlength=d_vocab)  # [d_vocab]
    unigram = -((counts[truth] + 1).double() / (len(train) + d_vocab)).log().mean().item()

    pairs, pair_counts = torch.unique(train[:-1] * d_vocab + train[1:], return_counts=True)  # [pairs], sorted
    wanted = before * d_vocab + truth
    index = torch.searchsorted(pairs, wanted).clamp(max=len(pairs) - 1)
    seen = torch.where(pairs[index] == wanted, pair_counts[index], 0)
    context_counts = torch.bincount(train[:-1], minlength=d_vocab)  # [d_vocab]
    bigram = -((seen + 1).double() / (context_counts[before] + d_vocab)).log().mean().item()

    uniform = math.log(d_vocab)
    tokens_per_character = len(truth) / _characters(truth, characters_per_token)
    to_bits = tokens_per_character / math.log(2)
    return Baselines(uniform, unigram, bigram, uniform * to_bits, unigram * to_bits, bigram * to_bits)


def _characters(tokens: Int[Tensor, ...], characters_per_token: list[int]) -> int:
    """Characters that these tokens begin; at least one, so that it can divide."""
    return max(1, int(torch.tensor(characters_per_token)[tokens].sum()))
