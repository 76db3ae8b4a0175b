"""Loss by position: a model that uses its context predicts better the more context it has.

In-context learning score (Olsson et al. 2022, arXiv:2209.11895): how much lower the loss is late in the context than
early.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.recording import record
from llm.loss import token_losses
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class InContextScore:
    """Negative: the model uses its context. `published` is None unless n_ctx > 500."""

    score: float  # loss at position 0.9 · n_ctx − loss at position 0.1 · n_ctx
    published: float | None  # loss at position 500 − loss at position 50


@stepwise
def loss_by_position(
    model: Transformer, inputs: Int[Tensor, "batch pos"], targets: Int[Tensor, "batch pos"], batch_size: int = 8
) -> Generator[None, None, Float[Tensor, " pos"]]:
    """Mean over windows of the loss of predicting `targets` at each position, in nats.

    `inputs` and `targets` as `TextData.evaluation_windows` returns them: held-out text, and the tokens that follow.
    Yields after each batch of windows.

    Raises:
        ValueError: the two differ in shape.
    """
    if inputs.shape != targets.shape:
        raise ValueError(f"inputs {list(inputs.shape)} and targets {list(targets.shape)} must have the same shape")
    total = torch.zeros(inputs.shape[1], dtype=torch.float64)  # [pos]
    for start in range(0, len(inputs), batch_size):
        batch = slice(start, start + batch_size)
        logits = record(model, inputs[batch], ["logits"])["logits"]  # [batch, pos, d_vocab]
        total += token_losses(logits, targets[batch]).cpu().double().sum(dim=0)
        yield
    return total / len(inputs)


def in_context_score(losses: Float[Tensor, " pos"]) -> InContextScore:
    """From the losses of all n_ctx positions, counted from 0: loss[0.9 · n_ctx] − loss[0.1 · n_ctx].

    With n_ctx > 500 also the published loss[500] − loss[50].
    """
    n_ctx = len(losses)
    score = losses[9 * n_ctx // 10] - losses[n_ctx // 10]
    return InContextScore(float(score), float(losses[500] - losses[50]) if n_ctx > 500 else None)
