"""Group a model's parameters and build their optimizers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from llm.config import TrainingConfig
from llm.model import Transformer
from llm.training.optimizers import REGISTRY
from llm.training.optimizers.base import Optimizer


@dataclass(frozen=True)
class ParameterGroups:
    """A model's parameters by how optimizers treat them, each group in the model's order.

    Weight decay is for the matrices alone: not for biases and norms, nor for embedding tables, whose rows are looked up
    and not multiplied (a tied W_E counts as a table).
    """

    hidden_matrices: list[nn.Parameter]  # the blocks'
    output_first: list[bool]  # whether each of these is stored [output, input] (W_Q, W_K, W_V) or [input, output]
    stacked: list[bool]  # whether each is a stack of matrices [expert, input, output]
    other_matrices: list[nn.Parameter]  # the unembedding, and routers: they choose among tokens or experts
    others: list[nn.Parameter]  # biases, norms and embedding tables


def parameter_groups(model: nn.Module) -> ParameterGroups:
    """The parameters of a `Transformer`, each in one group."""
    groups = ParameterGroups([], [], [], [], [])
    for name, parameter in model.named_parameters():
        module, leaf = name.split(".")[0], name.split(".")[-1]
        if not leaf.startswith("W_") or module in ("embed", "positions") or "score_bias" in name:
            groups.others.append(parameter)
        elif module == "blocks" and leaf != "W_router":
            groups.hidden_matrices.append(parameter)
            groups.output_first.append(leaf in ("W_Q", "W_K", "W_V"))
            groups.stacked.append(parameter.dim() == 3 and ".mlp." in name)
        else:
            groups.other_matrices.append(parameter)
    return groups


def build_optimizers(model: Transformer, config: TrainingConfig) -> list[Optimizer]:
    """The optimizers of the config's kind. Each of their groups names its peak learning rate, `peak`."""
    build = REGISTRY[config.optimizer].build
    optimizers: list[Optimizer] = build(parameter_groups(model), config.for_model(model.config))
    return optimizers


def set_learning_rate(optimizers: Iterable[Optimizer], multiplier: float) -> None:
    """Give every group of parameters `multiplier` times its own peak learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = multiplier * group["peak"]
