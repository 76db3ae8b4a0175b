"""Gemma 2 (Gemma Team 2024, arXiv:2408.00118): Gemma with sandwich norms, soft-caps, and windows in some layers."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig, shown
from llm.interop.families import gemma, llama
from llm.interop.families.family import Family
from llm.interop.families.fields import Fields
from llm.interop.families.gguf import GgufArchitecture, require_unscaled, rotary_sizes
from llm.interop.families.rotary import write_rotary
from llm.interop.families.weight import weight
from llm.layers.mask import layer_window

LAYER = llama.LAYER
LAYERS_27B = 46  # by which llama.cpp knows the 27B, whose scores are divided by another root
FULL, SLIDING = "full_attention", "sliding_attention"
SOFTCAPS = {  # the names there and here, and their values in a file that does not name them; null means none
    "attn_logit_softcapping": ("attention_softcap", 50.0),
    "final_logit_softcapping": ("final_softcap", 30.0),
}  # fmt: skip


def read(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields."""
    fields.only("hidden_act", None, gemma.ACTIVATION)  # beside hidden_activation in some files
    values = gemma.read_common(fields, "hidden_activation")
    fields.only("query_pre_attn_scalar", values["d_head"])  # scores are divided by its root; 256 where it is missing
    if "query_pre_attn_scalar" not in fields.content and values["d_head"] != 256:
        raise ValueError(f"its query_pre_attn_scalar must be given for head_dim={values['d_head']}")
    for theirs, (ours, usual) in SOFTCAPS.items():
        off = fields.get(theirs) is None and theirs in fields.content
        values[ours] = None if off else fields.number(theirs, usual)
    values |= {"norm_position": "sandwich", "n_kv_heads": fields.integer("num_key_value_heads", 4)}
    return values | _windows(fields, values["n_layers"])


def _windows(fields: Fields, n_layers: int) -> dict[str, Any]:
    """Which layers have a window: all, none, or all but the last of each so many. Raises ValueError for others."""
    window = fields.integer("sliding_window", 4096)
    types = fields.get("layer_types", [FULL if layer % 2 else SLIDING for layer in range(n_layers)])
    if types == [FULL] * n_layers:
        return {}
    for every in range(n_layers + 1):
        if types == [FULL if every and (layer + 1) % every == 0 else SLIDING for layer in range(n_layers)]:
            return {"mask": "sliding", "window": window, "full_every": every}
    raise ValueError(f"its layer_types={shown(types)} cannot be represented here")


def write(config: ModelConfig) -> dict[str, Any]:
    """config.json's fields."""
    return {
        **llama.write_sizes(config),
        **write_rotary(config),
        "hidden_activation": gemma.ACTIVATION,
        "hidden_act": None,
        "rms_norm_eps": config.norm_eps,
        "attention_bias": False,
        "query_pre_attn_scalar": config.d_head,
        "sliding_window": config.window,
        "layer_types": [FULL if layer_window(config, layer) is None else SLIDING for layer in range(config.n_layers)],
        **{theirs: getattr(config, ours) for theirs, (ours, _) in SOFTCAPS.items()},
    }


def check_gguf(config: ModelConfig) -> None:
    """Raise ValueError for what llama.cpp's Gemma 2 does not compute."""
    gemma.require_tied(config)
    require_unscaled(config)
    for name in ("attention_softcap", "final_softcap"):
        if getattr(config, name) is None:
            raise ValueError(f"llama.cpp's Gemma 2 always has soft-caps, and this model has {name}=None")
    alternating = config.mask == "sliding" and config.full_every == 2
    if config.mask == "sliding" and not alternating and config.window < config.n_ctx:
        raise ValueError(f"llama.cpp's Gemma 2 has full_every=2, and this model has full_every={config.full_every}")
    if config.n_layers == LAYERS_27B:
        raise ValueError(f"llama.cpp divides the scores of a Gemma 2 with {LAYERS_27B} layers otherwise")


def gguf_settings(config: ModelConfig) -> dict[str, Any]:
    """llama.cpp's settings."""
    return rotary_sizes(config) | {
        "attn_logit_softcapping": config.attention_softcap,
        "final_logit_softcapping": config.final_softcap,
        "attention.sliding_window": config.window if config.mask == "sliding" else config.n_ctx,
    }


FAMILY = Family(
    label="Gemma 2",
    architecture="Gemma2ForCausalLM",
    read=read,
    write=write,
    weights=(
        *gemma.EMBEDDINGS,
        *llama.ATTENTION,
        *llama.MLP,
        weight(f"{LAYER}.input_layernorm.weight", "~norm_attention.w", "d_model", plus=1),
        weight(f"{LAYER}.post_attention_layernorm.weight", "~norm_attention_out.w", "d_model", plus=1),
        weight(f"{LAYER}.pre_feedforward_layernorm.weight", "~norm_mlp.w", "d_model", plus=1),
        weight(f"{LAYER}.post_feedforward_layernorm.weight", "~norm_mlp_out.w", "d_model", plus=1),
    ),
    prefix=llama.FAMILY.prefix,
    gguf=GgufArchitecture("gemma2", gguf_settings, check_gguf),
    buffers=llama.FAMILY.buffers,
)
