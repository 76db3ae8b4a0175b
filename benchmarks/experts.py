"""A mixture of experts: time and operations over the number of experts, and over how many of them a token uses.

    uv run python -m benchmarks.experts [--repeats N]

One layer of the small llama's width with the same input, forward and back, in the fused implementation on the CPU:
first with ever more experts, of which a token uses two; then with sixteen, of which it uses ever more. The layers take
turns, and the least time of each counts. Operations are those that torch counts in the forward pass.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from llm import preset
from llm.config import ModelConfig
from llm.layers.mlp.build import build_mlp

BASE = preset("llama", "small", d_vocab=65, n_experts=16)
CASES: list[dict[str, Any]] = [{"n_experts": count} for count in (4, 8, 16, 32, 64)]
CASES += [{"experts_per_token": count} for count in (1, 2, 4, 8)]
TOKENS = 4096


def flops_per_token(config: ModelConfig) -> float:
    """Operations of the layer's forward pass that torch counts, for one token."""
    layer = build_mlp(config, "fused")
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        layer(torch.randn(1, TOKENS, config.d_model))
    return counted.get_total_flops() / TOKENS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="how often each layer is timed")
    repeats = parser.parse_args().repeats
    torch.manual_seed(0)
    configs = [dataclasses.replace(BASE, **case) for case in CASES]
    layers = [build_mlp(config, "fused") for config in configs]
    tokens = torch.randn(1, TOKENS, BASE.d_model)  # [batch, pos, d_model]
    least = [float("inf")] * len(layers)
    for _ in range(repeats):
        for index, layer in enumerate(layers):
            layer.zero_grad()
            started = time.perf_counter()
            layer(tokens).sum().backward()
            least[index] = min(least[index], time.perf_counter() - started)
    print("| experts | of a token | parameters | million FLOPs per token | ms for 4,096 tokens, forward and back |")
    print("|---|---|---|---|---|")
    for config, layer, seconds in zip(configs, layers, least, strict=True):
        parameters = sum(parameter.numel() for parameter in layer.parameters())
        print(f"| {config.n_experts} | {config.experts_per_token} | {parameters / 1e6:.2f} M | "
              f"{flops_per_token(config) / 1e6:.2f} | {1000 * seconds:.0f} |")  # fmt: skip


if __name__ == "__main__":
    main()
