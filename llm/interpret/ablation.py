"""Ablation: switch a part of a model off, or scale it down, to see what the model can no longer do.

    output → replacement + scale · (output − replacement)

The replacement is zero, or the part's mean over a batch of text; scale 0 switches off, 1 changes nothing. An ablated
model is a copy of the original over the same parameters: whatever reads a model (record, generate, evaluate) reads it.
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
    """The model with the outputs of these heads, (layer, head), and of these layers' MLPs scaled down to `scale`.

    Zero ablation by default. With `mean_over`, mean ablation: the replacement is the output's mean over all sequences
    and positions of that batch. A head's output is mixed[head] · W_O[head], without the layer's bias b_O; an MLP's
    output includes its bias. The given model stays as it is; the ablated one computes like it again after the `with`
    block.

    Raises:
        ValueError: a head or layer that does not exist.
    """
    check_heads(model, heads)
    for layer in mlps:
        check_layer(model, layer)
    means = None
    if mean_over is not None:
        means = record(model, mean_over, ["mixed", "mlp_out"])
    ablated = hookable_copy(model)
    handles = []
    for layer, block in enumerate(blocks(ablated)):
        chosen = sorted({head for at, head in heads if at == layer})
        if chosen:
            mixed = None if means is None else means[f"blocks.{layer}.attention.mixed"].mean(dim=(0, 2))[chosen, None]
            handles.append(block.attention.hook_mixed.register_forward_hook(_scaling_hook(scale, mixed, chosen)))
        if layer in mlps:
            mean = None if means is None else means[f"blocks.{layer}.mlp_out"].mean(dim=(0, 1))
            handles.append(block.hook_mlp_out.register_forward_hook(_scaling_hook(scale, mean)))
    try:
        yield ablated
    finally:
        for handle in handles:
            handle.remove()


def _scaling_hook(
    scale: float, replacement: Tensor | None, heads: list[int] | None = None
) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """A hook that moves an output, or of [batch, head, pos, d_head] the chosen heads, towards its replacement."""
    chosen = slice(None) if heads is None else (slice(None), heads)

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        changed = output.clone()
        part = changed[chosen]
        changed[chosen] = scale * part if replacement is None else replacement + scale * (part - replacement)
        return changed

    return hook
