"""Ablation: switch a part of a model off, or scale it down, to see what the model can no longer do.

    output → replacement + scale · (output − replacement)

The replacement is zero, or the part's mean over a batch of text; scale 0 switches off, 1 changes nothing. An ablated
model is a copy that shares the original's parameters: record, generate and evaluate take it like any other model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from jaxtyping import Int
from torch import Tensor, nn

from llm.interpret.recording import blocks, check_heads, check_layer, hookable_copy, record
from llm.model import Transformer

Head = tuple[int, int]  # (layer, head)


@contextmanager
def ablate(
    model: Transformer,
    heads: Collection[Head] = (),
    mlps: Collection[int] = (),
    scale: float = 0.0,
    mean_over: Int[Tensor, "batch pos"] | None = None,
) -> Iterator[Transformer]:
    """The model with the outputs of these heads, (layer, head), and of these layers' MLPs scaled by `scale`.

    Zero ablation by default. With `mean_over`, mean ablation: the replacement is the output's mean over all sequences
    and positions of that batch. A head's output is mixed[head] · W_O[head], without the layer's bias b_O; an MLP's
    output includes its bias. The original model is unchanged; after the `with` block the copy computes the same as it.

    Raises:
        ValueError: a head or layer that does not exist.
    """
    check_heads(model, heads)
    for layer in mlps:
        check_layer(model, layer)
    activations = None if mean_over is None else record(model, mean_over, ["mixed", "mlp_out"])
    ablated = hookable_copy(model)
    handles = []
    for layer, block in enumerate(blocks(ablated)):
        heads_here = sorted({head for head_layer, head in heads if head_layer == layer})
        if heads_here:
            mean = None
            if activations is not None:
                mean = activations[f"blocks.{layer}.attention.mixed"].mean(dim=(0, 2))[heads_here, None]
            handles.append(block.attention.hook_mixed.register_forward_hook(_scaling_hook(scale, mean, heads_here)))
        if layer in mlps:
            mean = None if activations is None else activations[f"blocks.{layer}.mlp_out"].mean(dim=(0, 1))
            handles.append(block.hook_mlp_out.register_forward_hook(_scaling_hook(scale, mean)))
    try:
        yield ablated
    finally:
        for handle in handles:
            handle.remove()


def _scaling_hook(
    scale: float, replacement: Tensor | None, heads: list[int] | None = None
) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """A hook that scales an output towards its replacement; with `heads`, only those of [batch, head, pos, d_head]."""
    index = slice(None) if heads is None else (slice(None), heads)

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        changed = output.clone()
        part = changed[index]
        changed[index] = scale * part if replacement is None else replacement + scale * (part - replacement)
        return changed

    return hook
