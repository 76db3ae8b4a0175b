"""The MLP of a decode step (`llm.decoding`): one new vector for each sequence of a batch."""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from llm.int8 import dequantised, matrix
from llm.products import product
from llm.runtime.evaluation_mode import evaluating


class DenseStep:
    """An MLP: one matrix for its gate and its input, and a buffer for its hidden numbers."""

    hidden: Tensor  # [batch, d_mlp or twice], a part of the buffer
    gate: Tensor  # [batch, d_mlp], the part of it that the activation function reads
    pre: Tensor | None  # [batch, d_mlp], the other part of a gated one

    def __init__(self, mlp: Any, batch_size: int) -> None:
        self.activation, self.gated = mlp.activation, hasattr(mlp, "W_gate")
        self.W_hidden = matrix(mlp, *["W_gate"] * self.gated, "W_in")  # [d_model, d_mlp or twice]
        self.W_out = matrix(mlp, "W_out")  # [d_mlp, d_model]
        self.b_hidden = self.b_out = None
        if mlp.b_in is not None:
            self.b_hidden = torch.cat([mlp.b_gate, mlp.b_in]) if self.gated else mlp.b_in
            self.b_out = mlp.b_out
        self.buffer = mlp.W_out.new_zeros(batch_size, (1 + self.gated) * len(mlp.W_out))

    def of_rows(self, count: int) -> DenseStep:
        """The same with a buffer of `count` rows."""
        narrow = copy.copy(self)
        narrow.hidden = self.buffer[:count]
        narrow.gate, narrow.pre = narrow.hidden.chunk(2, dim=1) if self.gated else (narrow.hidden, None)
        return narrow

    def __call__(self, read: Float[Tensor, "batch d_model"], written: Tensor) -> Float[Tensor, "batch d_model"]:
        """What it writes, which is `written` then."""
        product(self.hidden, read, self.W_hidden, self.b_hidden)
        hidden = self.activation(self.gate)
        if self.pre is not None:
            hidden = hidden * self.pre
        product(written, hidden, self.W_out, self.b_out)
        return written


class ExpertsStep:
    """A mixture of experts, computed by the model's own layer: only the chosen ones compute."""

    def __init__(self, mlp: Any) -> None:
        self.layer = dequantised(mlp)  # integers would become weights again for each token, those of all experts

    def of_rows(self, count: int) -> ExpertsStep:
        """Itself: it has no buffers."""
        return self

    def __call__(self, read: Float[Tensor, "batch d_model"], written: Tensor) -> Float[Tensor, "batch d_model"]:
        """What it writes, a tensor of its own."""
        with evaluating(self.layer):  # where no expert has a capacity
            output: Tensor = self.layer.forward(read.unsqueeze(1))  # [batch, 1, d_model]
        return output.squeeze(1)


def mlp_step(mlp: Any, batch_size: int) -> DenseStep | ExpertsStep:
    """The step of one MLP, or of a mixture of experts. Raises AttributeError for another layer."""
    return ExpertsStep(mlp) if hasattr(mlp, "router") else DenseStep(mlp, batch_size)
