"""A mixture of experts: many MLPs, of which a router gives each position's vector to a few.

    output = Σ_e weights[e] · MLP_e(x),  over the experts e with weights[e] > 0,  + MLP_shared(x)

Parameters grow with the number of experts, arithmetic only with how many of them a token uses: each expert computes
only the positions that chose it. The pairs of a position and one of its experts are sorted by expert, so each
expert's are contiguous rows, which are multiplied by its own matrices.

Shazeer et al. 2017, arXiv:1701.06538; Fedus et al. 2021, arXiv:2101.03961 (Switch); Jiang et al. 2024, arXiv:2401.04088
(Mixtral); Muennighoff et al. 2024, arXiv:2409.02060 (OLMoE). Shared experts, which all positions go through: Dai et
al. 2024, arXiv:2401.06066 (DeepSeekMoE); several are one MLP as wide as all of them, which computes the same.

`choice` counts a position's experts. While training with a capacity, there are fewer rows than batch·pos·choice.
"""

from __future__ import annotations

import math

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.mlp import REGISTRY
from llm.layers.mlp.dense import build_shared_experts
from llm.layers.mlp.router import build_router


class MixtureOfExperts(nn.Module):
    """A router, the experts' matrices in one stack each, and the shared experts, if there are any.

    Parameters: `W_in` [n_experts, d_model, d_mlp], `W_out` [n_experts, d_mlp, d_model], and for a gated activation
    `W_gate` as `W_in`; `b_in`, `b_gate` [n_experts, d_mlp], `b_out` [n_experts, d_model]. Each expert starts as an MLP
    does (`llm.layers.mlp.plain`). Hooks: those of the router and of the shared experts; an expert's
    hidden numbers have none, because they exist for its own positions only.
    """

    def __init__(self, config: ModelConfig, implementation: Implementation) -> None:
        super().__init__()
        self.activation = REGISTRY[config.activation].function(implementation)
        self.gated = REGISTRY[config.activation].gated
        self.n_experts = config.n_experts
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        into, out_of = (
            (config.n_experts, config.d_model, config.d_mlp),
            (config.n_experts, config.d_mlp, config.d_model),
        )
        self.router = build_router(config, implementation)
        self.W_in = nn.Parameter(torch.empty(into).normal_(std=deviation))
        self.W_gate = nn.Parameter(torch.empty(into).normal_(std=deviation)) if self.gated else None
        self.W_out = nn.Parameter(torch.empty(out_of).normal_(std=deviation / math.sqrt(2 * config.n_layers)))
        self.b_in = nn.Parameter(torch.zeros(config.n_experts, config.d_mlp)) if config.bias else None
        self.b_gate = nn.Parameter(torch.zeros(config.n_experts, config.d_mlp)) if config.bias and self.gated else None
        self.b_out = nn.Parameter(torch.zeros(config.n_experts, config.d_model)) if config.bias else None
        self.shared = build_shared_experts(config, implementation)


class MixtureOfExpertsWithEinops(MixtureOfExperts):
    """Every reshape and contraction is an einops call."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        weights = self.router(resid)  # [batch, pos, expert]
        by_expert = rearrange(weights, "batch pos expert -> expert batch pos")  # [expert, batch, pos]
        expert, sequence, position = by_expert.nonzero(as_tuple=True)  # [batch·pos·choice]
        counts = expert.bincount(minlength=self.n_experts).tolist()
        read = resid[sequence, position]  # [batch·pos·choice, d_model]
        pre = self.each_by_its_own(read, self.W_in, counts)  # [batch·pos·choice, d_mlp]
        pre = pre if self.b_in is None else pre + self.b_in[expert]  # [batch·pos·choice, d_mlp]
        if self.W_gate is None:
            hidden = self.activation(pre)  # [batch·pos·choice, d_mlp]
        else:
            gate = self.each_by_its_own(read, self.W_gate, counts)  # [batch·pos·choice, d_mlp]
            gate = gate if self.b_gate is None else gate + self.b_gate[expert]  # [batch·pos·choice, d_mlp]
            hidden = self.activation(gate) * pre  # [batch·pos·choice, d_mlp]
        written = self.each_by_its_own(hidden, self.W_out, counts)  # [batch·pos·choice, d_model]
        written = written if self.b_out is None else written + self.b_out[expert]  # [batch·pos·choice, d_model]
        weight = rearrange(weights[sequence, position, expert], "routed -> routed 1")  # [batch·pos·choice, 1]
        output = torch.zeros_like(resid, dtype=weight.dtype)  # [batch, pos, d_model]
        output = output.index_put((sequence, position), weight * written, accumulate=True)  # [batch, pos, d_model]
        return output if self.shared is None else output + self.shared(resid)  # [batch, pos, d_model]

    def each_by_its_own(self, rows: Tensor, matrices: Tensor, counts: list[int]) -> Tensor:
        """Each expert's rows times its own matrix."""
        pairs = zip(rows.split(counts), matrices, strict=True)
        return torch.cat([einsum(own, matrix, "routed d_in, d_in d_out -> routed d_out") for own, matrix in pairs])


