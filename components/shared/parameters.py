"""Parse and check the parameters of an address: they may come from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Query = Mapping[str, str]  # the parameters of an address, by name


def parse_natural(text: str, digits: int = 9) -> int | None:
    """Parse an integer of 0 or more with at most `digits` digits; None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def require_natural(name: str, text: str, digits: int = 9) -> int:
    """Parse an integer of 0 or more. Raises ValueError, naming the parameter, for any other text."""
    number = parse_natural(text, digits)
    if number is None:
        raise ValueError(f"{name} must be an integer of 0 or more, got {text[:40]!r}")
    return number


def int_param(query: Query, name: str, default: int = 0, digits: int = 9) -> int:
    """The parameter `name` as an integer. Raises ValueError for anything else."""
    return require_natural(name, query.get(name, str(default)), digits)


def parse_indices(text: str, limits: Sequence[int]) -> list[int] | None:
    """Parse whole numbers separated by dots, each below its limit; None for any other text."""
    parts = [parse_natural(part) for part in text.split(".")]
    if len(parts) != len(limits):
        return None
    indices = [part for part, limit in zip(parts, limits, strict=True) if part is not None and part < limit]
    return indices if len(indices) == len(limits) else None


def check_choice(name: str, value: str, choices: Sequence[str]) -> str:
    """`value`, if it is one of `choices`. Raises ValueError otherwise."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value[:40]!r}")
    return value
