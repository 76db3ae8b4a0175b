"""What a row of `python -m benchmarks` consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat


@dataclass(frozen=True)
class Row:
    """The same work done by this project and by a peer; `bar`: how many times as fast as the peer it is meant to be.

    A work that returns a number has measured its own seconds. The peer may also be a limit, or this project in another
    situation: `peer_name` says so.
    """

    ours: Callable[[], object]
    peer: Callable[[], object]
    peer_name: str
    bar: float
    once: bool = False  # measured once: it takes a minute
    parameters: tuple[int, int] | None = None  # of both models, where there are two


def times(count: int, step: Callable[[], object]) -> Callable[[], None]:
    """The same work `count` times."""

    def work() -> None:
        for _ in repeat(None, count):
            step()

    return work
