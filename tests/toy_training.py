"""An optimizer and a schedule that the library does not have, as anyone would add them.

A test registers them with `monkeypatch.setitem(REGISTRY, "toy", …)` and nothing else.
"""

import torch

from llm.registry import Equation
from llm.training.optimizers import OptimizerEntry, ShownStep
from llm.training.schedule import ScheduleEntry


@torch.no_grad()
def momentum_step(weight, gradient, mean, learning_rate):
    """Follow a running mean of the gradient."""
    mean.mul_(0.9).add_(gradient)
    weight.sub_(learning_rate * mean)


def first_step(weight, gradient, config):
    momentum_step(weight, gradient, torch.zeros_like(weight), config.learning_rate)


def build(groups, config):
    parameters = [*groups.hidden_matrices, *groups.other_matrices, *groups.others]
    group = {"params": parameters, "peak": config.learning_rate, "weight_decay": 0.0}
    return [torch.optim.SGD([group], lr=config.learning_rate, momentum=0.9)]


OPTIMIZER = OptimizerEntry(
    label="Momentum",
    help="gradient descent with momentum for every parameter",
    learning_rates=("learning_rate",),
    learning_rate=lambda d_model, n_layers: 0.1,
    build=build,
    state_per_hidden_weight=1,
    state_per_other_parameter=1,
    step_copies=0,
    steps=(
        ShownStep(
            name="toy",
            title="Momentum step",
            equation=Equation(("{mean} ← 0.9 {mean} + g", "{weight|θ} ← {weight|θ} − η {mean}"), "Roll on.", ""),
            module=__name__,
            functions=("momentum_step",),
            weights=(("blocks.0.mlp", "W_in"),),
            axes=("d_model", "d_mlp"),
            first=first_step,
            variables=("weight", "mean"),
        ),
    ),
)
SCHEDULE = ScheduleEntry(
    label="Square root",
    help="falls with the square root of what is left",
    formula="√(steps left / steps)",
    source="",
    fall=lambda done, config: ((config.steps - done) / config.steps) ** 0.5,
    validate=lambda config: None,
)
