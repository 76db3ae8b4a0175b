"""What training takes on each of many devices, and what they send each other.

Ψ parameters on N devices that share a batch. What each device keeps whole, or only 1/N of (Rajbhandari et al. 2019,
ZeRO, arXiv:1910.02054, section 5):

    sharded      weights   gradients   optimizer   sent and received per step, by each device
    nothing      w Ψ       g Ψ         o Ψ         2 (N−1)/N g Ψ             all-reduce of gradients, in a ring
    optimizer    w Ψ       g Ψ         o Ψ / N     (N−1)/N (g + w) Ψ         reduce-scatter, then all-gather of weights
    gradients    w Ψ       g Ψ / N     o Ψ / N     (N−1)/N (g + w) Ψ
    weights      w Ψ / N   g Ψ / N     o Ψ / N     (N−1)/N (g + 2 w) Ψ       weights gathered forward and backward

w, g and o are bytes for each parameter. An all-reduce in a ring is a reduce-scatter and an all-gather, and in each of
these a device sends (N−1)/N of the data. While a sharded block computes, its weights exist whole in addition: they are
not counted. Activations are those of a device's own windows, and nothing of them is sent.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, NamedTuple

from llm.config import ModelConfig, TrainingConfig
from llm.costs.parameters import parameter_count
from llm.costs.training_memory import memory

Sharded = Literal["nothing", "optimizer", "gradients", "weights"]
SHARDED: tuple[Sharded, ...] = ("nothing", "optimizer", "gradients", "weights")


class BytesPerParameter(NamedTuple):
    """Of what a device keeps for each parameter."""

    weights: int
    gradients: int
    optimizer: int


FLOAT32_WEIGHTS = BytesPerParameter(4, 4, 8)  # this library's: autocast casts copies; AdamW has two running means
ZERO_PAPER = BytesPerParameter(2, 2, 12)  # 16 bits, and the optimizer has a copy of the weights in 32


@dataclass(frozen=True)
class DeviceCost:
    """Bytes on one device, and bytes that it sends in one step."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    sent: float

    @property
    def kept(self) -> float:
        """All that it holds at once."""
        return self.weights + self.gradients + self.optimizer + self.activations


def model_states(parameters: int, devices: int, sharded: Sharded, each: BytesPerParameter) -> DeviceCost:
    """The table above, without activations."""
    level = SHARDED.index(sharded)
    parts = [devices if level >= needed else 1 for needed in (3, 2, 1)]  # that weights, gradients, optimizer have
    kept = [parameters * size / part for size, part in zip(each, parts, strict=True)]
    gathered = 2 if sharded == "weights" else 1  # how often the weights are
    sent = 2 * each.gradients if sharded == "nothing" else each.gradients + gathered * each.weights
    weights, gradients, optimizer = kept
    return DeviceCost(weights, gradients, optimizer, 0, (devices - 1) / devices * sent * parameters)


def device_cost(
    config: ModelConfig,
    training: TrainingConfig,
    devices: int,
    sharded: Sharded,
    each: BytesPerParameter = FLOAT32_WEIGHTS,
) -> DeviceCost:
    """The same of this model, with the activations of a device's part of `batch_size` windows in bfloat16.

    Raises:
        ValueError: the devices do not divide the batch.
    """
    if training.batch_size % devices:
        raise ValueError(f"batch_size must be divisible by the {devices} devices, got {training.batch_size}")
    own = dataclasses.replace(training, batch_size=training.batch_size // devices)
    activations = memory(config, own, "fused", "bfloat16").activations
    states = model_states(parameter_count(config).total, devices, sharded, each)
    return dataclasses.replace(states, activations=activations)
