"""An explanation of a figure, and where the code that computes the figure is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Explanation:
    """What a figure means, and the functions or classes that compute it."""

    title: str
    words: str
    equation: str  # LaTeX
    computed_in: tuple[Callable[..., Any], ...]
    source: str = ""  # the literature


def location(function: Callable[..., Any]) -> tuple[str, int]:
    """The file, relative to the project, and the line at which this function or class is defined."""
    function = inspect.unwrap(function)
    lines, first = inspect.getsourcelines(function)
    decorators = next(index for index, line in enumerate(lines) if line.lstrip().startswith(("def ", "class ")))
    return Path(inspect.getfile(function)).resolve().relative_to(PROJECT).as_posix(), first + decorators


def computed_in(explanation: Explanation) -> list[str]:
    """Where a figure is computed: "llm/loss.py:20, next_token_loss" for each function."""
    places = [(*location(function), inspect.unwrap(function).__qualname__) for function in explanation.computed_in]
    return [f"{file}:{line}, {name}" for file, line, name in places]
