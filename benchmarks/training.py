"""Training steps beside `transformers`, and beside the machine's fastest matrix products.

Both train the same llama on windows of random tokens, batches of 16, with fused AdamW, gradients clipped, and products
in the same number format. The rows `peak-…` are steps of the default optimizer, Muon, beside the products of two large
square matrices that take as many operations (`llm.costs.flops_per_token`): the ratio is the share of the peak that a
step reaches. The rows `gpu-…` are the same on a GPU, where there is one.
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
from llm.runtime.device import autocast, choose_device, choose_precision

Where = Literal["cpu", "cuda"]
STEPS = {"small": 10, "medium": 1}
STEPS_ON_GPU = {"small": 50, "medium": 50, "full": 20}
SQUARE = {"cpu": 2048, "cuda": 8192}  # rows and columns of the matrices that measure the peak


def beside_transformers(
    size: str, precision: Literal["float32", "bfloat16"], bar: float, steps: int, where: Where = "cpu"
) -> Row:
    device = choose_device(where)
    config = preset("llama", size, d_vocab=D_VOCAB)
    ours = trainer(config, precision=precision, optimizer="adamw", device=where)
    model = theirs(config).train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    numbers = iter(range(10**6))

    def their_step() -> None:
        batch_size = ours.config.batch_size
        inputs, targets = ours.data.batch(batch_size, next(numbers), 0, device)  # [batch, pos] each
        with autocast(device, choose_precision(precision, device)):
            loss = next_token_loss(model(inputs, use_cache=False).logits, targets)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    work = completed(times(steps, partial(next, ours)), device), completed(times(steps, their_step), device)
    both = parameters(ours.model, model)
    return Row(*work, "transformers", bar, parameters=(both[0], both[1]))


def share_of_peak(size: str, bar: float, steps: int, where: Where = "cpu") -> Row:
    device = choose_device(where)
    config = preset("llama", size, d_vocab=D_VOCAB)
    ours = trainer(config, device=where)
    flops = steps * TrainingConfig.batch_size * config.n_ctx * flops_per_token(config, config.n_ctx).training
    work = completed(times(steps, partial(next, ours)), device)
    return Row(work, partial(seconds_at_peak, flops, device), "matmul peak", bar)


def seconds_at_peak(flops: float, device: torch.device) -> float:
    """The time of so many operations in products of large square matrices, the fastest of ten."""
    rows = SQUARE[device.type]
    matrix = torch.randn(rows, rows, dtype=choose_precision("auto", device), device=device)
    multiply = completed(lambda: torch.mm(matrix, matrix), device)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - started)
    return min(seconds) * flops / (2 * rows**3)


def completed(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """The same until the device has done all of it: a GPU goes on when Python has returned."""

    def complete_work() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return complete_work


ROWS: dict[str, Callable[[], Row]] = {
    "peak-small": partial(share_of_peak, "small", 0.25, STEPS["small"]),
    "peak-medium": partial(share_of_peak, "medium", 0.45, STEPS["medium"]),
    "training-small-bfloat16": partial(beside_transformers, "small", "bfloat16", 1.5, STEPS["small"]),
    "training-small-float32": partial(beside_transformers, "small", "float32", 1.5, STEPS["small"]),
    "training-medium-bfloat16": partial(beside_transformers, "medium", "bfloat16", 1.5, STEPS["medium"]),
    "training-medium-float32": partial(beside_transformers, "medium", "float32", 1.5, STEPS["medium"]),
}
for size, steps in STEPS_ON_GPU.items():
    ROWS[f"gpu-peak-{size}"] = partial(share_of_peak, size, 0.25 if size == "small" else 0.45, steps, "cuda")
    ROWS[f"gpu-training-{size}-bfloat16"] = partial(beside_transformers, size, "bfloat16", 1.5, steps, "cuda")
