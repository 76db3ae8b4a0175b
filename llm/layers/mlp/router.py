"""The router of a mixture of experts: which few experts each position's vector goes to, and how much each counts.

    logits        = x · W_router
    probabilities = softmax(logits)
    weights[e]    = probabilities[e] for the experts_per_token likeliest experts, 0 for the others
    weights       ← weights / Σ weights                                        (with normalize_expert_weights)

Shazeer et al. 2017, arXiv:1701.06538 (top-k gating); Fedus et al. 2021, arXiv:2101.03961 (Switch: one expert, and its
capacity); Jiang et al. 2024, arXiv:2401.04088 (Mixtral: weights that sum to 1); Muennighoff et al. 2024,
arXiv:2409.02060 (OLMoE: weights as they are, no capacity). The softmax is in float32 at least, as in Switch.
"""

from __future__ import annotations

import math

import torch
from einops import einsum, reduce
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig


class Router(nn.Module):
    """Weights of the chosen experts, and 0 for all others.

    Parameters: `W_router` [d_model, n_experts], starts normal with deviation 0.02 · sqrt(768 / d_model). Hooks:
    router_logits, expert_weights; an expert computes the positions for which its weight is above 0, so replacing
    expert_weights sends positions elsewhere.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.experts_per_token = config.experts_per_token
        self.normalize = config.normalize_expert_weights
        self.capacity = config.expert_capacity
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        self.W_router = nn.Parameter(torch.empty(config.d_model, config.n_experts).normal_(std=deviation))
        self.hook_router_logits, self.hook_expert_weights = nn.Identity(), nn.Identity()

    def within_capacity(self, weights: Float[Tensor, "batch pos expert"]) -> Float[Tensor, "batch pos expert"]:
        """The weights, but 0 beyond an expert's capacity: capacity · positions · experts_per_token / n_experts.

        Positions are served in their order, sequence by sequence. One that is dropped skips the expert, as in Switch.
        """
        if self.capacity is None:
            return weights
        number = (weights > 0).flatten(0, 1).cumsum(dim=0)  # of each position at its expert, from 1
        limit = math.ceil(self.capacity * len(number) * self.experts_per_token / number.shape[1])
        return weights * (number <= limit).view_as(weights)


class RouterWithEinops(Router):
    """The product and the sum name their axes."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos expert"]:
        logits = einsum(
            resid, self.W_router, "batch pos d_model, d_model expert -> batch pos expert"
        )  # [batch, pos, expert]
        logits = self.hook_router_logits(logits)  # [batch, pos, expert]
        precision = torch.promote_types(logits.dtype, torch.float32)
        probabilities = logits.softmax(dim=-1, dtype=precision)  # [batch, pos, expert]
        likeliest = probabilities.topk(self.experts_per_token).indices  # [batch, pos, choice]
        chosen = torch.zeros_like(probabilities).scatter(-1, likeliest, 1.0)  # [batch, pos, expert]
        weights = chosen * probabilities  # [batch, pos, expert]
        if self.normalize:
            weights = weights / reduce(weights, "batch pos expert -> batch pos 1", "sum")  # [batch, pos, expert]
        if self.training:
            weights = self.within_capacity(weights)  # [batch, pos, expert]
        return self.hook_expert_weights(weights)  # [batch, pos, expert]


class RouterWithoutEinops(Router):
    """In plain torch."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos expert"]:
        logits = self.hook_router_logits(torch.matmul(resid, self.W_router))  # [batch, pos, expert]
        precision = torch.promote_types(logits.dtype, torch.float32)
        exponentials = (logits.to(precision) - logits.amax(dim=-1, keepdim=True)).exp()  # [batch, pos, expert]
        probabilities = exponentials / exponentials.sum(dim=-1, keepdim=True)  # [batch, pos, expert]
        likeliest = probabilities.topk(self.experts_per_token).indices  # [batch, pos, choice]
        chosen = torch.zeros_like(probabilities).scatter(-1, likeliest, 1.0)  # [batch, pos, expert]
        weights = chosen * probabilities  # [batch, pos, expert]
        if self.normalize:
            weights = weights / weights.sum(dim=-1, keepdim=True)  # [batch, pos, expert]
        if self.training:
            weights = self.within_capacity(weights)  # [batch, pos, expert]
        return self.hook_expert_weights(weights)  # [batch, pos, expert]


class RouterFused(Router):
    """The chosen probabilities are written into zeros, without a mask."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos expert"]:
        logits = self.hook_router_logits(nn.functional.linear(resid, self.W_router.T))  # [batch, pos, expert]
        precision = torch.promote_types(logits.dtype, torch.float32)
        probabilities = logits.softmax(dim=-1, dtype=precision)  # [batch, pos, expert]
        largest, likeliest = probabilities.topk(self.experts_per_token)  # [batch, pos, choice]
        if self.normalize:
            largest = largest / largest.sum(dim=-1, keepdim=True)  # [batch, pos, choice]
        weights = torch.zeros_like(probabilities).scatter(-1, likeliest, largest)  # [batch, pos, expert]
        if self.training:
            weights = self.within_capacity(weights)  # [batch, pos, expert]
        return self.hook_expert_weights(weights)  # [batch, pos, expert]


ROUTERS = {"einops": RouterWithEinops, "torch": RouterWithoutEinops, "fused": RouterFused}


def build_router(config: ModelConfig, implementation: Implementation) -> Router:
    """A router in this implementation."""
    return ROUTERS[implementation](config)
