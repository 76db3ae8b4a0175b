"""The batch of an optimizer step, token by token: how surprised the model is by each, and what it expected instead."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.config import TrainingConfig
from llm.data import TextData
from llm.data.documents import documents_in
from llm.interpret.recording import record
from llm.loss import token_losses
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class BatchLosses:
    """What a model expects of the next token, at each position of some windows."""

    losses: Float[Tensor, "batch pos"]  # −ln p[target], nats
    guesses: Int[Tensor, "batch pos guess"]  # the most likely tokens, the likeliest first
    probabilities: Float[Tensor, "batch pos guess"]  # theirs

    def hardest(self, count: int) -> list[tuple[int, int]]:
        """Window and position of the tokens with the greatest losses, the greatest first."""
        n_ctx = self.losses.shape[1]
        flat = self.losses.flatten().argsort(descending=True, stable=True)[:count]
        return [divmod(index, n_ctx) for index in flat.tolist()]

    def fraction_of_hardest(self, fraction: float = 0.1) -> float:
        """Which fraction of the sum of all losses belongs to this fraction of the tokens, those with the greatest."""
        ordered = self.losses.flatten().double().sort(descending=True).values
        count = max(1, round(fraction * len(ordered)))
        return float(ordered[:count].sum() / ordered.sum())


def step_windows(
    data: TextData, training: TrainingConfig, step: int
) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
    """The windows that optimizer step `step`, from 1, learns from, and their targets.

    Those of all its forward passes and of all processes, in the order of the text's windows: `TextData.batch`.
    """
    if step < 1:
        raise ValueError(f"step must be at least 1, got {step}")
    windows = training.batch_size * training.accumulation
    return data.batch(windows, step - 1, training.seed, torch.device("cpu"))


@stepwise
def batch_losses(
    model: Transformer,
    inputs: Int[Tensor, "batch pos"],
    targets: Int[Tensor, "batch pos"],
    guesses: int = 3,
    batch_size: int = 4,
    boundary: int | None = None,
) -> Generator[None, None, BatchLosses]:
    """The loss of each target, and the `guesses` most likely tokens in its place. Yields after each few windows.

    With the weights before a step and the windows of that step, the mean is the loss that training records for it, up
    to dropout, which is off here, and to its number format: this is float32. A `boundary` is the token at which
    documents begin that are not to see each other (`llm.data.documents`).
    """
    losses, indices, probabilities = [], [], []
    for start in range(0, len(inputs), batch_size):
        batch = slice(start, start + batch_size)
        documents = documents_in(inputs[batch], boundary)  # [batch, pos], or None
        logits = record(model, inputs[batch], ["logits"], documents)["logits"]  # [batch, pos, d_vocab]
        losses.append(token_losses(logits, targets[batch]).cpu())
        top = logits.softmax(dim=-1).topk(min(guesses, logits.shape[-1]))  # each [batch, pos, guess]
        probabilities.append(top.values.cpu())
        indices.append(top.indices.cpu())
        yield
    return BatchLosses(torch.cat(losses), torch.cat(indices), torch.cat(probabilities))
