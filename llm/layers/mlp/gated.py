"""The gated MLP: output = (f(x · W_gate) ⊙ (x · W_in)) · W_out (Shazeer 2020, arXiv:2002.05202)."""

from __future__ import annotations

import math

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.mlp.plain import MLP


class GatedMLP(MLP):
    """An MLP whose third matrix, the gate, decides how much of each hidden number passes.

    Parameters: those of `MLP`, and `W_gate` [d_model, d_mlp], `b_gate` [d_mlp]. Hooks: pre, gate (after the activation
    function), hidden.
    """

    def __init__(self, config: ModelConfig, implementation: Implementation, d_mlp: int) -> None:
        super().__init__(config, implementation, d_mlp)
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        self.W_gate = nn.Parameter(torch.empty(config.d_model, d_mlp).normal_(std=deviation))
        self.b_gate = nn.Parameter(torch.zeros(d_mlp)) if config.bias else None
        self.hook_gate = nn.Identity()


class GatedMLPWithEinops(GatedMLP):
    """Three einops contractions."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = einsum(resid, self.W_in, "batch pos d_model, d_model d_mlp -> batch pos d_mlp")  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        gate = einsum(resid, self.W_gate, "batch pos d_model, d_model d_mlp -> batch pos d_mlp")  # [batch, pos, d_mlp]
        gate = gate if self.b_gate is None else gate + self.b_gate  # [batch, pos, d_mlp]
        gate = self.hook_gate(self.activation(gate))  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(gate * pre)  # [batch, pos, d_mlp]
        output = einsum(
            hidden, self.W_out, "batch pos d_mlp, d_mlp d_model -> batch pos d_model"
        )  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class GatedMLPWithoutEinops(GatedMLP):
    """Three matmuls."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = torch.matmul(resid, self.W_in)  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        gate = torch.matmul(resid, self.W_gate)  # [batch, pos, d_mlp]
        gate = gate if self.b_gate is None else gate + self.b_gate  # [batch, pos, d_mlp]
        gate = self.hook_gate(self.activation(gate))  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(gate * pre)  # [batch, pos, d_mlp]
        output = torch.matmul(hidden, self.W_out)  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class GatedMLPFused(GatedMLP):
    """Product and bias in one kernel each."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(nn.functional.linear(resid, self.W_in.T, self.b_in))  # [batch, pos, d_mlp]
        gate = nn.functional.linear(resid, self.W_gate.T, self.b_gate)  # [batch, pos, d_mlp]
        gate = self.hook_gate(self.activation(gate))  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(gate * pre)  # [batch, pos, d_mlp]
        return nn.functional.linear(hidden, self.W_out.T, self.b_out)  # [batch, pos, d_model]
