"""How the time of a training step grows with context, width, depth and batch, beside its number of operations.

Each row is a step of the small llama with one of them four times as large. Its peer is the time of the small one's step
times the growth of the operations (`llm.costs.flops_per_token`): at 1 × or above, time grows no faster than these.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.models import D_VOCAB, trainer
from benchmarks.rows import Row, times
from llm import TrainingConfig, preset
from llm.costs import flops_per_token

LARGER: dict[str, dict[str, Any]] = {
    "context": {"n_ctx": 512},
    "width": {"d_model": 512, "n_heads": 16},
    "depth": {"n_layers": 12},
    "batch": {},
}
BATCH_SIZE = TrainingConfig.batch_size


def row(changed: dict[str, Any]) -> Row:
    small, large = (preset("llama", "small", d_vocab=D_VOCAB, **fields) for fields in ({}, changed))
    batch_size = BATCH_SIZE if changed else 4 * BATCH_SIZE
    flops_small = BATCH_SIZE * small.n_ctx * flops_per_token(small, small.n_ctx).training
    flops_large = batch_size * large.n_ctx * flops_per_token(large, large.n_ctx).training
    step_small = times(4, partial(next, trainer(small, device="cpu")))

    def as_operations_grow() -> float:
        started = time.perf_counter()
        step_small()
        return (time.perf_counter() - started) * flops_large / flops_small

    step_large = times(4, partial(next, trainer(large, batch_size=batch_size, device="cpu")))
    return Row(step_large, as_operations_grow, "a quarter of it, by FLOPs", 1.0)


ROWS: dict[str, Callable[[], Row]] = {f"scaling-{name}": partial(row, changed) for name, changed in LARGER.items()}
