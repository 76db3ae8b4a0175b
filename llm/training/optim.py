"""Optimizers and the learning rate's course over a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from llm.config import TrainingConfig
from llm.training.muon import Muon


def schedule(step: int, config: TrainingConfig) -> float:
    """The learning rate of optimizer step `step` (1 … config.steps) as a share of its peak, above 0 and at most 1.

    A linear rise over the first `warmup` share of the steps, then, with r the share from min_lr to 1:
    cosine: r = (1 + cos(π · progress)) / 2;  trapezoid: r = 1, then linearly down over the last `decay` share;
    constant: r = 1. What is reached at the very end is min_lr, so that no step is spent on a rate of 0.
    (Loshchilov & Hutter 2016, arXiv:1608.03983; Hägele et al. 2024, arXiv:2405.18392.)
    """
    warmup_steps = config.warmup * config.steps
    rise = min(1.0, step / (warmup_steps + 1))
    done = step - 1  # steps taken before this one
    left = config.steps - done  # steps still to take, this one included
    if config.schedule == "cosine":
        progress = max(0.0, done - warmup_steps) / max(1.0, config.steps - warmup_steps)
        fall = (1 + math.cos(math.pi * progress)) / 2
    elif config.schedule == "trapezoid" and config.decay > 0:
        fall = min(1.0, left / (config.decay * config.steps))
    else:
        fall = 1.0
    return min(rise, config.min_lr + (1 - config.min_lr) * fall)


def learning_rate(step: int, config: TrainingConfig) -> float:
    """AdamW's learning rate at optimizer step `step` (from 1); Muon's follows the same course from its own peak."""
    return schedule(step, config) * config.learning_rate


def set_learning_rate(optimizers: Iterable[torch.optim.Optimizer], share: float) -> None:
    """Give every parameter group `share` of its own peak learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = share * group["peak"]


def build_optimizers(model: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW over everything, or Muon on the blocks' matrices and AdamW on the rest.

    Weight decay is for matrices only: not for biases and norms, nor for embedding tables, whose rows are looked up and
    not multiplied (a tied W_E counts as a table).
    """
    hidden, decayed, plain = [], [], []
    for name, parameter in model.named_parameters():
        module, leaf = name.split(".")[0], name.split(".")[-1]
        if not leaf.startswith("W_") or module in ("embed", "positions"):
            plain.append(parameter)
        elif module == "blocks" and config.optimizer == "muon":
            hidden.append(parameter)
        else:
            decayed.append(parameter)
    peak = config.learning_rate
    groups: list[dict[str, Any]] = [
        {"params": decayed, "peak": peak, "weight_decay": config.weight_decay},
        {"params": plain, "peak": peak, "weight_decay": 0.0},
    ]
    # fused: one pass over all parameters in place of a dozen
    adamw = torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=peak, betas=(config.beta1, config.beta2), fused=True
    )
    if not hidden:
        return [adamw]
    return [Muon(hidden, peak=config.muon_learning_rate, weight_decay=config.weight_decay), adamw]
