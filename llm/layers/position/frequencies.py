"""Position numbers, and the frequencies with which sine waves and rotations encode them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from llm.config import ModelConfig


def position_numbers(start: int, count: int, like: Tensor) -> Float[Tensor, " pos"]:
    """Positions start, start + 1, … in at least float32: bfloat16 has no 257."""
    precise = torch.promote_types(like.dtype, torch.float32)
    return torch.arange(start, start + count, device=like.device, dtype=precise)


def frequencies(width: int, theta: float, like: Tensor) -> Float[Tensor, " half"]:
    """Radians per position of each pair i: θ^(−2i/width)."""
    precise = torch.promote_types(like.dtype, torch.float32)
    return theta ** (-torch.arange(0, width, 2, device=like.device, dtype=precise) / width)


def linear_frequencies(frequency: Float[Tensor, " half"], config: ModelConfig) -> Float[Tensor, " half"]:
    """All pairs slower by rope_factor, as if positions were closer together (Chen et al. 2023, arXiv:2306.15595)."""
    return frequency / config.rope_factor


def llama3_frequencies(frequency: Float[Tensor, " half"], config: ModelConfig) -> Float[Tensor, " half"]:
    """Pairs that rotate little are slowed, fast ones are kept (Llama 3.1: Dubey et al. 2024, arXiv:2407.21783).

    What is kept of a frequency grows evenly with the rotations within the original context, from rope_low_rotations
    to rope_high_rotations.
    """
    original = config.n_ctx / config.rope_factor if config.rope_original_ctx is None else config.rope_original_ctx
    low = config.rope_low_rotations
    high = 4.0 if config.rope_high_rotations is None else config.rope_high_rotations
    rotations = original * frequency / (2 * math.pi)
    kept = ((rotations - low) / (high - low)).clamp(0, 1)
    return kept * frequency + (1 - kept) * frequency / config.rope_factor


def yarn_frequencies(frequency: Float[Tensor, " half"], config: ModelConfig) -> Float[Tensor, " half"]:
    """Pairs that rotate little are slowed, fast ones are kept (YaRN: Peng et al. 2023, arXiv:2309.00071).

    Between the two limits what is kept falls evenly from pair to pair, with the limits rounded outwards to a pair: so
    the authors' code and the models that use it, while the paper's formula is that of `llama3_frequencies`.
    """
    original = config.n_ctx / config.rope_factor if config.rope_original_ctx is None else config.rope_original_ctx
    high = 32.0 if config.rope_high_rotations is None else config.rope_high_rotations
    width = 2 * len(frequency)

    def pair_with(rotations: float) -> float:
        """The pair i for which original · θ^(−2i/width) = 2π · rotations."""
        return width * math.log(original / (2 * math.pi * rotations)) / (2 * math.log(config.rope_theta))

    first = max(math.floor(pair_with(high)), 0)
    last = min(math.ceil(pair_with(config.rope_low_rotations)), width - 1)
    pair = torch.arange(len(frequency), device=frequency.device, dtype=frequency.dtype)
    kept = 1 - ((pair - first) / max(last - first, 0.001)).clamp(0, 1)
    return kept * frequency + (1 - kept) * frequency / config.rope_factor


def yarn_multiplier(config: ModelConfig) -> float:
    """Multiplier of rotated queries and keys, so that scores grow by its square: 0.1 · ln rope_factor + 1."""
    if config.rope_attention_factor is not None:
        return config.rope_attention_factor
    return 0.1 * math.log(config.rope_factor) + 1
