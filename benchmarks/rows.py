"""What a row of `python -m benchmarks` consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """The same work done by this project and by a peer; `bar`: how many times as fast as the peer it is meant to be."""

    ours: Callable[[], object]
    peer: Callable[[], object]
    peer_name: str
    bar: float
