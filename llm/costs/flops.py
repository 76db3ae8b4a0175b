"""How much arithmetic a token takes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from llm.config import ModelConfig
from llm.costs.parameters import active_mlp_width, attention_weights
from llm.layers.mlp import REGISTRY as ACTIVATIONS


@dataclass(frozen=True)
class Flops:
    """Floating-point operations for one token of a forward pass, by part, over all layers.

    A product of [m, k] and [k, n] counts 2·m·n·k: a multiplication and an addition for each term. Only products are
    counted; norms, non-linearities, softmax and additions grow with the width, not with its square.
    """

    attention_projections: int  # to queries, keys and values, and back by W_O
    attention_pattern: int  # query · key, and pattern · value
    mlp: int  # of the experts that a token goes to, and the router's scores for all
    unembedding: int

    @property
    def forward(self) -> int:
        """One token, forward."""
        return sum(dataclasses.astuple(self))

    @property
    def training(self) -> int:
        """One token, forward and backward: each product has two in its gradient, one for either factor."""
        return 3 * self.forward


def flops_per_token(config: ModelConfig, n_ctx: int) -> Flops:
    """Operations for each token of windows of n_ctx tokens.

    attention_projections  n_layers · 4 · d_model · (query_width + key_value_width)
    attention_pattern      n_layers · 4 · n_ctx · query_width: every query meets every key. A causal mask discards half
                           of these, or more with a window; kernels may skip them. A bidirectional one keeps all.
    mlp                    n_layers · mlp_matrices · 2 · d_model · d_mlp; with experts experts_per_token +
                           n_shared_experts times as much, + n_layers · 2 · d_model · n_experts for the router
                           (fewer where a capacity drops tokens in training)
    unembedding            2 · d_model · d_vocab; looking an embedding up multiplies nothing
    """
    matrices = ACTIVATIONS[config.activation].matrices
    return Flops(
        attention_projections=config.n_layers * 2 * attention_weights(config),
        attention_pattern=config.n_layers * 4 * n_ctx * config.query_width,
        mlp=config.n_layers * 2 * config.d_model * (matrices * active_mlp_width(config) + config.n_experts),
        unembedding=2 * config.d_model * config.d_vocab,
    )
