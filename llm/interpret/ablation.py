"""Ablation: switch a part off, or turn it down, and see what the model can no longer do.

    output → replacement + scale · (output − replacement)

The replacement is zero, or the part's mean over a batch of text; scale 0 switches off, 1 changes nothing. An altered
model is a twin of the original over the same parameters: whatever reads a model (record, generate, evaluate) reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import blocks, check_heads, check_layer, check_pair, record, twin
from llm.loss import token_losses
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
    """The model with these heads' (layer, head) and these layers' MLPs' outputs turned down to `scale`.

    Zero ablation by default. With `mean_over`, mean ablation: the replacement is the output's mean over all sequences
    and positions of that batch. A head's output is mixed[head] · W_O[head], without the layer's bias b_O; an MLP's
    output includes its bias. The model that is passed in stays as it is; the one that is given computes like it again
    after the `with` block.

    Raises:
        ValueError: a head or layer that does not exist.
    """
    check_heads(model, heads)
    for layer in mlps:
        check_layer(model, layer)
    means = None
    if mean_over is not None:
        means = record(model, mean_over, ["mixed", "mlp_out"])
    altered = twin(model)
    handles = []
    for layer, block in enumerate(blocks(altered)):
        chosen = sorted({head for at, head in heads if at == layer})
        if chosen:
            mixed = None if means is None else means[f"blocks.{layer}.attention.mixed"].mean(dim=(0, 2))[chosen, None]
            hook = _turn_down(scale, mixed, chosen)
            handles.append(block.attention.hook_mixed.register_forward_hook(hook))
        if layer in mlps:
            mean = None if means is None else means[f"blocks.{layer}.mlp_out"].mean(dim=(0, 1))
            handles.append(block.hook_mlp_out.register_forward_hook(_turn_down(scale, mean)))
    try:
        yield altered
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def edit_pattern(
    model: Transformer,
    layer: int,
    head: int,
    pattern: Float[Tensor, "*batch query_pos key_pos"],
) -> Iterator[Transformer]:
    """The model with one head's attention pattern replaced by a given one; all else is computed as ever.

    The pattern fits texts of its own number of positions only. Rows need not sum to 1, but none may look ahead.

    Raises:
        ValueError: no such head; a pattern that is not square, not finite, negative, or looks at a later position. In
            the `with` block: a text of another length.
    """
    check_heads(model, [(layer, head)])
    positions = pattern.shape[-1]
    if pattern.ndim not in (2, 3) or pattern.shape[-2] != positions:
        raise ValueError(f"a pattern of shape {list(pattern.shape)} does not fit: give [query_pos, key_pos], squared")
    if not torch.isfinite(pattern).all() or (pattern < 0).any():
        raise ValueError("this pattern holds a negative or infinite number: give shares of attention, 0 or more")
    if pattern.triu(1).any():
        raise ValueError("this pattern looks ahead: every entry whose key comes after its query must be 0")
    given = pattern.detach().clone()

    def replace(_module: nn.Module, _inputs: object, computed: Tensor) -> Tensor:
        if computed.shape[-2:] != given.shape[-2:]:
            raise ValueError(f"the edited pattern is for {positions} positions, this text has {computed.shape[-1]}")
        changed = computed.clone()
        changed[:, head] = given.to(computed)
        return changed

    altered = twin(model, readable=True)
    handle = blocks(altered)[layer].attention.hook_pattern.register_forward_hook(replace)
    try:
        yield altered
    finally:
        handle.remove()


@dataclass(frozen=True)
class Effect:
    """What an alteration does to a text: the mean next-token loss, and the chosen pair's logit difference at its end.

    Losses are None for a text of one token; logit differences, the mean over the batch, are None without a pair.
    """

    loss: float | None
    altered_loss: float | None
    logit_difference: float | None
    altered_logit_difference: float | None


def effect(
    model: Transformer, altered: Transformer, tokens: Int[Tensor, "batch pos"], pair: tuple[int, int] | None = None
) -> Effect:
    """Loss and logit difference of the original beside the altered model.

    Raises:
        ValueError: tokens that the model cannot read.
    """
    loss, difference = _measure(model, tokens, pair)
    altered_loss, altered_difference = _measure(altered, tokens, pair)
    return Effect(loss, altered_loss, difference, altered_difference)


def ablation_effect(
    model: Transformer,
    tokens: Int[Tensor, "batch pos"],
    heads: Collection[Head] = (),
    mlps: Collection[int] = (),
    scale: float = 0.0,
    mean: bool = False,
    pair: tuple[int, int] | None = None,
) -> Effect:
    """Change in loss and in logit difference with these parts ablated; see `ablate`.

    With `mean`, the replacement is the mean over all sequences and positions of `tokens`.
    """
    with ablate(model, heads, mlps, scale, tokens if mean else None) as altered:
        return effect(model, altered, tokens, pair)


def _measure(
    model: Transformer, tokens: Int[Tensor, "batch pos"], pair: tuple[int, int] | None
) -> tuple[float | None, float | None]:
    logits = record(model, tokens, ["logits"])["logits"]  # [batch, pos, d_vocab]
    loss = token_losses(logits[:, :-1], tokens[:, 1:]).mean().item() if tokens.shape[1] > 1 else None
    if pair is None:
        return loss, None
    check_pair(model, pair)
    return loss, (logits[:, -1, pair[0]] - logits[:, -1, pair[1]]).mean().item()


def _turn_down(
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
