"""Rotary positions as config.json gives them, which all families with such positions share."""

from __future__ import annotations

from typing import Any

from llm.config import ModelConfig, shown
from llm.interop.families.fields import Fields

DEFAULT_THETA = 10_000.0  # transformers' own, for most families
PARTS = {  # the names in transformers and here, by the kind of scaling; beside the factor
    "default": {},
    "linear": {},
    "llama3": {
        "low_freq_factor": "rope_low_rotations",
        "high_freq_factor": "rope_high_rotations",
        "original_max_position_embeddings": "rope_original_ctx",
    },
    "yarn": {
        "beta_slow": "rope_low_rotations",
        "beta_fast": "rope_high_rotations",
        "attention_factor": "rope_attention_factor",
        "original_max_position_embeddings": "rope_original_ctx",
    },
}  # fmt: skip
OPTIONAL = ("beta_slow", "beta_fast", "attention_factor")  # without them, the same defaults there and here
UNSCALED = "none"


def read_rotary(
    fields: Fields,
    theta: str = "rope_theta",
    fraction: str = "",
    usual_fraction: float = 1.0,
    usual_theta: float = DEFAULT_THETA,
) -> dict[str, Any]:
    """ModelConfig's fields, from `rope_parameters` (transformers 5) or from `rope_scaling` and fields of 4.

    In 4 the base and the fraction of a head that rotates have names of their own in each family, `theta` and
    `fraction`; without the latter, whole heads rotate.
    """
    parameters = {**_object(fields, "rope_scaling"), **_object(fields, "rope_parameters")}
    base = _once(fields, parameters, "rope_theta", theta, usual_theta)
    part = _once(fields, parameters, "partial_rotary_factor", fraction, usual_fraction) if fraction else 1.0
    kind = parameters.pop("rope_type", parameters.pop("type", "default"))
    parameters.pop("type", None)
    if kind not in PARTS:
        raise ValueError(
            f"its rope_scaling of type {shown(kind)} cannot be represented here: known are {', '.join(PARTS)}"
        )
    values: dict[str, Any] = {"positional": "rope", "rope_theta": base, "rope_fraction": part}
    if kind != "default":
        given = Fields(parameters)
        values |= {"rope_scaling": kind, "rope_factor": given.number("factor")}
        parts = {theirs: ours for theirs, ours in PARTS[kind].items()
                 if theirs not in OPTIONAL or given.get(theirs) is not None}  # fmt: skip
        values |= {ours: _number(given, theirs) for theirs, ours in parts.items()}
        if kind == "yarn":
            given.only("truncate", True)
        parameters = {name: value for name, value in parameters.items() if name not in given.read}
    if parameters:
        raise ValueError(f"its rope_scaling has parts that are not known: {shown(parameters)}")
    return values


def write_rotary(config: ModelConfig) -> dict[str, Any]:
    """The fields of config.json, for transformers 5 and for 4."""
    kind = "default" if config.rope_scaling == UNSCALED else config.rope_scaling
    scaled: dict[str, Any] = {"rope_type": kind}
    if kind != "default":
        scaled["factor"] = config.rope_factor
    parts = {theirs: getattr(config, ours) for theirs, ours in PARTS.get(kind, {}).items()}
    scaled |= {theirs: value for theirs, value in parts.items() if value is not None or theirs not in OPTIONAL}
    return {
        "rope_parameters": {**scaled, "rope_theta": config.rope_theta},
        "rope_theta": config.rope_theta,
        **({"rope_scaling": scaled} if kind != "default" else {}),
    }


def _once(fields: Fields, parameters: dict[str, Any], inner: str, outer: str, default: float) -> float:
    """A number that transformers 5 keeps in the parameters, and 4 beside them; both have to say the same."""
    fields.read |= {inner, outer}
    found = {Fields(parameters).number(inner)} if parameters.get(inner) is not None else set()
    found |= {fields.number(name) for name in {inner, outer} if fields.content.get(name) is not None}
    parameters.pop(inner, None)
    if len(found) > 1:
        raise ValueError(f"its {inner} is given twice, as {' and '.join(f'{value:g}' for value in sorted(found))}")
    return found.pop() if found else default


def _number(given: Fields, name: str) -> float:
    return given.integer(name) if name.startswith("original") else given.number(name)


def _object(fields: Fields, name: str) -> dict[str, Any]:
    value = fields.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"its {name} must be an object, got {shown(value)}")
    return value
