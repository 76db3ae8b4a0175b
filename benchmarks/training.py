"""Training steps beside `transformers`, and beside the machine's fastest matrix products.

Both train the same llama on windows of random tokens, batches of 16, with fused AdamW, gradients clipped, and products
in the same number format. The rows `peak-…` are steps of the default optimizer, Muon, beside the products of two large
square matrices that take as many operations (`llm.costs.flops_per_token`): the ratio is the share of the peak that a
step reaches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import nn

from benchmarks.models import D_VOCAB, parameters, theirs, trainer
from benchmarks.rows import Row, times
from llm import TrainingConfig, preset
from llm.costs import flops_per_token
from llm.loss import next_token_loss
from llm.runtime.device import autocast, choose_precision

CPU = torch.device("cpu")
STEPS = {"small": 10, "medium": 1}
SQUARE = 2048  # rows and columns of the matrices that measure the peak


def beside_transformers(size: str, precision: Literal["float32", "bfloat16"], bar: float) -> Row:
    config = preset("llama", size, d_vocab=D_VOCAB)
    ours = trainer(config, precision=precision, optimizer="adamw", device="cpu")
    model = theirs(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    numbers = iter(range(10**6))

    def their_step() -> None:
        batch_size = ours.config.batch_size
        inputs, targets = ours.data.batch(batch_size, next(numbers), 0, CPU)  # [batch, pos] each
        with autocast(CPU, choose_precision(precision, CPU)):
            loss = next_token_loss(model(inputs, use_cache=False).logits, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    work = times(STEPS[size], partial(next, ours)), times(STEPS[size], their_step)
    both = parameters(ours.model, model)
    return Row(*work, "transformers", bar, parameters=(both[0], both[1]))


def share_of_peak(size: str, bar: float) -> Row:
    config = preset("llama", size, d_vocab=D_VOCAB)
    ours = trainer(config, device="cpu")
    tokens = STEPS[size] * TrainingConfig.batch_size * config.n_ctx
    flops = tokens * flops_per_token(config, config.n_ctx).training
    return Row(times(STEPS[size], partial(next, ours)), partial(seconds_at_peak, flops), "matmul peak", bar)


def seconds_at_peak(flops: float) -> float:
    """The time of so many operations in products of large square matrices, the fastest of ten."""
    matrix = torch.randn(SQUARE, SQUARE, dtype=choose_precision("auto", CPU))
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        torch.mm(matrix, matrix)
        seconds.append(time.perf_counter() - started)
    return min(seconds) * flops / (2 * SQUARE**3)


ROWS: dict[str, Callable[[], Row]] = {
    "peak-small": partial(share_of_peak, "small", 0.25),
    "peak-medium": partial(share_of_peak, "medium", 0.45),
    "training-small-bfloat16": partial(beside_transformers, "small", "bfloat16", 1.5),
    "training-small-float32": partial(beside_transformers, "small", "float32", 1.5),
    "training-medium-bfloat16": partial(beside_transformers, "medium", "bfloat16", 1.5),
    "training-medium-float32": partial(beside_transformers, "medium", "float32", 1.5),
}
