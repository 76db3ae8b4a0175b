"""What every optimizer here has: groups of parameters with their settings, and a state for each parameter.

A state is of the rows of the parameter that this process has: of all, unless it is sharded (`llm.runtime.sharding`).

The interface and the state dict are those of `torch.optim.Optimizer`, so torch's own optimizers can stand in for these.
That class is not used because its first object imports torch._dynamo, which takes longer than everything else before
the first step.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from llm.runtime.sharding import local, own_rows, whole


class Optimizer:
    """Groups of parameters, each `{"params": …, "lr": …}` with further settings; `step` is the subclass's."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups = groups
        self.state: defaultdict[nn.Parameter, dict[str, Tensor]] = defaultdict(dict)  # empty before the first step

    def step(self) -> None:
        """Step every parameter that has a gradient."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Set all gradients to zero. They keep their memory: among activations they would split what is freed there."""
        for parameter in self._parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """State and settings, with the parameters numbered through all groups. Sharded states are gathered: `whole`."""
        numbers = {parameter: number for number, parameter in enumerate(self._parameters())}
        return {
            "state": {
                numbers[parameter]: {name: whole(value, parameter) for name, value in state.items()}
                for parameter, state in self.state.items()
            },
            "param_groups": [
                group | {"params": [numbers[parameter] for parameter in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from the state in `saved`; the settings stay those of this optimizer."""
        parameters = self._parameters()
        self.state.clear()
        for number, state in saved["state"].items():
            parameter = parameters[number]
            self.state[parameter] = {
                name: own_rows(value, parameter).to(local(parameter).device, copy=True) for name, value in state.items()
            }

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]
