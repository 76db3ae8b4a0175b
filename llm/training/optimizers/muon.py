"""Muon: a step that moves all directions of a matrix about equally far.

Jordan 2024, kellerjordan.github.io/posts/muon. For a matrix W with gradient G:

    M ← μ M + (1 − μ) G                running mean of the gradient
    U = μ M + (1 − μ) G                a look ahead (Nesterov)
    O = orthogonalized(U)              U = A Σ Bᵀ becomes nearly A Bᵀ: see `orthogonalized`
    W ← W − η λ W                      weight decay, separate from the gradient
    W ← W − η √max(1, fan_out / fan_in) O

`muon_step` is one step of one matrix, written to be read; a test shows that `Muon` agrees. A small model has many small
matrices, and multiplying one of them takes less time than handing it to a second core. So `Muon` steps
matrices of one shape together, as one stack.

Of a sharded parameter (`llm.runtime.sharding`) each process updates its own rows. Only `orthogonalized` needs the whole
matrix: each process gets some of the stack's matrices whole, and gives the others their rows of the result.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import TrainingConfig
from llm.runtime.device import has_bfloat16
from llm.runtime.sharding import local, of_whole_matrices
from llm.training.optimizers.adamw import AdamW
from llm.training.optimizers.base import Optimizer
from llm.training.schedule import learning_rate_multiplier

if TYPE_CHECKING:
    from llm.training.optimizers.build import ParameterGroups

MOMENTUM = 0.95  # μ
ITERATIONS = 5  # of Newton and Schulz: more make little difference
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the author's: small singular values rise fastest


def orthogonalized(
    matrices: Float[Tensor, "matrix row column"], eps: float = 1e-7
) -> Float[Tensor, "matrix row column"]:
    """Each matrix A Σ Bᵀ as A S Bᵀ, with S between 0.679 and 1.203, by five iterations of Newton and Schulz.

    That holds, in exact arithmetic, for all singular values of at least 0.0015 times the matrix's Frobenius norm;
    smaller ones grow by at most a⁵ = 485 times the ratio.

    X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X leaves A and B unchanged and maps each singular value s to a s + b s³ + c s⁵,
    which moves all that are in (0, 1] towards 1. It needs products of matrices alone, and no decomposition.
    """
    a, b, c = COEFFICIENTS
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT  # [matrix, short, long]
    # no singular value exceeds the root of the sum of their squares
    x = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp(min=eps)  # [matrix, short, long]
    for _ in range(ITERATIONS):
        gram = x @ x.mT  # [matrix, short, short]
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)  # [matrix, short, long]
    return x if wide is matrices else x.mT  # [matrix, row, column]


@torch.no_grad()
def muon_step(
    weight: Float[Tensor, "row column"],
    gradient: Float[Tensor, "row column"],
    mean: Float[Tensor, "row column"],
    *,
    learning_rate: float,
    weight_decay: float,
    output_first: bool,
) -> None:
    """Update one matrix `weight`, and `mean` (M), in place. `output_first`: whether its rows are the outputs."""
    mean.mul_(MOMENTUM).add_((1 - MOMENTUM) * gradient)
    ahead = MOMENTUM * mean + (1 - MOMENTUM) * gradient
    direction = orthogonalized(ahead.unsqueeze(0)).squeeze(0)
    fan_out, fan_in = weight.shape if output_first else weight.mT.shape
    weight.sub_(learning_rate * weight_decay * weight)
    weight.sub_(learning_rate * step_scale(fan_out, fan_in) * direction)


def step_scale(fan_out: int, fan_in: int) -> float:
    """√max(1, fan_out / fan_in): a matrix with more outputs than inputs takes longer steps."""
    return math.sqrt(max(1, fan_out / fan_in))


def first_step(weight: Tensor, gradient: Tensor, config: TrainingConfig) -> None:
    """`muon_step` of a matrix stored [input, output] from the initial state, at the first step's learning rate."""
    muon_step(
        weight,
        gradient,
        mean=torch.zeros_like(weight),
        learning_rate=learning_rate_multiplier(1, config) * config.muon_learning_rate,
        weight_decay=config.weight_decay,
        output_first=False,
    )


