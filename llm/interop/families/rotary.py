"""Rotary positions as config.json gives them, which all families with such positions share."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig, shown
from llm.interop.families.fields import Fields

DEFAULT_THETA = 10_000.0  # transformers' own


def read_rotary(fields: Fields) -> dict[str, Any]:
    """ModelConfig's fields, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (4)."""
    parameters = dict(_object(fields, "rope_parameters"))
    scaling = _object(fields, "rope_scaling")
    thetas = {
        Fields(source).number("rope_theta")
        for source in (parameters, fields.content)
        if source.get("rope_theta") is not None
    }
    fields.read.add("rope_theta")
    if len(thetas) > 1:
        raise ValueError(f"its rope_theta is given twice, as {' and '.join(f'{theta:g}' for theta in sorted(thetas))}")
    parameters.pop("rope_theta", None)
    for name, value in {**scaling, **parameters}.items():
        if not (name in ("rope_type", "type") and value == "default"):
            where = "rope_parameters" if name in parameters else "rope_scaling"
            raise ValueError(f"its {where} with {name}={shown(value)} cannot be represented here")
    return {"positional": "rope", "rope_theta": thetas.pop() if thetas else DEFAULT_THETA}


def write_rotary(config: ModelConfig) -> dict[str, Any]:
    """The fields of config.json, for transformers 5 and for 4."""
    return {
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "rope_theta": config.rope_theta,
    }


def _object(fields: Fields, name: str) -> dict[str, Any]:
    value = fields.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"its {name} must be an object, got {shown(value)}")
    return value
