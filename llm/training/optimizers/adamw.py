"""AdamW: each step moves a weight by about the learning rate at most, whatever the size of its gradient.

Loshchilov & Hutter 2017, arXiv:1711.05101:

    m ← β₁ m + (1 − β₁) g              running mean of the gradient: its recent direction
    v ← β₂ v + (1 − β₂) g²             running mean of its square: its recent size
    m̂ = m / (1 − β₁ᵗ)                  corrects for the start at 0
    v̂ = v / (1 − β₂ᵗ)
    θ ← θ − η λ θ                      weight decay, separate from the gradient: the W in AdamW
    θ ← θ − η m̂ / (√v̂ + ε)             a step of η where all gradients agree, less where their signs differ

`adamw_step` is one step, written to be read. `AdamW` trains with torch's fused kernel; a test shows that they agree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from llm.config import TrainingConfig
from llm.runtime.sharding import local
from llm.training.optimizers.base import Optimizer
from llm.training.schedule import learning_rate

if TYPE_CHECKING:
    from llm.training.optimizers.build import ParameterGroups

EPS = 1e-8  # ε


@torch.no_grad()
def adamw_step(
    weight: Tensor,
    gradient: Tensor,
    mean: Tensor,
    mean_square: Tensor,
    step: int,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float = EPS,
) -> None:
    """Update `weight`, `mean` (m) and `mean_square` (v), all of one shape, in place. `step` counts from 1."""
    mean.mul_(beta1).add_((1 - beta1) * gradient)
    mean_square.mul_(beta2).add_((1 - beta2) * gradient**2)
    unbiased_mean = mean / (1 - beta1**step)
    unbiased_mean_square = mean_square / (1 - beta2**step)
    weight.sub_(learning_rate * weight_decay * weight)
    weight.sub_(learning_rate * unbiased_mean / (unbiased_mean_square.sqrt() + eps))


def first_step(weight: Tensor, gradient: Tensor, config: TrainingConfig) -> None:
    """`adamw_step` of a matrix from the initial state, with the config's settings, at the first step's rate."""
    adamw_step(
        weight,
        gradient,
        mean=torch.zeros_like(weight),
        mean_square=torch.zeros_like(weight),
        step=1,
        learning_rate=learning_rate(1, config),
        beta1=config.beta1,
        beta2=config.beta2,
        weight_decay=config.weight_decay,
    )


def first_step_without_decay(weight: Tensor, gradient: Tensor, config: TrainingConfig) -> None:
    """The same for a parameter that has no weight decay."""
    first_step(weight, gradient, replace(config, weight_decay=0.0))


def build(groups: ParameterGroups, config: TrainingConfig) -> list[Optimizer]:
    """AdamW over every parameter."""
    return [AdamW([*groups.hidden_matrices, *groups.other_matrices], groups.others, config)]


class AdamW(Optimizer):
    """AdamW over the `decayed` parameters, which have weight decay, and the `others`, which have none."""

    def __init__(self, decayed: list[nn.Parameter], others: list[nn.Parameter], config: TrainingConfig) -> None:
        rate, betas = config.learning_rate, (config.beta1, config.beta2)
        settings = {"peak": rate, "lr": rate, "betas": betas, "eps": EPS}
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay, **settings},
            {"params": others, "weight_decay": 0.0, **settings},
        ]
        super().__init__([group for group in groups if group["params"]])

    @torch.no_grad()
    def step(self) -> None:
        """Step every parameter that has a gradient, all of a group in one pass."""
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self.state[parameter] or self._begin(parameter) for parameter in parameters]
            beta1, beta2 = group["betas"]
            adamw(
                [local(parameter) for parameter in parameters],
                [local(parameter.grad) for parameter in parameters if parameter.grad is not None],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                fused=True,
                amsgrad=False,
                beta1=beta1,
                beta2=beta2,
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

    def _begin(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        rows = local(parameter)
        self.state[parameter] = {
            "step": torch.zeros((), device=rows.device),  # the fused kernel counts on the device
            "exp_avg": torch.zeros_like(rows),  # m, under torch's names
            "exp_avg_sq": torch.zeros_like(rows),  # v
        }
        return self.state[parameter]
