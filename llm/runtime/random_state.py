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
        self._source = torch if device.type == "cpu" else torch.get_device_module(device)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Draw from this state; afterwards the process draws from its own again, as if nothing had been drawn."""
        outside = self._source.get_rng_state()
        self._source.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = self._source.get_rng_state()
            self._source.set_rng_state(outside)
