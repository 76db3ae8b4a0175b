"""The batches of a training run, each read while the device still computes with the one before.

A GPU computes while Python goes on; only where its results are read does Python wait. A batch that is read and sent
before that is there when the GPU needs it. On a CPU nothing is won, and nothing lost.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from llm.data.windows import TextData

Batch = tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]  # windows, and the next tokens


class Batches:
    """Batches by number, of `batch_size` windows for this process.

    Each is decided by its number and the seed, whenever it is read. Of `count` processes that share a batch, the one of
    this rank has the windows after those of the ranks before it.
    """

    def __init__(
        self, data: TextData, batch_size: int, seed: int, device: torch.device, rank: int = 0, count: int = 1
    ) -> None:
        self._data, self._batch_size, self._seed, self._device = data, batch_size, seed, device
        self._rank, self._count = rank, count
        self._prepared: dict[int, Batch] = {}

    def prepare(self, number: int) -> None:
        """Read this batch and begin to send it to the device, which does not wait for it."""
        self._prepared = {number: self._read(number)}

    def take(self, number: int) -> Batch:
        """This batch; it is not kept."""
        return self._prepared.pop(number, None) or self._read(number)

    def _read(self, number: int) -> Batch:
        part = number * self._count + self._rank
        return self._data.batch(self._batch_size, part, self._seed, self._device)
