"""Gradient norms: how strongly the loss depends on the parameters, in total and by layer.

Over the parameters of a layer, ‖g‖ = √Σ g²; over all, the root of the sum of the layers' squares.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.runtime.sharding import local, norms_of_all_rows


def parameters_by_layer(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters, from input to output: "embed" (with position vectors), "block 0", …, "final".

    "final" is the final norm and, unless it is tied, the unembedding; a tied one is the embedding matrix, in "embed".
    """
    layers: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        module, *rest = name.split(".")
        if module == "blocks":
            layer = f"block {rest[0]}"
        else:
            layer = "embed" if module in ("embed", "positions") else "final"
        layers.setdefault(layer, []).append(parameter)
    return layers


def gradient_norms(layers: dict[str, list[nn.Parameter]]) -> tuple[Float[Tensor, ""], Float[Tensor, " layer"]]:
    """The L2 norm of the gradient over all parameters, and over those of each layer."""
    of_rows = torch.stack([nn.utils.get_total_norm(_gradients(layer)) for layer in layers.values()])  # [layer]
    norms = norms_of_all_rows(of_rows, next(iter(layers.values()))[0])  # [layer]
    return norms.norm(), norms


def _gradients(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [local(parameter.grad) for parameter in parameters if parameter.grad is not None]
