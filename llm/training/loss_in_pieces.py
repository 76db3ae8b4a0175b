"""The loss of a batch, without all its logits where these would be a large part of the memory.

Usually the model returns logits, and the loss is computed from them. With a large vocabulary the logits of a batch are
larger than all else that the forward pass makes. Then the unembedding itself, told the targets, returns the loss.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.costs.activations import MOST_LOGITS, in_pieces
from llm.loss import NO_TARGET, next_token_loss, next_token_loss_in_pieces
from llm.model import Transformer

Forward = Callable[[Tensor], Tensor]  # a model, also compiled or wrapped for several processes
Loss = Callable[[Forward, Tensor, Tensor], Tensor]  # of a forward pass, inputs and targets


def choose_loss(model: Transformer, batch_size: int, compiled: bool = False) -> Loss:
    """How the loss of batches of so many windows is computed, of a model that will be `compiled` or not."""
    return LossInPieces(model, compiled) if in_pieces(model.config, batch_size) else loss_of_logits


def loss_of_logits(
    forward: Forward, inputs: Int[Tensor, "batch pos"], targets: Int[Tensor, "batch pos"]
) -> Float[Tensor, ""]:
    """The loss from all logits, which no variable holds while the backward pass runs."""
    return next_token_loss(forward(inputs), targets)


class LossInPieces:
    """The same loss, with at most `MOST_LOGITS` logits at once.

    The model's unembedding is replaced: while a loss is asked for, it returns that instead of logits. So `forward` can
    be the model itself, or what torch has compiled or wrapped of it.
    """

    def __init__(self, model: Transformer, compiled: bool = False) -> None:
        self._unembed = model.unembed
        self._logits: Forward = model.unembed.forward
        self._asks_all = model.config.causal
        self._targets: Tensor | None = None  # while a loss is asked for
        # compiled, the pieces would be unrolled; only then, since that function loads the compiler: seconds at a start
        as_it_is = torch.compiler.disable(self._logits_or_loss) if compiled else self._logits_or_loss
        model.unembed.forward = as_it_is

    def __call__(
        self, forward: Forward, inputs: Int[Tensor, "batch pos"], targets: Int[Tensor, "batch pos"]
    ) -> Float[Tensor, ""]:
        """The mean loss."""
        self._targets = targets
        try:
            return forward(inputs)
        finally:
            self._targets = None

    def _logits_or_loss(self, resid: Float[Tensor, "batch pos d_model"]) -> Tensor:
        if self._targets is None:
            return self._logits(resid)
        softcap, targets = self._unembed.final_softcap, self._targets
        if not self._asks_all:
            asked = targets != NO_TARGET  # [batch, pos]
            resid, targets = resid[asked].unsqueeze(0), targets[asked].unsqueeze(0)  # [1, asked, d_model], [1, asked]
        return next_token_loss_in_pieces(resid, self._unembed.matrix(), targets, MOST_LOGITS, softcap)