class MixtureOfExpertsWithoutEinops(MixtureOfExperts):
    """Matmuls, and indices of positions counted over all sequences."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        weights = self.router(resid).flatten(0, 1)  # [batch·pos, expert]
        expert, position = weights.T.nonzero(as_tuple=True)  # [batch·pos·choice]
        counts = expert.bincount(minlength=self.n_experts).tolist()
        vectors = resid.flatten(0, 1)  # [batch·pos, d_model]
        read = vectors[position]  # [batch·pos·choice, d_model]
        pre = self.each_by_its_own(read, self.W_in, counts)  # [batch·pos·choice, d_mlp]
        pre = pre if self.b_in is None else pre + self.b_in[expert]  # [batch·pos·choice, d_mlp]
        if self.W_gate is None:
            hidden = self.activation(pre)  # [batch·pos·choice, d_mlp]
        else:
            gate = self.each_by_its_own(read, self.W_gate, counts)  # [batch·pos·choice, d_mlp]
            gate = gate if self.b_gate is None else gate + self.b_gate[expert]  # [batch·pos·choice, d_mlp]
            hidden = self.activation(gate) * pre  # [batch·pos·choice, d_mlp]
        written = self.each_by_its_own(hidden, self.W_out, counts)  # [batch·pos·choice, d_model]
        written = written if self.b_out is None else written + self.b_out[expert]  # [batch·pos·choice, d_model]
        weight = weights[position, expert].unsqueeze(1)  # [batch·pos·choice, 1]
        output = torch.zeros_like(vectors, dtype=weight.dtype)  # [batch·pos, d_model]
        output = output.index_put((position,), weight * written, accumulate=True)  # [batch·pos, d_model]
        output = output.view(resid.shape)  # [batch, pos, d_model]
        return output if self.shared is None else output + self.shared(resid)  # [batch, pos, d_model]

    def each_by_its_own(self, rows: Tensor, matrices: Tensor, counts: list[int]) -> Tensor:
        """Each expert's rows times its own matrix."""
        pairs = zip(rows.split(counts), matrices, strict=True)
        return torch.cat([torch.matmul(own, matrix) for own, matrix in pairs])


class MixtureOfExpertsFused(MixtureOfExperts):
    """Product and bias in one kernel for each expert, rows collected and added by index_select and index_add."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        weights = self.router(resid).flatten(0, 1)  # [batch·pos, expert]
        expert, position = weights.T.nonzero(as_tuple=True)  # [batch·pos·choice]
        counts = expert.bincount(minlength=self.n_experts).tolist()
        vectors = resid.flatten(0, 1)  # [batch·pos, d_model]
        read = vectors.index_select(0, position)  # [batch·pos·choice, d_model]
        pre = self.each_by_its_own(read, self.W_in, self.b_in, counts)  # [batch·pos·choice, d_mlp]
        if self.W_gate is None:
            hidden = self.activation(pre)  # [batch·pos·choice, d_mlp]
        else:
            gate = self.each_by_its_own(read, self.W_gate, self.b_gate, counts)  # [batch·pos·choice, d_mlp]
            hidden = self.activation(gate) * pre  # [batch·pos·choice, d_mlp]
        written = self.each_by_its_own(hidden, self.W_out, self.b_out, counts)  # [batch·pos·choice, d_model]
        weight = weights[position, expert].unsqueeze(1)  # [batch·pos·choice, 1]
        output = torch.zeros_like(vectors, dtype=weight.dtype)  # [batch·pos, d_model]
        output = output.index_add(0, position, weight * written)  # [batch·pos, d_model]
        output = output.view(resid.shape)  # [batch, pos, d_model]
        return output if self.shared is None else output + self.shared(resid)  # [batch, pos, d_model]

    def each_by_its_own(self, rows: Tensor, matrices: Tensor, biases: Tensor | None, counts: list[int]) -> Tensor:
        """Each expert's rows times its own matrix, and its bias added."""
        each_bias = [None] * len(counts) if biases is None else biases.unbind()
        parts = zip(rows.split(counts), matrices.unbind(), each_bias, counts, strict=True)
        products = [nn.functional.linear(own, matrix.T, bias) for own, matrix, bias, count in parts if count]
        return torch.cat(products or [rows @ matrices[0]])
