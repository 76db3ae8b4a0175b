"""OLMoE (Muennighoff et al. 2024, arXiv:2409.02060): many narrow experts, weighted by the router as it is.

Queries and keys are normalised over all heads, as in OLMo 2, and the norms are where Llama has them. No token is
dropped, and no expert is shared.
"""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig, shown
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, expert_sizes, require_plain_attention
from llm.interop.families.mixtral import read_experts
from llm.interop.families.olmo2 import QUERY_KEY_NORMS
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import weight

EXPERT = f"{llama.LAYER}.mlp.experts.{{expert}}"


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("attention_bias", False)
    fields.only("clip_qkv", None)
    sizes = llama.read_sizes(fields)
    if sizes["n_heads"] * sizes["d_head"] != sizes["d_model"]:
        of_heads = f"num_attention_heads={sizes['n_heads']} times head_dim={shown(sizes['d_head'])}"
        raise ValueError(f"its {of_heads} must be its hidden_size, {sizes['d_model']}")
    return {
        **sizes,
        **read_rotary(fields),
        **read_experts(fields, "num_experts", 64, 8),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-5),
        "qk_norm": True,
        "qk_norm_over": "all_heads",
        "normalize_expert_weights": fields.flag("norm_topk_prob", False),
        "bias": False,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        "num_experts": config.n_experts,
        "num_experts_per_tok": config.experts_per_token,
        "norm_topk_prob": config.normalize_expert_weights,
        "attention_bias": False,
        "clip_qkv": None,
    }


def check_gguf(config: ModelConfig) -> None:
    """Raise ValueError for what llama.cpp's OLMoE does not compute."""
    require_plain_attention(config)
    if config.n_kv_heads != config.n_heads:
        raise ValueError(
            f"llama.cpp's OLMoE has n_kv_heads=n_heads, and this model {config.n_kv_heads} of {config.n_heads}"
        )
    if config.normalize_expert_weights:
        raise ValueError("llama.cpp's OLMoE has no normalize_expert_weights=True")


FAMILY = Family(
    label="OLMoE",
    architecture="OlmoeForCausalLM",
    read=read,
    write=write,
    weights=(
        *llama.EMBEDDINGS,
        *llama.NORMS,
        *llama.ATTENTION,
        *QUERY_KEY_NORMS,
        weight(f"{llama.LAYER}.mlp.gate.weight", "~mlp.router.W_router", "expert d_model -> d_model expert"),
        weight(f"{EXPERT}.gate_proj.weight", "~mlp.W_gate", llama.LINEAR),
        weight(f"{EXPERT}.up_proj.weight", "~mlp.W_in", llama.LINEAR),
        weight(f"{EXPERT}.down_proj.weight", "~mlp.W_out", "d_model d_mlp -> d_mlp d_model"),
    ),
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("olmoe", expert_sizes, check_gguf, needs_unembedding=True),
    buffers=llama.FAMILY.buffers,
)