def build(groups: ParameterGroups, config: TrainingConfig) -> list[Optimizer]:
    """Muon over the blocks' matrices, AdamW over every other parameter."""
    muon = Muon(
        groups.hidden_matrices,
        groups.output_first,
        groups.stacked,
        config.muon_learning_rate,
        config.weight_decay,
        use_bfloat16=config.precision != "float32",
    )
    return [muon, AdamW(groups.other_matrices, groups.others, config)]


class Muon(Optimizer):
    """Muon for parameters of two or more axes.

    An attention matrix here is [n_heads, d_head, d_model]; it is stepped as [n_heads · d_head, d_model], the linear map
    of all heads, as the author does. One of `stacked` [n_experts, d_model, d_mlp] is as many matrices as there are
    experts, each stepped by itself. `output_first` says of each parameter which axis is the output's: the first, as in
    W_Q, or the last, as in W_in. The step's scale is the author's own, too: 200 steps of the small llama end at a
    validation loss of 0.580 and 0.593 (seeds 1 and 2), and at 0.583 and 0.596 without a scale; the command is
    `benchmarks/optimizers.py --only muon muon-unscaled --seeds 1 2`. With `use_bfloat16` the iteration runs in
    bfloat16, as the author's does, where the device has instructions for it.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        output_first: Iterable[bool],
        stacked: Iterable[bool],
        peak: float,
        weight_decay: float,
        use_bfloat16: bool = True,
    ) -> None:
        parameters = list(parameters)
        super().__init__([{"params": parameters, "peak": peak, "lr": peak, "weight_decay": weight_decay}])
        self._output_first = dict(zip(parameters, output_first, strict=True))
        self._stacked = dict(zip(parameters, stacked, strict=True))
        self._use_bfloat16 = use_bfloat16

    @torch.no_grad()
    def step(self) -> None:
        """Step every parameter that has a gradient."""
        for group in self.param_groups:
            stacks: dict[tuple[torch.Size, float, bool], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    stacked = self._stacked[parameter]
                    rows, columns = math.prod(parameter.shape[stacked:-1]), parameter.shape[-1]
                    fans = (rows, columns) if self._output_first[parameter] else (columns, rows)
                    stacks[parameter.shape, step_scale(*fans), stacked].append(parameter)
            for (_, scale, stacked), parameters in stacks.items():
                self._step_together(parameters, stacked, scale * group["lr"], group["lr"] * group["weight_decay"])

    def _step_together(self, parameters: list[nn.Parameter], stacked: bool, length: float, decay: float) -> None:
        gradients = [_as_matrix(parameter.grad, stacked) for parameter in parameters if parameter.grad is not None]
        means = [
            self.state[parameter].setdefault("momentum_buffer", torch.zeros_like(gradient))
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
        torch._foreach_lerp_(means, gradients, 1 - MOMENTUM)
        ahead = torch.stack(gradients).lerp(torch.stack(means), MOMENTUM)  # [matrix, row, column]
        in_bfloat16 = self._use_bfloat16 and has_bfloat16(ahead.device)
        rough = ahead.bfloat16() if in_bfloat16 else ahead  # [matrix, row, column], or of stacks [parameter, expert, …]
        if stacked:  # a process that has some rows of a stack has some experts' matrices, and these whole
            steps = orthogonalized(rough.flatten(0, 1)).view_as(ahead).to(ahead.dtype)
        else:
            steps = of_whole_matrices(orthogonalized, rough, parameters[0]).to(ahead.dtype)  # [matrix, row, column]
        matrices = [_as_matrix(parameter, stacked) for parameter in parameters]
        torch._foreach_mul_(matrices, 1 - decay)
        torch._foreach_add_(matrices, list(steps), alpha=-length)


def _as_matrix(tensor: Tensor, stacked: bool) -> Tensor:
    """[rows, columns], or of a stack [expert, rows, columns]: the same memory."""
    return local(tensor) if stacked else local(tensor).view(-1, tensor.shape[-1])
