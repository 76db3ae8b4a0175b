"""Mixtral (Jiang et al. 2024, arXiv:2401.04088): Mistral with experts, whose weights sum to 1 for each token.

No token is dropped. In files each expert's matrices are tensors of their own: w1 is its gate, w3 goes into the hidden
numbers and w2 out of them.
"""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig
from llm.interop.families import llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import NEIGHBOURS, GgufArchitecture, expert_sizes, require_plain_attention
from llm.interop.families.mistral import read_window, write_window
from llm.interop.families.rotary import read_rotary, write_rotary
from llm.interop.families.weight import weight

USUAL_THETA = 1_000_000.0  # of a config.json that names none
EXPERT = f"{llama.LAYER}.block_sparse_moe.experts.{{expert}}"


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("router_jitter_noise", 0.0, 0)
    return {
        **llama.read_sizes(fields),
        **read_rotary(fields, usual_theta=USUAL_THETA),
        **read_window(fields, None),
        **read_experts(fields, "num_local_experts", 8, 2),
        "n_kv_heads": fields.integer("num_key_value_heads", 8),
        "norm": "rmsnorm",
        "norm_eps": fields.number("rms_norm_eps", 1e-5),
        "normalize_expert_weights": True,
        "bias": False,
    }


def read_experts(fields: Fields, count: str, usual: int, usual_choice: int) -> dict[str, Any]:
    """ModelConfig's fields that Mixtral and OLMoE share; `count` is the field of how many experts there are."""
    fields.get("router_aux_loss_coef")  # these two are settings of training
    fields.get("output_router_logits")
    return {
        "n_experts": fields.integer(count, usual),
        "experts_per_token": fields.integer("num_experts_per_tok", usual_choice),
    }


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        **write_window(config),
        "rms_norm_eps": config.norm_eps,
        "num_local_experts": config.n_experts,
        "num_experts_per_tok": config.experts_per_token,
    }


FAMILY = Family(
    label="Mixtral",
    architecture="MixtralForCausalLM",
    read=read,
    write=write,
    weights=(
        *llama.EMBEDDINGS,
        *llama.NORMS,
        *llama.ATTENTION,
        weight(
            f"{llama.LAYER}.block_sparse_moe.gate.weight", "~mlp.router.W_router", "expert d_model -> d_model expert"
        ),
        weight(f"{EXPERT}.w1.weight", "~mlp.W_gate", llama.LINEAR),
        weight(f"{EXPERT}.w2.weight", "~mlp.W_out", "d_model d_mlp -> d_mlp d_model"),
        weight(f"{EXPERT}.w3.weight", "~mlp.W_in", llama.LINEAR),
    ),
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("llama", expert_sizes, require_plain_attention, NEIGHBOURS),
    buffers=llama.FAMILY.buffers,
)
