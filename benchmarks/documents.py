"""Training steps with separate documents, beside the same steps without.

    uv run python -m benchmarks.documents [--steps N] [--precision float32|bfloat16]

The small llama, with windows of 128 and of 512 tokens, and the medium one, with batches of 16 windows in which a
document begins every 100 tokens. Both trainers take their steps in turn; shown are medians and half the distance of
the quartiles. Once documents are so long that no batch has a boundary.
"""

from __future__ import annotations

import argparse
import time

import torch

from benchmarks.__main__ import spread
from benchmarks.models import D_VOCAB, trainer
from llm import preset
from llm.runtime import compute
from llm.training.trainer import Trainer

CASES = [("small", 128, 100), ("small", 512, 100), ("small", 128, 10**6), ("medium", 128, 100)]


def with_documents(size: str, n_ctx: int, length: int, precision: str, separate: bool) -> Trainer:
    """A trainer on random tokens in which a document begins every `length` tokens."""
    made = trainer(preset("llama", size, d_vocab=D_VOCAB, n_ctx=n_ctx), precision=precision)
    boundary = D_VOCAB - 1
    made.data.train[made.data.train == boundary] = 0
    made.data.train[length::length] = boundary
    made.batches.boundary = boundary if separate else None
    return made


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    chosen = parser.parse_args()
    print("| llama | n_ctx | a document | attending across | separate | |\n|---|---|---|---|---|---|")
    for size, n_ctx, length in CASES:
        both = [
            compute.run(with_documents, size, n_ctx, length, chosen.precision, separate) for separate in (False, True)
        ]
        seconds: list[list[float]] = [[], []]
        for step in range(1 + chosen.steps):
            for one, taken in zip(both, seconds, strict=True):
                began = time.perf_counter()
                compute.run(next, one)
                taken += [time.perf_counter() - began] * (step > 0)
        medians = [torch.tensor(taken).median().item() for taken in seconds]
        shown = " | ".join(
            f"{1e3 * median:.1f} ± {1e3 * spread(taken):.1f} ms" for median, taken in zip(medians, seconds, strict=True)
        )
        print(f"| {size} | {n_ctx} | {length:,} tokens | {shown} | {medians[1] / medians[0]:.2f} × |", flush=True)


if __name__ == "__main__":
    main()
