"""Copied pieces: tokens that a model can hardly know but by looking up what followed the last time.

At position q the token x occurred before, at p, and the token y that followed it comes again after q. Where y is common
after x anyway, a model needs no look-up; so only those count whose probability after x alone, estimated from the
training text, is below `GIVEN_AWAY`. Names that a story repeats are such pieces, if each story has its own.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llm.interpret.copying import repeated_pairs
from llm.interpret.recording import record
from llm.loss import token_losses
from llm.model import Transformer
from llm.runtime.stepwise import stepwise
from llm.training.baselines import kneser_ney

GIVEN_AWAY = 0.1  # probability of y after x in the training text from which on (x, y) does not count
COUNTED = 2_000_000  # tokens of the training text in which pairs are counted, at most


@dataclass(frozen=True)
class CopiedPieces:
    """Where a batch has them: the token after position `query` of text `row` is the one after `earlier`."""

    row: Int[Tensor, " piece"]
    query: Int[Tensor, " piece"]
    earlier: Int[Tensor, " piece"]
    bigram: Float[Tensor, " piece"]  # the probability of that token after the one before it, in the training text

    def mask(self, shape: Sequence[int]) -> Bool[Tensor, "batch pos"]:
        """True at the queries of a batch of this shape."""
        mask = torch.zeros(*shape, dtype=torch.bool)
        mask[self.row, self.query] = True
        return mask


@dataclass(frozen=True)
class CopyingLoss:
    """Mean loss, in nats, and accuracy on copied pieces, and the mean loss on all other tokens."""

    copied: float
    rest: float
    accuracy: float


def copied_pieces(
    inputs: Int[Tensor, "batch pos"], targets: Int[Tensor, "batch pos"], train: Int[Tensor, " tokens"], d_vocab: int
) -> CopiedPieces:
    """The copied pieces among `targets`, the tokens that follow `inputs`; pairs are counted in `train` (Kneser-Ney)."""
    row, query, earlier = repeated_pairs(inputs, targets)  # each [pair]
    pairs = torch.stack([inputs[row, query], targets[row, query]], dim=1).cpu()  # [pair, 2]
    bigram = kneser_ney(train[:COUNTED], pairs, d_vocab) if len(pairs) else torch.zeros(0)
    hard = (bigram < GIVEN_AWAY).nonzero()[:, 0]
    return CopiedPieces(row[hard], query[hard], earlier[hard], bigram[hard])


@stepwise
def copying_loss(
    model: Transformer,
    inputs: Int[Tensor, "batch pos"],
    targets: Int[Tensor, "batch pos"],
    copied: Bool[Tensor, "batch pos"],
    batch_size: int = 8,
) -> Generator[None, None, CopyingLoss]:
    """How well a model predicts the targets where `copied` is true, and the others. Yields after each batch of texts.

    A mean over no tokens is NaN.

    Raises:
        ValueError: the three differ in shape, or invalid tokens (see `as_batch`).
    """
    if not inputs.shape == targets.shape == copied.shape:
        raise ValueError(
            f"inputs {list(inputs.shape)}, targets {list(targets.shape)} and copied {list(copied.shape)} must have the "
            "same shape"
        )
    losses, right = [], []
    for start in range(0, len(inputs), batch_size):
        batch = slice(start, start + batch_size)
        logits = record(model, inputs[batch], ["logits"])["logits"].cpu()  # [batch, pos, d_vocab]
        losses.append(token_losses(logits, targets[batch].cpu()))
        right.append(logits.argmax(dim=-1) == targets[batch].cpu())
        yield
    loss, correct, copied = torch.cat(losses), torch.cat(right), copied.cpu()  # each [batch, pos]
    return CopyingLoss(float(loss[copied].mean()), float(loss[~copied].mean()), float(correct[copied].float().mean()))
