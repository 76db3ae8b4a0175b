"""A random state of one's own, so that other work in the process does not change what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class RandomState:
    """The state from which dropout draws on a device while it is `used`; `state` is saved with a run."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.state: Tensor = torch.Generator(device).manual_seed(seed).get_state()
        self._device = device
        self._source = torch if device.type == "cpu" else torch.get_device_module(device)

    @contextmanager
    def used(self, rank: int = 0, count: int = 1) -> Iterator[None]:
        """Draw from this state; afterwards the process draws from its own again, as if nothing had been drawn.

        Several processes, all with this state, draw different numbers: each from a state of its own, for this time.
        """
        state = self if count == 1 else self._of_rank(rank, count)
        outside = self._source.get_rng_state()
        self._source.set_rng_state(state.state)
        try:
            yield
        finally:
            state.state = self._source.get_rng_state()
            self._source.set_rng_state(outside)

    def _of_rank(self, rank: int, count: int) -> RandomState:
        """One of `count` states that are seeded from this one, which moves on: to save it with a run is enough."""
        source = torch.Generator(self._device)
        source.set_state(self.state)
        seeds = torch.randint(2**62, (count,), generator=source, device=self._device)
        self.state = source.get_state()
        return RandomState(self._device, int(seeds[rank]))
