"""Configurations that the tests of models share: every option of a model together with every other."""

import dataclasses
import functools
import itertools
from typing import Any

import pytest
from covering_arrays import covering_rows

from llm.config import ModelConfig, describe
from llm.presets import COURSE, preset
from llm.registry import registry

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
    "window": 5,
    "experts_per_token": 4,
}

# A context in which some rotations are slowed and some are not, and buckets of one and of several distances.
SMALL_POSITIONS = {"rope_theta": 50.0, "rope_factor": 2.0, "rope_original_ctx": 12, "relative_buckets": 6,
                   "relative_max_distance": 9, "rope_high_rotations": 1.5, "rope_low_rotations": 0.3}  # fmt: skip

BASE = ModelConfig(**SIZES)

# Details of rotary positions, which no other scheme has: each value occurs in a rotary row. Every two of them together
# are tested on the layer alone (tests/layers/test_rotary.py).
ROTARY: dict[str, tuple[Any, ...]] = {
    "rope_scaling": describe(ModelConfig)["rope_scaling"].choices,
    "rope_pairs": describe(ModelConfig)["rope_pairs"].choices,
    "rope_fraction": (1.0, 0.5),
}

# Details of a mixture of experts: each value occurs in a row with experts.
EXPERTS: dict[str, tuple[Any, ...]] = {
    "normalize_expert_weights": (True, False),
    "n_shared_experts": (0, 2),
    "expert_capacity": (None, 1.0),
}

# Multi-head, grouped-query and multi-query attention, and each field of a config that names a variant or is a switch.
OPTIONS: dict[str, tuple[Any, ...]] = {"n_kv_heads": (6, 3, 1)} | {
    name: field.choices or (False, True)
    for name, field in describe(ModelConfig).items()
    if (field.choices or field.kind is bool) and name not in ROTARY | EXPERTS
}
OPTIONS["full_every"] = (0, 2)  # with two layers: both have the window, or the first alone
OPTIONS["n_experts"] = (0, 7)
OPTIONS["final_softcap"] = (None, 1.5)
OPTIONS["attention_softcap"] = (None, 0.7)
# An activation matters to the rest by its matrices alone: rows have one gated and one that is not, then each in turn.
ACTIVATIONS = {
    gated: [name for name, entry in registry("activation").items() if entry.gated == gated] for gated in (False, True)
}
OPTIONS["activation"] = tuple(names[0] for names in ACTIVATIONS.values())

PRESETS = [preset(name, d_vocab=31, d_model=24, n_heads=6, n_layers=2, n_ctx=16) for name in COURSE]


@functools.cache
def _rows(strength: int) -> list[dict[str, Any]]:
    return covering_rows(OPTIONS, strength)


def component_configs(strength: int = 2, **fields: Any) -> list[ModelConfig]:
    """Every two (or three: `strength`) values of different options together in some config, in as few as that takes.

    Args:
        strength: 2 for most properties; 3 where formulas have a case for three options at once.
        fields: What else all of them have, sizes or options; these override.
    """
    return _configs(_rows(strength), **fields)


def _configs(rows: list[dict[str, Any]], **fields: Any) -> list[ModelConfig]:
    """Rows of options as configs, with the details of activations and of rotary positions in turn."""
    details = itertools.cycle(
        {"rope_scaling": scaling, "rope_pairs": ROTARY["rope_pairs"][n % 2], "rope_fraction": (1.0, 0.5)[n // 2 % 2]}
        for n, scaling in enumerate(ROTARY["rope_scaling"])
    )
    turns = {gated: itertools.cycle(names) for gated, names in ACTIVATIONS.items()}
    rows = [row | {"activation": next(turns[row["activation"] in ACTIVATIONS[True]])} for row in rows]
    rows = [row | next(details) if row["positional"] == "rope" else row for row in rows]
    choices = itertools.cycle(
        dict(zip(EXPERTS, values, strict=True)) for values in itertools.product(*EXPERTS.values())
    )
    rows = [row | next(choices) if row["n_experts"] else row for row in rows]
    return [ModelConfig(**(SIZES | SMALL_POSITIONS | row | fields)) for row in rows]


def _in_one_implementation() -> list[Any]:
    """Every two values of different options together, the implementation being one of the options."""
    rows = covering_rows(OPTIONS | {"implementation": IMPLEMENTATIONS})
    implementations = [row["implementation"] for row in rows]
    configs = _configs([{name: row[name] for name in OPTIONS} for row in rows])
    pairs = [*zip(configs, implementations, strict=True), *zip(PRESETS, itertools.cycle(IMPLEMENTATIONS), strict=False)]
    return [pytest.param(*pair, id=f"{config_name(pair[0])}-{pair[1]}") for pair in pairs]


def option_of(config: ModelConfig, name: str) -> Any:
    """A config's value of an option; of its activation, the one that stands for all with as many matrices."""
    value = getattr(config, name)
    return OPTIONS[name][value in ACTIVATIONS[True]] if name == "activation" else value


def two_configs() -> list[ModelConfig]:
    """For what does not depend on the architecture: the base, and one that differs from it in every option."""
    other = {
        name: next(value for value in reversed(values) if value != getattr(BASE, name))
        for name, values in OPTIONS.items()
    }
    return [BASE, ModelConfig(**(SIZES | other))]


def config_name(config: ModelConfig) -> str:
    """What a test's id shows of a config."""
    parts = [config.positional]
    if config.positional == "rope":
        parts += [config.rope_pairs, f"{config.rope_fraction:g}", config.rope_scaling]
    parts += [f"kv{config.n_kv_heads}", config.norm, config.norm_position, config.activation]
    parts += [config.sublayers] + [f"{config.mask}{config.full_every}"] * (config.mask != BASE.mask)
    parts += ["bias"] * config.bias + ["qk"] * config.qk_norm + ["tied"] * config.tie_embeddings
    parts += [config.qk_norm_over] * config.qk_norm + ["qkv-bias"] * config.qkv_bias
    parts += ["capped-scores"] * (config.attention_softcap is not None)
    parts += [f"experts{config.n_shared_experts}"] * (config.n_experts > 0)
    parts += ["scaled"] * config.scale_embeddings + ["capped"] * (config.final_softcap is not None)
    return "-".join(parts)


def causal(configs: list[ModelConfig]) -> list[ModelConfig]:
    """The same, with the usual mask in place of one that shows later positions: for what is true without it alone."""
    return [config if config.causal else dataclasses.replace(config, mask=BASE.mask) for config in configs]


every_causal_config = pytest.mark.parametrize("config", causal(component_configs()) + PRESETS, ids=config_name)
every_config = pytest.mark.parametrize("config", component_configs() + PRESETS, ids=config_name)
two_or_three_configs = pytest.mark.parametrize("config", two_configs(), ids=config_name)
every_config_in_some_implementation = pytest.mark.parametrize(("config", "implementation"), _in_one_implementation())
