"""The text positions at which each neuron of an MLP is most active.

A neuron is one of the d_mlp numbers of an MLP's `hidden`. A common theme of its examples is a hint at what it responds
to, not a proof: most neurons respond to more than one thing.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.recording import check_layer, check_neurons, record
from llm.model import Transformer
from llm.runtime.stepwise import stepwise


@dataclass(frozen=True)
class MaxActivatingExamples:
    """Each neuron's greatest activations, greatest first, at most one per window."""

    activation: Float[Tensor, "example d_mlp"]
    position: Int[Tensor, "example d_mlp"]  # of the token in the stream


@stepwise
def max_activating_examples(
    model: Transformer, layer: int, stream: Int[Tensor, " tokens"], count: int = 10, batch_size: int = 8
) -> Generator[None, None, MaxActivatingExamples]:
    """Where in a stream of tokens each MLP neuron of a layer is most active (its greatest `hidden`).

    The stream is cut into consecutive windows of n_ctx tokens, each read separately; an incomplete last window is
    dropped, unless it is the only one. Each window counts once for a neuron, at its maximum. Only the `count` best
    windows so far are kept. Yields after each batch of windows.

    Raises:
        ValueError: no such layer, a mixture of experts, an empty stream, `count` below 1.
    """
    check_neurons(model.config)
    check_layer(model, layer)
    if len(stream) == 0 or count < 1:
        raise ValueError(
            f"stream must have 1 token or more and count must be 1 or more, got {len(stream)} tokens and count={count}"
        )
    window = min(model.config.n_ctx, len(stream))
    name = f"blocks.{layer}.mlp.hidden"
    device = model.embed.W_E.device
    best = torch.empty(0, model.config.d_mlp, device=device, dtype=model.embed.W_E.dtype)  # [example, d_mlp]
    position = torch.empty(0, model.config.d_mlp, device=device, dtype=torch.int64)  # [example, d_mlp]
    windows = stream[: len(stream) // window * window].view(-1, window)  # [windows, pos]
    for start in range(0, len(windows), batch_size):
        hidden = record(model, windows[start : start + batch_size], [name])[name]  # [batch, pos, d_mlp]
        peak = hidden.max(dim=1)  # values and positions: [batch, d_mlp]
        first = torch.arange(start, start + len(hidden), device=device)[:, None] * window  # [batch, 1]
        best, order = torch.cat([best, peak.values]).sort(dim=0, descending=True, stable=True)
        best, order = best[:count], order[:count]
        position = torch.cat([position, first + peak.indices]).gather(0, order)
        yield
    return MaxActivatingExamples(best, position)
