"""What a model costs, computed from its configuration alone: parameters, memory, arithmetic.

All three are closed forms, so that a form can show them before anything is built. Tests compare each with built models.
What depends on the norm, the position scheme or the activation is in its registry entry.

    query_width     = n_heads · d_head             numbers in the queries of one position
    key_value_width = n_kv_heads · d_head          numbers in its keys, and again in its values
    mlp_matrices    = 3 if the MLP is gated (W_in, W_gate, W_out), else 2
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from llm.config import ModelConfig, TrainingConfig
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.norm import QUERY_KEY_NORM
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.position import REGISTRY as POSITIONS
from llm.registry import registry

BYTES_PER_FLOAT = 4  # float32: the format of weights, gradients and optimizer state
BYTES_PER_INDEX = 8  # int64 token ids


@dataclass(frozen=True)
class ParameterCount:
    """Learned numbers, by part, over all layers."""

    embedding: int  # W_E; with tied embeddings it is the unembedding too
    positions: int  # W_pos
    attention: int  # W_Q, W_K, W_V, W_O and their biases
    mlp: int  # W_in, W_gate, W_out and their biases
    norms: int  # γ and β of the blocks, of queries and keys, and of the final norm
    unembedding: int  # W_U; 0 when tied

    @property
    def total(self) -> int:
        """All of them."""
        return _sum_of_fields(self)


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds at the end of a forward pass, by purpose.

    Not counted: temporary buffers of single operations, the token batches, and the process itself.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of them."""
        return _sum_of_fields(self)


@dataclass(frozen=True)
class Flops:
    """Floating-point operations for one token of a forward pass, by part, over all layers.

    A product of [m, k] and [k, n] counts 2·m·n·k: a multiplication and an addition for each term. Only products are
    counted; norms, non-linearities, softmax and additions grow with the width, not with its square.
    """

    attention_projections: int  # to queries, keys and values, and back by W_O
    attention_pattern: int  # query · key, and pattern · value
    mlp: int
    unembedding: int

    @property
    def forward(self) -> int:
        """One token, forward."""
        return _sum_of_fields(self)

    @property
    def training(self) -> int:
        """One token, forward and backward: each product has two in its gradient, one for either factor."""
        return 3 * self.forward


def parameter_count(config: ModelConfig) -> ParameterCount:
    """The exact number of parameters.

    embedding    d_vocab · d_model
    positions    those of the position scheme: n_ctx · d_model if learned, else 0
    attention    n_layers · (2 · d_model · (query_width + key_value_width) + bias)
                 bias = query_width + 2 · key_value_width + d_model
    mlp          n_layers · (mlp_matrices · d_model · d_mlp + bias),  bias = (mlp_matrices − 1) · d_mlp + d_model
    norms        two a block, and a final one if pre-norm, each with d_model numbers for γ and for β, if it has them;
                 and in each layer one for queries and one for keys, d_head wide, if these are normalised
    unembedding  d_model · d_vocab, 0 if tied
    """
    attention, mlp = _attention_weights(config), _mlp_weights(config)
    if config.bias:
        attention += config.query_width + 2 * config.key_value_width + config.d_model
        mlp += (ACTIVATIONS[config.activation].matrices - 1) * config.d_mlp + config.d_model
    norms = _norms(config) * NORMS[config.norm].parameters(config, config.d_model)
    if config.qk_norm:
        norms += config.n_layers * 2 * NORMS[QUERY_KEY_NORM].parameters(config, config.d_head)
    return ParameterCount(
        embedding=config.d_vocab * config.d_model,
        positions=POSITIONS[config.positional].parameters(config),
        attention=config.n_layers * attention,
        mlp=config.n_layers * mlp,
        norms=norms,
        unembedding=0 if config.tie_embeddings else config.d_model * config.d_vocab,
    )


def memory(config: ModelConfig, training: TrainingConfig) -> Memory:
    """Bytes for training with this batch size and optimizer, the fused implementation, in float32.

    weights      4 · parameters (also under autocast, which casts copies of them)
    gradients    4 · parameters
    optimizer    4 · (numbers that its entry keeps per weight of the blocks' matrices, and per other parameter)
    activations  what the CPU's backward pass of one batch needs: see `_activation_bytes`. Autocast to 16 bits keeps
                 less, other implementations and accelerators' kernels keep more or less.
    """
    parameters = parameter_count(config).total
    hidden = config.n_layers * (_attention_weights(config) + _mlp_weights(config))
    optimizer = registry("optimizer")[training.optimizer]
    state = optimizer.state_per_hidden_weight * hidden + optimizer.state_per_other_parameter * (parameters - hidden)
    return Memory(
        weights=BYTES_PER_FLOAT * parameters,
        gradients=BYTES_PER_FLOAT * parameters,
        optimizer=BYTES_PER_FLOAT * state,
        activations=_activation_bytes(config, training.batch_size),
    )


