"""Long computations, written once as a generator, for two uses: the value at once, or part by part.

    @stepwise
    def logit_lens(model, tokens):
        for layer in …:
            …
            yield  # others' tasks may run here
        return result

`logit_lens(model, tokens)` is the value; `logit_lens.steps(model, tokens)` are the parts, for `compute.finish`: a
training run goes on between two of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def finish(steps: Generator[Any, None, T]) -> T:
    """Run a generator to its end; returns its return value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value


class Stepwise(Generic[P, T]):
    """A function whose body is a generator: call it for its value, or take `steps` one at a time."""

    def __init__(self, body: Callable[P, Generator[Any, None, T]]) -> None:
        functools.update_wrapper(self, body)
        self.steps = body

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """The value, computed at once."""
        return finish(self.steps(*args, **kwargs))


def stepwise(body: Callable[P, Generator[Any, None, T]]) -> Stepwise[P, T]:
    """Make a generator function `Stepwise`: what it yields is progress or a pause, what it returns is the value."""
    return Stepwise(body)
