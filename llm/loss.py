"""The next-token loss: how surprised a model is by the true next token, in nats.

    loss = −ln p[target],   p = softmax(logits) = exp(logits) / Σ exp(logits)

A model that knows nothing gives every token p = 1 / d_vocab, a loss of ln d_vocab. Logits of 16 bits are cast to
float32 first; those of float32 and float64 are used as they are, and the loss and its gradient have their precision.

The gradient by the logits is ∂ loss / ∂ logits = p − (1 at the target, 0 elsewhere): each position's depends on nothing
but its own logits. So loss and gradient can be computed for some positions after the others, and with a large
vocabulary the logits of all of them need never exist at once: `next_token_loss_in_pieces`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

NO_TARGET = -100  # in place of a target: the position is not asked, and has no part in the loss (torch's own value)


def next_token_loss(logits: Float[Tensor, "batch pos d_vocab"], targets: Int[Tensor, "batch pos"]) -> Float[Tensor, ""]:
    """The mean of the cross-entropy over batch and positions, in nats per token; `NO_TARGET` is left out."""
    precise = _at_least_float32(logits).flatten(0, 1)  # [batch · pos, d_vocab]
    return nn.functional.cross_entropy(precise, targets.flatten())


def loss_on_text(
    logits: Float[Tensor, "batch pos d_vocab"], tokens: Int[Tensor, "batch pos"], causal: bool
) -> Float[Tensor, ""] | None:
    """The loss on a text that was read: of its next tokens; None for a text of one token, which has no next one.

    A model that is not causal has read the next tokens too. Its loss is that of naming each token at its own position.
    """
    if not causal:
        return next_token_loss(logits, tokens)
    return next_token_loss(logits[:, :-1], tokens[:, 1:]) if tokens.shape[1] > 1 else None


def next_token_loss_in_pieces(
    resid: Float[Tensor, "batch pos d_model"],
    unembedding: Float[Tensor, "d_model d_vocab"],
    targets: Int[Tensor, "batch pos"],
    most_logits: int,
    softcap: float | None = None,
) -> Float[Tensor, ""]:
    """The same loss from what the unembedding reads, with at most `most_logits` logits at once (but one position's).

    With a `softcap` the logits are softcap · tanh(product / softcap).
    """
    device = resid.device.type
    in_products = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else resid.dtype
    positions = max(1, most_logits // unembedding.shape[1])  # in a piece
    flat = (resid.flatten(0, 1), unembedding, targets.flatten())
    loss: Tensor = _LossInPieces.apply(*flat, positions, in_products, softcap)
    return loss


class _LossInPieces(torch.autograd.Function):
    """The forward pass computes the gradients as well, while it has the logits; the backward pass scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        resid: Tensor,
        unembedding: Tensor,
        targets: Tensor,
        positions: int,
        in_products: torch.dtype,
        softcap: float | None,
    ) -> Tensor:
        unembedding_gradient = torch.zeros_like(unembedding)  # [d_model, d_vocab]
        resid, unembedding = resid.to(in_products), unembedding.to(in_products)
        resid_gradient = torch.empty_like(resid)  # [pos, d_model]
        total = torch.zeros((), dtype=torch.promote_types(in_products, torch.float32), device=resid.device)
        with torch.autocast(resid.device.type, enabled=False):
            for start in range(0, len(resid), positions):
                piece = slice(start, start + positions)
                if softcap is None:
                    gradient = _add_loss(total, resid[piece] @ unembedding, targets[piece]).to(in_products)
                else:
                    tanh = (resid[piece] @ unembedding).div_(softcap).tanh_()  # [piece, d_vocab]
                    gradient = _add_loss(total, softcap * tanh, targets[piece])
                    gradient = gradient.mul_(1 - tanh.square_()).to(in_products)  # the derivative of the cap
                    del tanh
                resid_gradient[piece] = gradient @ unembedding.T
                unembedding_gradient += resid[piece].T @ gradient
                del gradient  # before there are other logits
        ctx.save_for_backward(resid_gradient, unembedding_gradient)
        return total / len(resid)

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        resid_gradient, unembedding_gradient = ctx.saved_tensors
        scale = scale / len(resid_gradient)  # the loss is the mean
        # in place: the matrix's is large. torch refuses a second backward pass through a tensor that was changed
        return resid_gradient * scale, unembedding_gradient.mul_(scale), None, None, None, None


def _add_loss(
    total: Float[Tensor, ""], logits: Float[Tensor, "piece d_vocab"], targets: Int[Tensor, " piece"]
) -> Float[Tensor, "piece d_vocab"]:
    """Add the positions' losses to `total`; the gradient of their sum by the logits: p − 1 at the target."""
    precise = _at_least_float32(logits)  # [piece, d_vocab]
    del logits
    log_probabilities = precise.log_softmax(dim=-1)  # [piece, d_vocab]
    target = targets.unsqueeze(1)  # [piece, 1]
    total -= log_probabilities.gather(1, target).sum()
    return log_probabilities.exp_().scatter_add_(1, target, -torch.ones_like(target, dtype=precise.dtype))


def token_losses(logits: Float[Tensor, "*batch d_vocab"], targets: Int[Tensor, " *batch"]) -> Float[Tensor, " *batch"]:
    """The cross-entropy of each prediction, in nats."""
    precise = _at_least_float32(logits).movedim(-1, 1)  # torch expects the vocabulary second: [batch, d_vocab, pos]
    return nn.functional.cross_entropy(precise, targets.to(logits.device, torch.int64), reduction="none")


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
