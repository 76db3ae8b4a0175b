"""The variants of each kind of part, such as norms, position schemes, optimizers and tokenizers.

Each kind has one registry beside its code. An entry declares everything that other modules need to know about a
variant, so no other module names it: configs check their values against the registry, forms and the command line offer
its names, and costs, equations and exports read the entry. Registries import no torch, so that forms and help texts do
not wait for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")

REGISTRY_MODULES = {  # kind of part (the name of a config's field): the package that declares its registry, REGISTRY
    "norm": "llm.layers.norm",
    "positional": "llm.layers.position",
    "rope_scaling": "llm.layers.position.scaling",
    "activation": "llm.layers.mlp",
    "qk_norm_over": "llm.layers.query_key_norm",
    "norm_position": "llm.layers.norm_position",
    "sublayers": "llm.layers.sublayers",
    "mask": "llm.layers.mask",
    "optimizer": "llm.training.optimizers",
    "schedule": "llm.training.schedule",
    "tokenizer": "llm.tokenizers",
}


class Registry(dict[str, Entry], Generic[Entry]):
    """The entries of one kind of part, by the variant's name in a config."""

    def __init__(self, kind: str, entries: Mapping[str, Entry]) -> None:
        super().__init__(entries)
        self.kind = kind

    def __missing__(self, name: str) -> Entry:
        raise ValueError(f"{self.kind} must be one of {', '.join(self)}, got {name!r}")


def registry(kind: str) -> Registry[Any]:
    """The registry of this kind, imported when first used. Raises KeyError for an unknown kind."""
    entries: Registry[Any] = importlib.import_module(REGISTRY_MODULES[kind]).REGISTRY
    return entries


@dataclass(frozen=True)
class Equation:
    """What a part computes, as the code reader shows it beside the code, with an explanation in plain words.

    In a line `{name}` is the variable `name` of the code, and `{name|symbol}` the same written as `symbol`. `source` is
    the paper, or empty.
    """

    lines: tuple[str, ...]
    words: str
    source: str


def imported(module: str, name: str) -> Callable[..., Any]:
    """A function that imports `module` at the first call and calls its function `name`."""
    return partial(_call, module, name)


def _call(module: str, name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(importlib.import_module(module), name)(*args, **kwargs)


def deferred(module: str, name: str) -> Callable[[], Any]:
    """A function that imports `module` and returns its object `name`."""
    return partial(_attribute, module, name)


def _attribute(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def by_implementation(module: str, einops: str, torch: str, fused: str) -> Callable[[str], Any]:
    """The objects of a module by implementation name, imported when first used."""
    return partial(_load, module, {"einops": einops, "torch": torch, "fused": fused})


def _load(module: str, names: Mapping[str, str], implementation: str) -> Any:
    if implementation not in names:
        raise ValueError(f"implementation must be one of {', '.join(names)}, got {implementation!r}")
    return getattr(importlib.import_module(module), names[implementation])
