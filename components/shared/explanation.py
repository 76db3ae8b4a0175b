"""An explanation of a figure, and where the code that computes the figure is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Explanation:
    """What a figure means, and the functions or classes that compute it."""

    title: str
    words: str
    equation: str  # LaTeX
    computed_in: tuple[Callable[..., Any], ...]
    source: str = ""  # paper or book


class Location(NamedTuple):
    """Where a function or class is defined."""

    file: str  # relative to the project
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}, {self.name}"


def locations(explanation: Explanation) -> list[Location]:
    """Where a figure is computed: the definition of each of its functions."""
    return [_location(inspect.unwrap(function)) for function in explanation.computed_in]


def _location(function: Callable[..., Any]) -> Location:
    lines, first = inspect.getsourcelines(function)
    decorators = next(index for index, line in enumerate(lines) if line.lstrip().startswith(("def ", "class ")))
    file = Path(inspect.getfile(function)).resolve().relative_to(PROJECT).as_posix()
    return Location(file, first + decorators, function.__qualname__)
