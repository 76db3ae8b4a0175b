"""Optimizers: how a gradient becomes a step.

This module imports no torch: each optimizer's file holds its code, its entry here everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from llm.registry import Equation, Registry, imported


@dataclass(frozen=True)
class ShownStep:
    """The first optimizer step of a run as the Code page shows it: real functions, run on one weight."""

    name: str  # in the page's address
    title: str
    equation: Equation
    module: str  # whose file is shown
    functions: tuple[str, ...]  # functions of that module whose lines are traced
    weights: tuple[tuple[str, str], ...]  # a layer and its parameter: the first that a model has is stepped
    first: Callable[..., None]  # (weight, gradient, TrainingConfig): takes the first step on the weight, in place
    axes: tuple[str, ...]  # of the weight
    variables: tuple[str, ...]  # the functions' variables that have the weight's shape


@dataclass(frozen=True)
class OptimizerEntry:
    """What others need to know of an optimizer."""

    label: str
    help: str  # what it does, as the end of a sentence
    learning_rates: tuple[str, ...]  # the config's fields that are its peak learning rates
    learning_rate: Callable[[int, int], float]  # AdamW's peak if a config has none, from d_model and n_layers
    build: Callable[..., Any]  # (ParameterGroups, TrainingConfig): a list of `Optimizer`s; see `build`
    state_per_hidden_weight: int  # float32 numbers that it keeps for each weight of the blocks' matrices
    state_per_other_parameter: int  # and for each of all other parameters
    step_copies: int  # copies in a step of the largest group of matrices of one shape, in float32
    steps: tuple[ShownStep, ...]


_ADAMW_STEP = ShownStep(
    name="adamw",
    title="AdamW step",
    equation=Equation(
        (
            "{mean|m} ← β₁ {mean|m} + (1 − β₁) g",
            "{mean_square|v} ← β₂ {mean_square|v} + (1 − β₂) g²",
            "{unbiased_mean|m̂} = {mean|m} / (1 − β₁ᵗ),  {unbiased_mean_square|v̂} = {mean_square|v} / (1 − β₂ᵗ)",
            "{weight|θ} ← {weight|θ} − η λ {weight|θ}",
            "{weight|θ} ← {weight|θ} − η {unbiased_mean|m̂} / (√{unbiased_mean_square|v̂} + ε)",
        ),
        "Keep running means of the gradient and of its square, and step by their ratio: however small its gradients, a "
        "weight moves by the learning rate η if they agree, and by less if their signs differ. In addition, all "
        "matrices shrink a little. "
        "Shown: a step from these weights with the gradient of this text, at the learning rate of the run's first step "
        "and, as there, from running means of 0.",
        "Loshchilov & Hutter 2017, arXiv:1711.05101",
    ),
    module="llm.training.optimizers.adamw",
    functions=("adamw_step",),
    weights=(("blocks.0.mlp", "W_in"),),
    axes=("d_model", "d_mlp"),
    first=imported("llm.training.optimizers.adamw", "first_step"),
    variables=("weight", "mean", "mean_square", "unbiased_mean", "unbiased_mean_square"),
)

_ADAMW_STEP_OF_A_NORM = replace(  # whose γ has no weight decay
    _ADAMW_STEP,
    weights=(("blocks.0.norm_attention", "w"), ("blocks.0.norm_attention_out", "w"), ("blocks.0.norm_mlp", "w")),
    axes=("d_model",),
    first=imported("llm.training.optimizers.adamw", "first_step_without_decay"),
)

_MUON_STEP = ShownStep(
    name="muon",
    title="Muon step",
    equation=Equation(
        (
            "{mean|M} ← μ {mean|M} + (1 − μ) G",
            "{ahead|U} = μ {mean|M} + (1 − μ) G",
            "{x|X} = {ahead|U} / ‖{ahead|U}‖,  then five times:",
            "{gram} = {x|X} {x|X}ᵀ,  {x|X} ← a {x|X} + (b {gram} + c {gram}²) {x|X}",
            "{direction|O} = {x|X}",
            "{weight|W} ← {weight|W} − η λ {weight|W}",
            "{weight|W} ← {weight|W} − η √max(1, fan_out / fan_in) {direction|O}",
        ),
        "Keep a running mean of the gradient, make its singular values nearly equal, and step: all directions of the "
        "matrix move about equally far. In addition, all matrices shrink a little. Shown: a step from these weights "
        "with the gradient of this text, at the learning rate of the run's first step and, as there, from a mean of 0.",
        "Jordan 2024, kellerjordan.github.io/posts/muon",
    ),
    module="llm.training.optimizers.muon",
    functions=("orthogonalized", "muon_step"),
    weights=(("blocks.0.mlp", "W_in"),),
    axes=("d_model", "d_mlp"),
    first=imported("llm.training.optimizers.muon", "first_step"),
    variables=("weight", "mean", "ahead", "direction"),
)


def _adamw_alone(d_model: int, n_layers: int) -> float:
    """0.003 · (128 / d_model) · √min(1, 3 / n_layers), to two digits.

    Small: 0.003; medium: 0.00071; full: 0.00025.

    In inverse proportion to the width, as for Adam's hidden matrices in Yang et al. 2022 (arXiv:2203.03466), and to the
    root of the depth, as in Yang et al. 2023 (arXiv:2310.02244), from three layers on: no fewer have been measured. The
    measurements: docs/optimizers.md.
    """
    return float(f"{0.003 * 128 / d_model * math.sqrt(min(1, 3 / n_layers)):.2g}")


REGISTRY: Registry[OptimizerEntry] = Registry(
    "optimizer",
    {
        "adamw": OptimizerEntry(
            label="AdamW",
            help="AdamW for every parameter; its learning rate falls with width and depth unless given",
            learning_rates=("learning_rate",),
            learning_rate=_adamw_alone,
            build=imported("llm.training.optimizers.adamw", "build"),
            state_per_hidden_weight=2,  # running means of the gradient and of its square
            state_per_other_parameter=2,
            step_copies=0,  # in place
            steps=(_ADAMW_STEP,),
        ),
        "muon": OptimizerEntry(
            label="Muon",
            help="Muon for the blocks' matrices, AdamW for the rest, at a learning rate of 0.01 unless given",
            learning_rates=("muon_learning_rate", "learning_rate"),
            learning_rate=lambda d_model, n_layers: 0.01,
            build=imported("llm.training.optimizers.muon", "build"),
            state_per_hidden_weight=1,  # a running mean of the gradient
            state_per_other_parameter=2,  # AdamW's
            step_copies=3,  # gradients, means, and what is between the two
            steps=(_MUON_STEP, _ADAMW_STEP_OF_A_NORM),
        ),
    },
)
