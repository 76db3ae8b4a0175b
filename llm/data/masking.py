"""Masked tokens: which tokens of a text a model is to fill in, and what it reads in their place.

    chosen    of each window a fraction of the positions, at random
    read      at a chosen position: the mask token (80%), a random token (10%), or the token itself (10%)
    target    the token itself at a chosen position, and none at the others

(Devlin et al. 2018, arXiv:1810.04805). A model that sees every token has nothing to predict but what it does not read.
Because some chosen tokens are random or stay, it must also judge the tokens that it does read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from llm.data.passages import Passages
from llm.loss import NO_TARGET

MASKED, RANDOM = 0.8, 0.1  # of the chosen positions; the rest stay
MEASURED_FRACTION = 0.15  # chosen where a model is measured, whatever it is trained with, so that losses compare
MEASURED_SEED = 0


class MaskedTokens(NamedTuple):
    """What a model reads, and what it is to predict at each position: `NO_TARGET` for nothing."""

    inputs: Int[Tensor, "*axes"]
    targets: Int[Tensor, "*axes"]

    @property
    def whole(self) -> Int[Tensor, "*axes"]:
        """The tokens before any was masked."""
        return torch.where(self.targets == NO_TARGET, self.inputs, self.targets)


@dataclass(frozen=True)
class Masking:
    """How tokens are masked."""

    mask_token: int  # the last id of the vocabulary: a random token is one of those before it
    fraction: float = MEASURED_FRACTION  # of the tokens that are chosen; at least one of each window

    def hide(self, windows: Int[Tensor, "batch pos"], numbers: Sequence[int], seed: int) -> MaskedTokens:
        """Mask tokens of windows. What is chosen is decided by a window's number and the seed alone."""
        pos = windows.shape[1]
        draws = np.stack([np.random.default_rng((seed, number)).random((3, pos)) for number in numbers])
        order, kind, token = torch.from_numpy(draws).unbind(dim=1)  # [batch, pos] each
        first = order.argsort(dim=1)[:, : max(1, round(self.fraction * pos))]  # [batch, chosen]
        chosen = torch.zeros_like(windows, dtype=torch.bool).scatter_(1, first, True)  # [batch, pos]
        random = (token * self.mask_token).to(windows.dtype)  # [batch, pos]
        inputs = torch.where(chosen & (kind < MASKED + RANDOM), random, windows)  # [batch, pos]
        inputs = inputs.masked_fill(chosen & (kind < MASKED), self.mask_token)  # [batch, pos]
        return MaskedTokens(inputs, windows.masked_fill(~chosen, NO_TARGET))


def measured_tokens(passages: Passages, mask_token: int) -> MaskedTokens:
    """A text in which a fraction of the tokens of each passage is masked, to measure on: the same each time."""
    masking = Masking(mask_token)
    inputs, targets = passages.tokens.clone(), torch.full_like(passages.tokens, NO_TARGET)
    bounds = passages.starts.tolist()
    for number, (start, end) in enumerate(pairwise(bounds)):
        masked = masking.hide(passages.tokens[None, start:end], [number], MEASURED_SEED)
        inputs[start:end], targets[start:end] = masked.inputs[0], masked.targets[0]
    return MaskedTokens(inputs, targets)
