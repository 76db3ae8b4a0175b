"""Normalisation: keep the residual stream at a steady scale, position by position.

Every norm works on the last axis alone, here called width: d_model in the residual stream, d_head where queries and
keys are normalised. The axes before it (batch, pos, perhaps head) are written `...`.

This module imports no torch: each norm's file holds its code, its entry here everything else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.registry import Equation, Registry, by_implementation


@dataclass(frozen=True)
class NormEntry:
    """What others need to know about a norm."""

    label: str
    help: str  # what it does, to follow its name: "layernorm: subtracts the mean and …"
    why: str  # one would choose it, with the paper
    classes: Callable[[str], Any]  # by implementation: subclasses of `base.Norm`, made from (config, width)
    equation: Callable[[ModelConfig], Equation]
    parameters: Callable[[ModelConfig, int], int]  # learned numbers of one norm of this width
    saved_for_backward: Callable[
        [int], int
    ]  # numbers that the fused backward pass keeps for each vector of this width, weights apart
    saved_unfused: Callable[[int], int]  # the same for the other two implementations
    keeps_input: bool  # whether these keep the vector itself, too
    in_float32: bool  # whether the fused one computes, under autocast, in the format of its weights, not of its input
    statistics: tuple[
        str, ...
    ]  # variables of `forward` with one number per vector, which the code reader shows beside it


REGISTRY: Registry[NormEntry] = Registry(
    "norm",
    {
        "layernorm": NormEntry(
            label="LayerNorm",
            help="subtracts the mean and divides by the standard deviation",
            why="Keeps deep networks trainable, whatever the batch (Ba et al. 2016, arXiv:1607.06450).",
            classes=by_implementation(
                "llm.layers.norm.layernorm", "LayerNormWithEinops", "LayerNormWithoutEinops", "LayerNormFused"
            ),
            equation=lambda config: Equation(
                (
                    "{mean} = mean(x),  {variance} = mean((x − {mean})²)",
                    "{return|y} = (x − {mean}) / √({variance} + ε) · γ" + (" + β" if config.bias else ""),
                ),
                "Bring every position to the same scale: subtract its mean, divide by its standard deviation.",
                "Ba, Kiros & Hinton 2016, arXiv:1607.06450",
            ),
            parameters=lambda config, width: width + (width if config.bias else 0),  # γ, β
            saved_for_backward=lambda width: 2 * width + 2,  # input, output, mean, standard deviation
            saved_unfused=lambda width: 3 * width + 1,  # centred and scaled input, output, standard deviation
            keeps_input=False,
            in_float32=False,
            statistics=("mean", "variance"),
        ),
        "rmsnorm": NormEntry(
            label="RMSNorm",
            help="divides by the root mean square",
            why="Leaves out the mean: about as good, and less work (Zhang & Sennrich 2019, arXiv:1910.07467).",
            classes=by_implementation(
                "llm.layers.norm.rmsnorm", "RMSNormWithEinops", "RMSNormWithoutEinops", "RMSNormFused"
            ),
            equation=lambda config: Equation(
                ("{mean_square} = mean(x²)", "{return|y} = x / √({mean_square} + ε) · γ"),
                "Bring every position to the same scale, without moving its mean.",
                "Zhang & Sennrich 2019, arXiv:1910.07467",
            ),
            parameters=lambda config, width: width,  # γ
            saved_for_backward=lambda width: 3 * width + 1,  # input, scaled input, output, root mean square
            saved_unfused=lambda width: 3 * width + 1,
            keeps_input=True,
            in_float32=True,
            statistics=("mean_square",),
        ),
        "nonparametric": NormEntry(
            label="LayerNorm without parameters",
            help="does as layernorm, without learned γ and β",
            why="The fastest of the norms its authors compared, and as stable (the first OLMo: Groeneveld et al. 2024, "
            "arXiv:2402.00838).",
            classes=by_implementation(
                "llm.layers.norm.nonparametric",
                "NonparametricLayerNormWithEinops",
                "NonparametricLayerNormWithoutEinops",
                "NonparametricLayerNormFused",
            ),
            equation=lambda config: Equation(
                (
                    "{mean} = mean(x),  {variance} = mean((x − {mean})²)",
                    "{return|y} = (x − {mean}) / √({variance} + ε)",
                ),
                "Bring every position to the same scale, and learn nothing: subtract its mean, divide by its standard "
                "deviation.",
                "Groeneveld et al. 2024, arXiv:2402.00838",
            ),
            parameters=lambda config, width: 0,
            saved_for_backward=lambda width: 2 * width + 2,  # input, output, mean, standard deviation
            saved_unfused=lambda width: 2 * width + 1,  # centred input, output, standard deviation
            keeps_input=False,
            in_float32=False,
            statistics=("mean", "variance"),
        ),
    },
)
