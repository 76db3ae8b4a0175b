"""How a family is written for llama.cpp: its name there, its settings, and which tensors lie otherwise there.

The tensors are those of transformers, by names that the package gguf knows. For all families: the experts of a block
are one stack, and norms are multiplied by the number in the file, where Gemma's files of transformers have one less.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llm.config import ModelConfig
from llm.interop.families.rotary import UNSCALED
from llm.interop.families.weight import Weight, weights_of_all

BYTE_PAIRS = "gpt2"  # llama.cpp's name for byte-level merges
# llama.cpp rotates neighbours in some architectures, numbers 2i and 2i + 1: rows are put beside each other there
NEIGHBOURS = {
    "self_attn.q_proj.weight": "(head half two) d_model -> head (two half) d_model",
    "self_attn.k_proj.weight": "(kv_head half two) d_model -> kv_head (two half) d_model",
    "self_attn.q_proj.bias": "(head half two) -> head (two half)",
    "self_attn.k_proj.bias": "(kv_head half two) -> kv_head (two half)",
}


@dataclass(frozen=True)
class GgufArchitecture:
    """One of llama.cpp's architectures."""

    name: str
    settings: Callable[[ModelConfig], dict[str, Any]]  # without the name that they begin with
    check: Callable[[ModelConfig], None]  # raises ValueError for what transformers can hold and llama.cpp cannot
    axes: dict[str, str] = field(default_factory=dict)  # by the end of a name: where they lie otherwise
    needs_unembedding: bool = False  # also where it is the embedding
    note: str = ""  # what a user should know, in a sentence


def gguf_weights(weights: tuple[Weight, ...], architecture: GgufArchitecture, config: ModelConfig) -> list[Weight]:
    """A family's tensors as they lie in a GGUF file, still with their names in transformers."""
    found = []
    for entry in weights:
        theirs, axes = entry.theirs, entry.axes
        if "{expert}" in theirs:
            theirs, axes = theirs.replace(".{expert}", ""), f"expert {axes.replace(' -> ', ' -> expert ')}"
        axes = next((other for end, other in architecture.axes.items() if theirs.endswith(f".{end}")), axes)
        found.append(dataclasses.replace(entry, theirs=theirs, axes=axes, plus=0.0))
    return weights_of_all(tuple(found), config)


def sizes(config: ModelConfig) -> dict[str, Any]:
    """The settings that all architectures have."""
    return {
        "vocab_size": config.d_vocab,
        "context_length": config.n_ctx,
        "embedding_length": config.d_model,
        "block_count": config.n_layers,
        "feed_forward_length": config.d_mlp,
        "attention.head_count": config.n_heads,
        "attention.head_count_kv": config.n_kv_heads,
    }


def rotary_sizes(config: ModelConfig) -> dict[str, Any]:
    """Those, and the settings of an architecture with rotary positions and RMSNorm."""
    return sizes(config) | {
        "attention.key_length": config.d_head,
        "attention.value_length": config.d_head,
        "attention.layer_norm_rms_epsilon": float(config.norm_eps),
        "rope.dimension_count": config.rotary_width,
        "rope.freq_base": float(config.rope_theta),
    }


def expert_sizes(config: ModelConfig) -> dict[str, Any]:
    """Those, and the settings of a mixture of experts."""
    return rotary_sizes(config) | {"expert_count": config.n_experts, "expert_used_count": config.experts_per_token}


def require_whole_width(config: ModelConfig) -> None:
    """Raise ValueError as `require_plain_attention`, and where the heads together are not as wide as the model."""
    require_plain_attention(config)
    if config.query_width != config.d_model:
        raise ValueError(
            f"llama.cpp's models of this family have n_heads · d_head = d_model, and this one has {config.n_heads} · "
            f"{config.d_head} and {config.d_model}"
        )


def require_unscaled(config: ModelConfig) -> None:
    """Raise ValueError where rotations are scaled."""
    if config.rope_scaling != UNSCALED:
        raise ValueError(f"A GGUF file is written without a scaling of positions, got {config.rope_scaling!r}")


def require_plain_attention(config: ModelConfig) -> None:
    """Raise ValueError where rotations are scaled, or where some positions are out of a window."""
    require_unscaled(config)
    if config.mask == "sliding" and config.window < config.n_ctx:
        raise ValueError(
            f"llama.cpp computes this family without a window, and this model has window={config.window} in a context "
            f"of n_ctx={config.n_ctx}"
        )
