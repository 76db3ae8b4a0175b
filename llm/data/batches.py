"""The batches of a training run, each read while the device still computes with the one before.

A GPU computes while Python goes on; only where its results are read does Python wait. A batch that is read and sent
before that is there when the GPU needs it. On a CPU nothing is won, and nothing lost.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from llm.data.documents import documents_in
from llm.data.masking import MaskedTokens
from llm.data.windows import TextData


class Batch(NamedTuple):
    """Windows, the next tokens or the masked ones, and which document each position is of; None: all see each other."""

    inputs: Int[Tensor, "batch pos"]
    targets: Int[Tensor, "batch pos"]
    documents: Int[Tensor, "batch pos"] | None


class Batches:
    """Batches by number, of `batch_size` windows for this process.

    Each is decided by its number and the seed, whenever it is read. Of `count` processes that share a batch, the one of
    this rank has the windows after those of the ranks before it. A `boundary` is the token at which documents begin
    that are not to see each other (`llm.data.documents`).
    """

    def __init__(
        self,
        data: TextData,
        batch_size: int,
        seed: int,
        device: torch.device,
        rank: int = 0,
        count: int = 1,
        boundary: int | None = None,
    ) -> None:
        self._data, self._batch_size, self._seed, self._device = data, batch_size, seed, device
        self._rank, self._count, self.boundary = rank, count, boundary
        self._prepared: dict[int, Batch] = {}

    def prepare(self, number: int) -> None:
        """Read this batch and begin to send it to the device, which does not wait for it."""
        self._prepared = {number: self._read(number)}

    def take(self, number: int) -> Batch:
        """This batch; it is not kept."""
        return self._prepared.pop(number, None) or self._read(number)

    def _read(self, number: int) -> Batch:
        part = number * self._count + self._rank
        inputs, targets = self._data.batch(self._batch_size, part, self._seed, self._device)
        tokens = inputs if self._data.masking is None else MaskedTokens(inputs, targets).whole  # [batch, pos]
        return Batch(inputs, targets, documents_in(tokens, self.boundary))