def flops_per_token(config: ModelConfig, n_ctx: int) -> Flops:
    """Operations for each token of windows of n_ctx tokens.

    attention_projections  n_layers · 4 · d_model · (query_width + key_value_width)
    attention_pattern      n_layers · 4 · n_ctx · query_width: every query meets every key. The mask discards half of
                           these; causal kernels may skip them.
    mlp                    n_layers · mlp_matrices · 2 · d_model · d_mlp
    unembedding            2 · d_model · d_vocab; looking an embedding up multiplies nothing
    """
    return Flops(
        attention_projections=config.n_layers * 2 * _attention_weights(config),
        attention_pattern=config.n_layers * 4 * n_ctx * config.query_width,
        mlp=config.n_layers * 2 * _mlp_weights(config),
        unembedding=2 * config.d_model * config.d_vocab,
    )


def _activation_bytes(config: ModelConfig, batch_size: int) -> int:
    """What the forward pass and the loss save for the backward pass, in bytes.

    A matrix product keeps its input, a norm its input and statistics, attention and the non-linearities the numbers
    counted by the functions below, the loss the log-probability of every token at every position.
    """
    positions = batch_size * config.n_ctx
    saved_by_blocks = _saved_by_attention(config) + _saved_by_mlp(config)  # numbers per position
    saved_by_norms = _norms(config) * NORMS[config.norm].saved_for_backward(config.d_model)
    per_position = config.n_layers * saved_by_blocks + saved_by_norms + config.d_vocab
    if config.norm_position == "post":
        per_position += config.d_model  # the embedding, read by the first attention: pre-norm counts it as a norm's
    if config.dropout > 0:
        per_position += (2 * config.n_layers + 1) * config.d_model  # dropout masks
    shared_by_batch = config.n_layers * POSITIONS[config.positional].saved_for_backward(config)
    floats = positions * per_position + shared_by_batch + 1  # 1: the loss's weight
    return BYTES_PER_FLOAT * floats + BYTES_PER_INDEX * 2 * positions  # 2: tokens and targets


def _saved_by_attention(config: ModelConfig) -> int:
    """Numbers for each position, beside the input, which the norm before it has counted.

    The flash kernel keeps queries, keys, values, its output, and one softmax sum a head. With a bias on the scores or
    dropout torch falls back to a kernel that gives each query head its own keys and values and keeps the pattern (and,
    with dropout, what was dropped and what is left).
    """
    query, key_value = config.query_width, config.key_value_width
    if POSITIONS[config.positional].acts_on == "scores" or config.dropout > 0:
        patterns = 3 if config.dropout > 0 else 1
        saved = 4 * query + patterns * config.n_heads * config.n_ctx
    else:
        saved = 2 * query + 2 * key_value + config.n_heads
        if config.qk_norm and config.n_heads > 1:
            saved += query  # after a norm the heads are not contiguous in memory: the output is a copy
    if config.qk_norm:
        # what the norm keeps of each head's query or key, but for its output, which is counted already
        saved += (config.n_heads + config.n_kv_heads) * (
            NORMS[QUERY_KEY_NORM].saved_for_backward(config.d_head) - config.d_head
        )
    return saved


def _saved_by_mlp(config: ModelConfig) -> int:
    """Numbers for each position, beside the input."""
    return ACTIVATIONS[config.activation].saved_for_backward * config.d_mlp


def _attention_weights(config: ModelConfig) -> int:
    """Numbers in the four matrices of one attention layer."""
    return 2 * config.d_model * (config.query_width + config.key_value_width)


def _mlp_weights(config: ModelConfig) -> int:
    """Numbers in the matrices of one MLP."""
    return ACTIVATIONS[config.activation].matrices * config.d_model * config.d_mlp


def _norms(config: ModelConfig) -> int:
    """Norms of the residual stream: two a block, and a final one where the stream is not normalised already."""
    return 2 * config.n_layers + (1 if config.norm_position == "pre" else 0)


def _sum_of_fields(costs: ParameterCount | Memory | Flops) -> int:
    return sum(dataclasses.astuple(costs))
