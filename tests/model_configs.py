"""Configurations that the tests of models share: every component with its alternatives."""

import itertools

from llm.config import ModelConfig

IMPLEMENTATIONS = ("einops", "torch", "fused")

# Every size differs from every other, so that a shape or a comment that mixes up two axes cannot pass.
SIZES = {
    "d_vocab": 31,
    "d_model": 24,
    "n_layers": 2,
    "n_heads": 6,
    "n_kv_heads": 3,
    "d_head": 8,
    "d_mlp": 20,
    "n_ctx": 16,
}

BASE = ModelConfig(**SIZES)


def component_configs() -> list[ModelConfig]:
    """Every position scheme × head grouping, and every other component with its alternatives."""
    configs = [
        ModelConfig(**{**SIZES, "n_kv_heads": n_kv_heads}, positional=positional)
        for positional, n_kv_heads in itertools.product(("learned", "sinusoidal", "rope", "alibi", "none"), (6, 3, 1))
    ]
    configs += [
        ModelConfig(
            **SIZES, norm=norm, norm_position=norm_position, activation=activation, bias=bias, positional="rope"
        )
        for norm, norm_position, activation, bias in itertools.product(
            ("layernorm", "rmsnorm"), ("pre", "post"), ("gelu", "swiglu", "relu"), (True, False)
        )
    ]
    configs += [
        ModelConfig(**SIZES, qk_norm=True, positional="rope"),
        ModelConfig(**SIZES, qk_norm=True, positional="alibi", tie_embeddings=False),
    ]
    return configs


def config_name(config: ModelConfig) -> str:
    """What a test's id shows of a config."""
    parts = [config.positional, f"kv{config.n_kv_heads}", config.norm, config.norm_position, config.activation]
    parts += ["bias"] * config.bias + ["qk"] * config.qk_norm + ["tied"] * config.tie_embeddings
    return "-".join(parts)
