"""How a family is written for llama.cpp: its name there, its settings, and where each tensor belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.interop.families.weight import Weight

BYTE_PAIRS = "gpt2"  # llama.cpp's name for byte-level merges


@dataclass(frozen=True)
class GgufArchitecture:
    """One of llama.cpp's architectures."""

    name: str
    settings: Callable[[ModelConfig], dict[str, Any]]  # without the name that they begin with; floats and integers
    weights: tuple[Weight, ...]
    check: Callable[[ModelConfig], None]  # raises ValueError for what transformers can hold and llama.cpp cannot
    note: str = ""  # what a user should know, in a sentence
