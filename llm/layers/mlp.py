"""The MLP: every position thinks about what it has gathered, on its own.

GELU, ReLU:  output = f(x · W_in + b_in) · W_out + b_out             (Vaswani et al. 2017; GELU: arXiv:1606.08415)
             GELU(x) = x · Φ(x), Φ the normal distribution function; ReLU(x) = max(x, 0)
SwiGLU:      output = (SiLU(x · W_gate) ⊙ (x · W_in)) · W_out        (Shazeer 2020, arXiv:2002.05202)
             SiLU(x) = x · σ(x), σ(x) = 1 / (1 + e^−x)
"""

from __future__ import annotations

import math

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig


class MLP(nn.Module):
    """Two matrices with GELU or ReLU between them.

    Parameters: `W_in` [d_model, d_mlp], `W_out` [d_mlp, d_model], start normal with deviation
    0.02 · sqrt(768 / d_model), `W_out` smaller by sqrt(2 · n_layers); `b_in` [d_mlp], `b_out` [d_model], start at 0.
    Hooks: pre (before the non-linearity), hidden (after it).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        self.W_in = nn.Parameter(torch.empty(config.d_model, config.d_mlp).normal_(std=deviation))
        self.W_out = nn.Parameter(
            torch.empty(config.d_mlp, config.d_model).normal_(std=deviation / math.sqrt(2 * config.n_layers))
        )
        self.b_in = nn.Parameter(torch.zeros(config.d_mlp)) if config.bias else None
        self.b_out = nn.Parameter(torch.zeros(config.d_model)) if config.bias else None
        self.hook_pre, self.hook_hidden = nn.Identity(), nn.Identity()


class MLPWithEinops(MLP):
    """Both products as einops contractions, the non-linearity written out."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = einsum(resid, self.W_in, "batch pos d_model, d_model d_mlp -> batch pos d_mlp")  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        hidden = pre * _normal_cdf(pre) if self.activation == "gelu" else pre.clamp(min=0)  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(hidden)  # [batch, pos, d_mlp]
        output = einsum(
            hidden, self.W_out, "batch pos d_mlp, d_mlp d_model -> batch pos d_model"
        )  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class MLPWithoutEinops(MLP):
    """Both products as matmuls, the non-linearity written out."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = torch.matmul(resid, self.W_in)  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        hidden = pre * _normal_cdf(pre) if self.activation == "gelu" else pre.clamp(min=0)  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(hidden)  # [batch, pos, d_mlp]
        output = torch.matmul(hidden, self.W_out)  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class MLPFused(MLP):
    """Product and bias in one kernel, the non-linearity in another."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(nn.functional.linear(resid, self.W_in.T, self.b_in))  # [batch, pos, d_mlp]
        nonlinearity = nn.functional.gelu if self.activation == "gelu" else nn.functional.relu
        hidden = self.hook_hidden(nonlinearity(pre))  # [batch, pos, d_mlp]
        return nn.functional.linear(hidden, self.W_out.T, self.b_out)  # [batch, pos, d_model]


class GatedMLP(MLP):
    """SwiGLU: a third matrix decides how much of each hidden number passes.

    Parameters: those of `MLP`, and `W_gate` [d_model, d_mlp], `b_gate` [d_mlp]. Hooks: pre, gate (after SiLU), hidden.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        self.W_gate = nn.Parameter(torch.empty(config.d_model, config.d_mlp).normal_(std=deviation))
        self.b_gate = nn.Parameter(torch.zeros(config.d_mlp)) if config.bias else None
        self.hook_gate = nn.Identity()


class GatedMLPWithEinops(GatedMLP):
    """Three einops contractions, SiLU written out."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = einsum(resid, self.W_in, "batch pos d_model, d_model d_mlp -> batch pos d_mlp")  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        gate = einsum(resid, self.W_gate, "batch pos d_model, d_model d_mlp -> batch pos d_mlp")  # [batch, pos, d_mlp]
        gate = gate if self.b_gate is None else gate + self.b_gate  # [batch, pos, d_mlp]
        gate = self.hook_gate(gate * gate.sigmoid())  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(gate * pre)  # [batch, pos, d_mlp]
        output = einsum(
            hidden, self.W_out, "batch pos d_mlp, d_mlp d_model -> batch pos d_model"
        )  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class GatedMLPWithoutEinops(GatedMLP):
    """Three matmuls, SiLU written out."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = torch.matmul(resid, self.W_in)  # [batch, pos, d_mlp]
        pre = self.hook_pre(pre if self.b_in is None else pre + self.b_in)  # [batch, pos, d_mlp]
        gate = torch.matmul(resid, self.W_gate)  # [batch, pos, d_mlp]
        gate = gate if self.b_gate is None else gate + self.b_gate  # [batch, pos, d_mlp]
        gate = self.hook_gate(gate * torch.sigmoid(gate))  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(gate * pre)  # [batch, pos, d_mlp]
        output = torch.matmul(hidden, self.W_out)  # [batch, pos, d_model]
        return output if self.b_out is None else output + self.b_out  # [batch, pos, d_model]


class GatedMLPFused(GatedMLP):
    """Product and bias in one kernel each, and torch's SiLU."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(nn.functional.linear(resid, self.W_in.T, self.b_in))  # [batch, pos, d_mlp]
        gate = nn.functional.linear(resid, self.W_gate.T, self.b_gate)  # [batch, pos, d_mlp]
        gate = self.hook_gate(nn.functional.silu(gate))  # [batch, pos, d_mlp]
        hidden = self.hook_hidden(gate * pre)  # [batch, pos, d_mlp]
        return nn.functional.linear(hidden, self.W_out.T, self.b_out)  # [batch, pos, d_model]


MLPS = {"einops": MLPWithEinops, "torch": MLPWithoutEinops, "fused": MLPFused}
GATED_MLPS = {"einops": GatedMLPWithEinops, "torch": GatedMLPWithoutEinops, "fused": GatedMLPFused}


def build_mlp(config: ModelConfig, implementation: Implementation) -> MLP:
    """The MLP that the config's activation asks for."""
    return (GATED_MLPS if config.activation == "swiglu" else MLPS)[implementation](config)


def _normal_cdf(x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """Φ(x), the share of a normal distribution that lies below x."""
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))
