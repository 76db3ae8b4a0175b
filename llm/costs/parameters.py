"""How many numbers a model learns.

query_width     = n_heads · d_head             numbers in the queries of one position
key_value_width = n_kv_heads · d_head          numbers in its keys, and again in its values
mlp_matrices    = 3 if the MLP is gated (W_in, W_gate, W_out), else 2
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from llm.config import ModelConfig
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.query_key_norm import REGISTRY as QUERY_KEY_NORMS
from llm.layers.sublayers import REGISTRY as SUBLAYERS


@dataclass(frozen=True)
class ParameterCount:
    """Learned numbers, by part, over all layers."""

    embedding: int  # W_E; with tied embeddings it is the unembedding too
    positions: int  # W_pos, or W_rel
    attention: int  # W_Q, W_K, W_V, W_O and their biases
    mlp: int  # W_in, W_gate, W_out and their biases, of all experts, and W_router
    norms: int  # γ and β of the blocks, of queries and keys, and of the final norm
    unembedding: int  # W_U; 0 when tied

    @property
    def total(self) -> int:
        """All of them."""
        return sum(dataclasses.astuple(self))


def parameter_count(config: ModelConfig) -> ParameterCount:
    """The exact number of parameters.

    embedding    d_vocab · d_model
    positions    those of the position scheme: n_ctx · d_model if learned, n_layers · n_heads · relative_buckets if
                 relative, else 0
    attention    n_layers · (2 · d_model · (query_width + key_value_width) + bias)
                 bias = query_width + 2 · key_value_width + d_model, with qkv_bias alone without d_model
    mlp          n_layers · (mlp_matrices · d_model · d_mlp + bias),  bias = (mlp_matrices − 1) · d_mlp + d_model;
                 with experts n_experts times as much, + d_model · n_experts for the router, + shared experts, which are
                 one MLP of hidden width n_shared_experts · d_mlp
    norms        those of the blocks and the final one (`norm_count`), each with d_model numbers for γ and for β, if it
                 has them; and in each layer one for queries and one for keys, if these are normalised, with d_head
                 numbers for γ, or with query_width and key_value_width over all heads
    unembedding  d_model · d_vocab, 0 if tied
    """
    attention = attention_weights(config)
    mlp = sum(_mlp_parameters(config, width) for width in mlp_widths(config)) + config.d_model * config.n_experts
    if config.has_qkv_bias:
        attention += config.query_width + 2 * config.key_value_width
    if config.bias:
        attention += config.d_model
    norms = norm_count(config) * NORMS[config.norm].parameters(config, config.d_model)
    if config.qk_norm:
        norms += config.n_layers * QUERY_KEY_NORMS[config.qk_norm_over].parameters(config)
    return ParameterCount(
        embedding=config.d_vocab * config.d_model,
        positions=POSITIONS[config.positional].parameters(config),
        attention=config.n_layers * attention,
        mlp=config.n_layers * mlp,
        norms=norms,
        unembedding=0 if config.tie_embeddings else config.d_model * config.d_vocab,
    )


def attention_weights(config: ModelConfig) -> int:
    """Numbers in the four matrices of one attention layer."""
    return 2 * config.d_model * (config.query_width + config.key_value_width)


def active_parameters(config: ModelConfig) -> int:
    """The parameters that one token's forward pass uses: all but those of the experts that it does not go to."""
    unused = config.n_experts - config.experts_per_token if config.n_experts else 0
    return parameter_count(config).total - config.n_layers * unused * _mlp_parameters(config, config.d_mlp)


def _mlp_parameters(config: ModelConfig, width: int) -> int:
    """Those of one MLP, or one expert, of this hidden width: matrices and biases."""
    matrices = ACTIVATIONS[config.activation].matrices
    return matrices * config.d_model * width + ((matrices - 1) * width + config.d_model) * config.bias


def mlp_widths(config: ModelConfig) -> list[int]:
    """The hidden widths of a block's MLPs: of one, or of each expert, and of the shared ones together."""
    if config.n_experts == 0:
        return [config.d_mlp]
    return [config.d_mlp] * config.n_experts + [config.n_shared_experts * config.d_mlp] * (config.n_shared_experts > 0)


def mlp_weights(config: ModelConfig) -> int:
    """Numbers in the matrices of a block's MLP, or of all its experts, without the router's."""
    return ACTIVATIONS[config.activation].matrices * config.d_model * sum(mlp_widths(config))


def active_mlp_width(config: ModelConfig) -> int:
    """Hidden numbers that a token has in a block: d_mlp, or that of each expert which it goes to, shared ones too."""
    used = config.experts_per_token + config.n_shared_experts if config.n_experts else 1
    return used * config.d_mlp


def norm_count(config: ModelConfig) -> int:
    """Norms of d_model numbers: of what a block's sublayers read, and of what they write, or of the stream after them.

    Two each, but one where parallel sublayers share it; and a final one where the stream is not normalised already.
    """
    norms, sublayers = NORM_POSITIONS[config.norm_position], SUBLAYERS[config.sublayers]
    per_block = 2 * norms.writes
    per_block += norms.reads * (1 if sublayers.one_norm else 2)
    per_block += norms.stream * (1 if sublayers.parallel else 2)
    return config.n_layers * per_block + (not norms.stream)
