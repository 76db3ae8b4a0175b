"""What a forward pass and its loss save for the backward pass, in bytes.

A matrix product saves its factors, a norm its input and statistics, attention and the non-linearities the numbers
counted below, the loss the log-probability of every token at every position; or, where it is computed in pieces, its
gradients by what the unembedding reads and by its matrix. For the fused implementation the counts are exact on a CPU.
In 16 bits autocast casts a copy of a vector for each product that reads it, and of each matrix, and what is not a
product stays in float32, attention on a CPU too.

For the other two implementations the counts are exact in float32, and in 16 bits within a few percent. With experts all
of them are within a few percent, without a capacity.
"""

from __future__ import annotations

from llm.config import Implementation, ModelConfig
from llm.costs.parameters import active_mlp_width, attention_weights, mlp_weights, norm_count
from llm.layers.mask import limited_layers
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.norm import NormEntry
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.query_key_norm import REGISTRY as QUERY_KEY_NORMS
from llm.layers.query_key_norm import RMSNORM
from llm.layers.sublayers import REGISTRY as SUBLAYERS

FLOAT32 = 4  # bytes of a number
INDEX = 8  # bytes of a token id
MOST_LOGITS = 2**24  # at once: the loss of a batch with more is computed in pieces (llm/training/loss_in_pieces.py)


def in_pieces(config: ModelConfig, batch_size: int) -> bool:
    """Whether the loss of such a batch is computed in pieces.

    That saves the logits and two gradients as large, and keeps one of the unembedding's matrix until the backward pass.
    """
    positions = batch_size * config.n_ctx
    return positions * config.d_vocab > MOST_LOGITS and 3 * positions > config.d_model


def activation_bytes(config: ModelConfig, batch_size: int, implementation: Implementation, width: int) -> int:
    """All of it but the copies of matrices. `width`: bytes of a number in the forward pass's format, 4 or 2."""
    positions, pieces = batch_size * config.n_ctx, in_pieces(config, batch_size)
    norms = _stream(config, implementation, width) * norm_count(config)
    norms *= _saved_by_norm(NORMS[config.norm], config.d_model, implementation)
    if implementation == "fused" and NORM_POSITIONS[config.norm_position].writes and not NORMS[config.norm].in_float32:
        learned = NORMS[config.norm].parameters(config, config.d_model) > 0  # then the statistics are float32
        kept = config.d_model if learned else _saved_by_norm(NORMS[config.norm], config.d_model, implementation)
        norms -= config.n_layers * 2 * (FLOAT32 - width) * kept  # these read products
    per_block = (
        _inputs(config, implementation, width)
        + _attention(config, implementation, width)
        + _mlp(config, implementation, width)
    )
    per_position = config.n_layers * (per_block - _read_twice(config, implementation, width)) + norms
    per_position += width * config.d_model  # what the unembedding reads, or in pieces its gradient
    if not pieces:
        per_position += FLOAT32 * config.d_vocab + INDEX  # log-probabilities and targets
        per_position += 0 if config.final_softcap is None else width * config.d_vocab  # the cap's tanh
    if config.dropout > 0:  # masks
        added = FLOAT32 if NORM_POSITIONS[config.norm_position].writes and NORMS[config.norm].in_float32 else width
        per_position += (2 * config.n_layers * added + FLOAT32) * config.d_model
    # the tokens; the definition of an embedding is a product with one-hot vectors
    per_position += width * config.d_vocab if implementation == "einops" else INDEX
    shared = (
        FLOAT32 * config.d_model * config.d_vocab if pieces else FLOAT32
    )  # the matrix's gradient; the loss's weight
    shared += config.n_layers * POSITIONS[config.positional].saved_bytes(config, implementation)
    capped = config.causal and config.attention_softcap is not None and not _biased(config)
    if implementation != "fused" or capped:
        shared += config.n_layers * config.n_ctx**2  # the mask, a byte for each pair
    elif not _keeps_patterns(config):
        shared += FLOAT32 * limited_layers(config) * config.n_ctx**2  # as numbers; the causal one is not kept
    if implementation == "torch" and batch_size > 1:  # a matrix for each sequence, if it is one of several heads
        heads = 2 * sum(heads for heads in (config.n_heads, config.n_kv_heads) if heads > 1)
        shared += config.n_layers * width * batch_size * heads * config.d_head * config.d_model
    return positions * per_position + shared


def weight_copy_bytes(config: ModelConfig, width: int) -> int:
    """Copies of all matrices that are multiplied in 16 bits."""
    hidden = config.n_layers * (attention_weights(config) + mlp_weights(config))
    return 0 if width == FLOAT32 else width * (hidden + config.d_model * config.d_vocab)


def _inputs(config: ModelConfig, implementation: Implementation, width: int) -> int:
    """Bytes per position of the vectors that attention and the MLP read."""
    if implementation == "torch":  # attention: a copy for each head, if there are several
        several = [heads for heads in (config.n_heads, config.n_kv_heads, config.n_kv_heads) if heads > 1]
        attention_copies = sum(several) + (1 if len(several) < 3 else 0)
    else:
        attention_copies = 1 if width == FLOAT32 else 3
    mlp_copies = 1 if width == FLOAT32 or config.n_experts else ACTIVATIONS[config.activation].matrices - 1
    return width * (attention_copies + mlp_copies) * config.d_model


