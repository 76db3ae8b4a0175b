"""The families of models that can be read from other projects and written for them, one file each.

A family is a choice of this project's own parts: its file says which fields of config.json mean which fields of
ModelConfig, and where each tensor belongs. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from llm.config import ModelConfig, shown
from llm.interop.families import (
    gemma,
    gemma2,
    gpt2,
    gpt_neox,
    llama,
    mistral,
    mixtral,
    olmo,
    olmo2,
    olmoe,
    qwen2,
    qwen3,
)
from llm.interop.families.family import Family, config_of
from llm.layers.unread import unread_fields
from llm.registry import Registry

REGISTRY: Registry[Family] = Registry(
    "model_type",
    {
        "gpt2": gpt2.FAMILY,
        "llama": llama.FAMILY,
        "mistral": mistral.FAMILY,
        "olmo": olmo.FAMILY,
        "olmo2": olmo2.FAMILY,
        "qwen2": qwen2.FAMILY,
        "qwen3": qwen3.FAMILY,
        "gemma": gemma.FAMILY,
        "gemma2": gemma2.FAMILY,
        "gpt_neox": gpt_neox.FAMILY,
        "mixtral": mixtral.FAMILY,
        "olmoe": olmoe.FAMILY,
    },
)


def read_model_config(content: dict[str, Any]) -> tuple[str, ModelConfig]:
    """The family and the model that a config.json means. Raises ValueError: a sentence's second half, after "its file".

    Nothing is executed: a folder that asks for code of its own is refused.
    """
    for field in ("auto_map", "trust_remote_code"):
        if content.get(field):
            raise ValueError(f"it asks for code of its own ({field}), which is never run")
    name = content.get("model_type")
    if not isinstance(name, str) or name not in REGISTRY:
        raise ValueError(f"its model_type is {shown(name)}: known are {', '.join(REGISTRY)}")
    architectures = content.get("architectures")
    if architectures not in (None, [REGISTRY[name].architecture]):
        raise ValueError(f"its architectures must be [{REGISTRY[name].architecture!r}], got {shown(architectures)}")
    return name, config_of(REGISTRY[name], content)


def family_of(config: ModelConfig) -> tuple[str, dict[str, Any]]:
    """The first family that computes what a model of this config does, and its config.json.

    Raises:
        ValueError: there is none; the message names the fields in which the nearest families differ.
    """
    lacking: dict[str, list[str]] = {}
    refused: dict[str, str] = {}
    for name, family in REGISTRY.items():
        content = {"model_type": name, "architectures": [family.architecture], **family.write(config)}
        try:
            lacking[name] = _differences(config, family, content)
        except ValueError as error:
            refused[name] = f"{family.label} has no such model ({error})"
            continue
        if not lacking[name]:
            return name, content
    nearest = sorted(lacking, key=lambda name: len(lacking[name]))
    sentences = [f"{REGISTRY[name].label} has no {', '.join(lacking[name])}" for name in nearest] + [*refused.values()]
    raise ValueError(f"No family in transformers can hold this model: {'; '.join(sentences[:2])}")


def _differences(config: ModelConfig, family: Family, content: dict[str, Any]) -> list[str]:
    """What a family cannot hold of a config, as `field=value`: its own config.json, read again, must mean the same.

    Raises ValueError where that means no model at all.
    """
    found = dataclasses.asdict(_computed(config_of(family, content)))
    wanted = dataclasses.asdict(_computed(config))
    return [f"{name}={shown(value)}" for name, value in wanted.items() if found[name] != value]


def _computed(config: ModelConfig) -> ModelConfig:
    """The config with defaults in fields that change no logit: of training, and what only another part would read."""
    default: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(ModelConfig)}
    unused = {"dropout", "load_balance_loss", "router_z_loss", "expert_capacity"} | unread_fields(config)
    return dataclasses.replace(config, **{name: default[name] for name in unused})
