"""OLMo 2 (OLMo et al. 2024, arXiv:2501.00656): Llama's parts, with norms of what sublayers write and of all heads."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, require_whole_width, rotary_sizes
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import Weight, weight

LAYER = llama.LAYER
QUERY_KEY_NORMS: tuple[Weight, ...] = (
    weight(f"{LAYER}.self_attn.q_norm.weight", "~attention.norm_query.w", "(head d_head) -> head d_head"),
    weight(f"{LAYER}.self_attn.k_norm.weight", "~attention.norm_key.w", "(kv_head d_head) -> kv_head d_head"),
)


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("attention_bias", False)
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields),
        "norm": "rmsnorm",
        "norm_position": "post_sublayer",
        "norm_eps": fields.number("rms_norm_eps", 1e-5),
        "qk_norm": True,
        "qk_norm_over": "all_heads",
        "bias": False,
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "rms_norm_eps": config.norm_eps,
        "attention_bias": False,
    }


FAMILY = Family(
    label="OLMo 2",
    architecture="Olmo2ForCausalLM",
    read=read,
    write=write,
    weights=(
        *llama.EMBEDDINGS,
        *llama.ATTENTION,
        *llama.MLP,
        weight(f"{LAYER}.post_attention_layernorm.weight", "~norm_attention_out.w", "d_model"),
        weight(f"{LAYER}.post_feedforward_layernorm.weight", "~norm_mlp_out.w", "d_model"),
        *QUERY_KEY_NORMS,
    ),
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("olmo2", rotary_sizes, require_whole_width, needs_unembedding=True),
    buffers=llama.FAMILY.buffers,
)