def _read_twice(config: ModelConfig, implementation: Implementation, width: int) -> int:
    """Bytes per position of the vector that parallel sublayers share, which `_inputs` or the norms count twice."""
    sublayers, norms = SUBLAYERS[config.sublayers], NORM_POSITIONS[config.norm_position]
    if not sublayers.parallel:
        return 0
    if norms.reads and not sublayers.one_norm:  # two norms of one vector
        kept = implementation == "fused" or NORMS[config.norm].keeps_input
        return _stream(config, implementation, width) * config.d_model if kept else 0
    if width != FLOAT32 or (implementation == "torch" and config.n_heads > 1 and config.n_kv_heads > 1):
        return 0  # each product has a copy of its own, and so has each head
    return FLOAT32 * config.d_model


def _attention(config: ModelConfig, implementation: Implementation, width: int) -> int:
    """Bytes per position of queries, keys, values, patterns, and what W_O reads.

    The flash kernel keeps queries, keys, values, its output, and one softmax sum a head. With a bias on the scores or
    dropout torch falls back to a kernel that gives each query head its own keys and values and keeps the pattern (and,
    with dropout, what was dropped and what is left), as the other implementations do. No kernel has a soft-cap.
    """
    query, key_value = config.query_width, config.key_value_width
    pattern = config.n_heads * config.n_ctx
    patterns = 3 if config.dropout > 0 else 1
    capped = config.attention_softcap is not None
    if implementation != "fused" or capped:  # with a cap, its tanh
        read = 4 * query if implementation != "fused" else 2 * query + 2 * key_value
        saved = width * (read + (patterns + capped) * pattern)
        if (
            _biased(config) and width != FLOAT32
        ):  # the pattern is float32, and is copied for its product with the values
            saved += FLOAT32 * pattern
    elif _keeps_patterns(config):
        saved = FLOAT32 * (3 * query + patterns * pattern) + width * query
    else:
        saved = FLOAT32 * (2 * query + 2 * key_value + config.n_heads)
        # what W_O reads is a copy in 16 bits, and where queries are copied, when the heads are not contiguous in memory
        normalised = config.qk_norm and not QUERY_KEY_NORMS[config.qk_norm_over].all_heads
        copied = normalised or POSITIONS[config.positional].copies(config)
        if width != FLOAT32 or (copied and config.n_heads > 1):
            saved += width * query
    if config.qk_norm:
        vectors = QUERY_KEY_NORMS[config.qk_norm_over].vectors(config)
        saved += FLOAT32 * sum(_saved_by_norm(RMSNORM, vector, implementation) for vector in vectors)
    return saved


def _biased(config: ModelConfig) -> bool:
    return POSITIONS[config.positional].acts_on == "scores"


def _keeps_patterns(config: ModelConfig) -> bool:
    """Whether fused attention falls back to the kernel that keeps its patterns."""
    return _biased(config) or config.dropout > 0


def _mlp(config: ModelConfig, implementation: Implementation, width: int) -> int:
    """Bytes per position of the hidden numbers, and of what experts are chosen by and read and write."""
    entry = ACTIVATIONS[config.activation]
    if implementation == "fused":
        hidden = width * entry.saved_for_backward
    else:
        inner = FLOAT32 if config.bias else width  # adding a bias of float32 gives float32
        hidden = inner * (entry.saved_unfused - 1) + width
    return hidden * active_mlp_width(config) + (_routing(config, implementation, width) if config.n_experts else 0)


def _routing(config: ModelConfig, implementation: Implementation, width: int) -> int:
    """Bytes per position that a mixture of experts adds: nearly exact; what the kernels keep of indices varies.

    The router's probabilities and what they are divided by; for each chosen expert the row that it reads and the one
    that it writes, weighted again by index_add of the fused implementation, and indices of both.
    """
    fused = implementation == "fused"
    rows = width + (2 if fused else 1) * FLOAT32
    per_choice = rows * config.d_model + (2 if fused else 6) * INDEX
    return FLOAT32 * 2 * config.n_experts + config.experts_per_token * per_choice


def _stream(config: ModelConfig, implementation: Implementation, width: int) -> int:
    """Bytes of a number of the residual stream: float32, unless all that is added to it are products."""
    positions = POSITIONS[config.positional]
    adds_weights = positions.acts_on == "residual stream" and positions.parameters(config) > 0
    only_products = implementation == "einops" and not config.bias and not adds_weights
    return width if only_products else FLOAT32


def _saved_by_norm(entry: NormEntry, width: int, implementation: Implementation) -> int:
    """Numbers per vector, but for the output, which is what the next product reads."""
    return (entry.saved_for_backward if implementation == "fused" else entry.saved_unfused)(width) - width
