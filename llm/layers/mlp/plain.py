"""The plain MLP: output = f(x · W_in + b_in) · W_out + b_out (Vaswani et al. 2017)."""

from __future__ import annotations

import math

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.mlp import REGISTRY


class MLP(nn.Module):
    """Two matrices with the config's activation function between them.

    Parameters: `W_in` [d_model, d_mlp], `W_out` [d_mlp, d_model], start normal with deviation
    0.02 · sqrt(768 / d_model), `W_out` smaller by sqrt(2 · n_layers); `b_in` [d_mlp], `b_out` [d_model], start at 0.
    Hooks: pre (before the activation function), hidden (after it).
    """

    def __init__(self, config: ModelConfig, implementation: Implementation, d_mlp: int) -> None:
        super().__init__()
        self.activation = REGISTRY[config.activation].function(implementation)
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        self.W_in = nn.Parameter(torch.empty(config.d_model, d_mlp).normal_(std=deviation))
        self.W_out = nn.Parameter(
            torch.empty(d_mlp, config.d_model).normal_(std=deviation / math.sqrt(2 * config.n_layers))
        )
        self.b_in = nn.Parameter(torch.zeros(d_mlp)) if config.bias else None
        self.b_out = nn.Parameter(torch.zeros(config.d_model)) if config.bias else None
        self.hook_pre, self.hook_hidden = nn.Identity(), nn.Identity()

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has: shared experts are wider than one."""
        return {"d_mlp": self.W_in.shape[1]}


class MLPWithEinops(MLP):
    """Both products as einops contractions."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = einsum(resid, self.W_in, "batch pos d_model, d_model d_mlp -> batch pos d_mlp")  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(self.activation(pre))  # [batch, pos, d_mlp]
        output = einsum(
            hidden, self.W_out, "batch pos d_mlp, d_mlp d_model -> batch pos d_model"
        )  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class MLPWithoutEinops(MLP):
    """Both products as matmuls."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = torch.matmul(resid, self.W_in)  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(self.activation(pre))  # [batch, pos, d_mlp]
        output = torch.matmul(hidden, self.W_out)  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class MLPFused(MLP):
    """Product and bias in one kernel, the activation function in another."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(nn.functional.linear(resid, self.W_in.T, self.b_in))  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(self.activation(pre))  # [batch, pos, d_mlp]
        return nn.functional.linear(hidden, self.W_out.T, self.b_out)  # [batch, pos, d_model]
