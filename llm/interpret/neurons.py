"""Neurons: the text that excites one hidden number of an MLP most, and the tokens that it argues for when excited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llm.interpret.decomposition import read_direction
from llm.interpret.recording import blocks, check_layer, record
from llm.model import Transformer


@dataclass(frozen=True)
class Excitations:
    """Each neuron's strongest moments, strongest first, at most one a window."""

    activation: Float[Tensor, "moment d_mlp"]
    position: Int[Tensor, "moment d_mlp"]  # of the token in the stream


@dataclass(frozen=True)
class NeuronEffect:
    """The tokens that a neuron raises most and lowers most."""

    raised: Int[Tensor, " count"]
    raised_by: Float[Tensor, " count"]
    lowered: Int[Tensor, " count"]
    lowered_by: Float[Tensor, " count"]


def excitations(
    model: Transformer,
    layer: int,
    stream: Int[Tensor, " tokens"],
    count: int = 10,
    window: int | None = None,
    batch_size: int = 8,
) -> Excitations:
    """Where in a stream of tokens each MLP neuron of a layer is most active (its greatest `hidden`).

    The stream is cut end to end into windows (n_ctx tokens unless given), each read on its own; the rest at the end
    that fills no window is left out unless it is all there is. A window counts once a neuron, at its peak. Of all
    windows only the `count` best so far are kept.

    Raises:
        ValueError: no such layer, an empty stream, a window that does not fit into the context.
    """
    *_, found = growing_excitations(model, layer, stream, count, window, batch_size)
    return found


def growing_excitations(
    model: Transformer,
    layer: int,
    stream: Int[Tensor, " tokens"],
    count: int = 10,
    window: int | None = None,
    batch_size: int = 8,
) -> Iterator[Excitations]:
    """The same as it grows, a batch of windows at a time; the last one is of the whole stream.

    Raises:
        ValueError: as `excitations`.
    """
    check_layer(model, layer)
    n_ctx = model.config.n_ctx
    window = min(window or n_ctx, len(stream))
    if not 1 <= window <= n_ctx or count < 1:
        raise ValueError(
            f"window={window} and count={count} are not possible: a window is 1 to n_ctx={n_ctx} tokens of a stream "
            "that is not empty, and count 1 or more"
        )
    name = f"blocks.{layer}.mlp.hidden"
    device = model.embed.W_E.device
    best = torch.empty(0, model.config.d_mlp, device=device, dtype=model.embed.W_E.dtype)  # [moment, d_mlp]
    place = torch.empty(0, model.config.d_mlp, device=device, dtype=torch.int64)
    windows = stream[: len(stream) // window * window].view(-1, window)  # [windows, pos]
    for start in range(0, len(windows), batch_size):
        hidden = record(model, windows[start : start + batch_size], [name])[name]  # [batch, pos, d_mlp]
        peak = hidden.max(dim=1)  # values and positions: [batch, d_mlp]
        first = torch.arange(start, start + len(hidden), device=device)[:, None] * window  # [batch, 1]
        best, kept = torch.cat([best, peak.values]).sort(dim=0, descending=True, stable=True)
        best, kept = best[:count], kept[:count]
        place = torch.cat([place, first + peak.indices]).gather(0, kept)
        yield Excitations(best, place)


@torch.no_grad()
def neuron_effect(model: Transformer, layer: int, neuron: int, count: int = 10) -> NeuronEffect:
    """What a neuron's activity adds directly to every token's logit, per unit, up to each position's own 1/σ.

    effect = W_out[neuron] · W_U, where W_out[neuron] first passes the norms on its way (see `read_direction`): centred
    for LayerNorm only, times γ. The tokens raised and lowered most.

    Raises:
        ValueError: no such layer or neuron.
    """
    check_layer(model, layer)
    if not 0 <= neuron < model.config.d_mlp:
        raise ValueError(f"neuron {neuron} does not exist: a layer's neurons are 0 to {model.config.d_mlp - 1}")
    written = blocks(model)[layer].mlp.W_out[neuron]  # [d_model]
    effect = read_direction(model, written, layer) @ model.unembed.matrix()  # [d_vocab]
    raised, lowered = effect.topk(min(count, len(effect))), (-effect).topk(min(count, len(effect)))
    return NeuronEffect(raised.indices, raised.values, lowered.indices, -lowered.values)
