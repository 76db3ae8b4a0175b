"""Ways to multiply vectors by a matrix whose weights are integers of 8 bits, beside the matrix in float32, on the CPU.

    uv run python -m benchmarks.int8 [--repeats N] [--threads N]

Matrices of the medium and the full size, enough copies of each that they do not stay in the cache, for one vector and
for 32 at once. The ways take turns, and the least time of a single product counts, which other work on the machine
hardly changes.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

SHAPES = ((384, 1152), (384, 2048), (768, 3072), (3072, 768))  # d_in, d_out
BYTES = 100e6  # of all copies in float32


def ways(x: Tensor, weight: Tensor, copies: int) -> dict[str, Callable[[], object]]:
    """Each takes the next copy of the matrix [d_out, d_in]."""
    scale = weight.abs().amax(dim=1) / 127
    stored = [(weight / scale[:, None]).round().to(torch.int8) for _ in range(copies)]
    transposed = [weight.T.contiguous() for _ in range(copies)]
    zeros = torch.zeros(len(weight), dtype=torch.long)
    per_channel = [torch.quantize_per_channel(weight, scale.double(), zeros, 0, torch.qint8) for _ in range(copies)]
    packed = [torch.ops.quantized.linear_prepack(copy, None) for copy in per_channel]
    floats, integers, packs = map(itertools.cycle, (transposed, stored, packed))
    out, ones = x.new_empty(len(x), len(weight)), torch.ones(len(weight), dtype=torch.bfloat16)

    def rounded_vectors() -> Tensor:
        own = x.abs().amax(dim=1, keepdim=True) / 127
        return torch._int_mm((x / own).round().to(torch.int8), next(integers).T) * own * scale

    return {
        "float32, numpy": lambda: np.dot(x.numpy(), next(floats).numpy(), out=out.numpy()),
        "float32, torch": lambda: torch.mm(x, next(floats), out=out),
        "dequantise, then float32": lambda: torch.mm(x, (next(integers) * scale[:, None]).T, out=out),
        "_weight_int8pack_mm, float32": lambda: torch._weight_int8pack_mm(x, next(integers), scale),
        "_weight_int8pack_mm, bfloat16": lambda: torch.mul(
            torch._weight_int8pack_mm(x.bfloat16(), next(integers), ones), scale, out=out
        ),
        "_int_mm, vectors rounded too": rounded_vectors,
        "quantized.linear_dynamic": lambda: torch.ops.quantized.linear_dynamic(x, next(packs), False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="how often each way is timed")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", "torch.quantize_per_channel|.*deprecated")
    columns: list[dict[str, float]] = []
    cases = [(shape, vectors) for vectors in (1, 32) for shape in SHAPES]
    for (d_in, d_out), vectors in cases:
        copies = int(BYTES / (4 * d_in * d_out))
        works = ways(torch.randn(vectors, d_in), 0.02 * torch.randn(d_out, d_in), copies)
        least = dict.fromkeys(works, float("inf"))
        for _ in range(arguments.repeats):
            for name, work in works.items():
                for _ in range(copies):
                    started = time.perf_counter()
                    work()
                    least[name] = min(least[name], time.perf_counter() - started)
        columns.append(least)
    print("| µs | " + " | ".join(f"{vectors} × {d_in} × {d_out}" for (d_in, d_out), vectors in cases) + " |")
    print("|---" * (len(cases) + 1) + "|")
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{1e6 * column[name]:,.0f}" for column in columns) + " |")


if __name__ == "__main__":
    main()
