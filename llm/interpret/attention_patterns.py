"""Attention patterns of a text: a forward pass one layer at a time, and three ways to show a pattern.

Only one layer's patterns are in memory at a time, and each layer can be a separate task
(`llm.runtime.compute.iterate`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from llm.interpret.recording import as_batch, blocks, hookable_copy
from llm.layers.attention import Attention
from llm.layers.block import Block
from llm.model import Transformer

THUMBNAIL_CELLS = 128  # along each side of a thumbnail, at most


@dataclass(frozen=True)
class AttentionLayer:
    """What one attention layer computes on a text; `plain_query` and `plain_key` are those before rotation."""

    attention: Attention
    plain_query: Float[Tensor, "batch head pos d_head"]
    plain_key: Float[Tensor, "batch kv_head pos d_head"]
    query: Float[Tensor, "batch head pos d_head"]
    key: Float[Tensor, "batch kv_head pos d_head"]
    value: Float[Tensor, "batch kv_head pos d_head"]
    scores: Float[Tensor, "batch head query_pos key_pos"]
    pattern: Float[Tensor, "batch head query_pos key_pos"]

    @property
    def hidden(self) -> Bool[Tensor, "query_pos key_pos"]:
        """What the layer's mask hides: it has the weight 0 whatever the scores are."""
        positions = self.pattern.shape[-1]
        return self.attention.hidden(positions, positions, self.pattern.device)


def attention_layers(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Iterator[AttentionLayer]:
    """One forward pass, a layer at a time. The model itself is never hooked or switched to another mode.

    Raises:
        ValueError: invalid tokens (see `as_batch`).
    """
    tokens = as_batch(model, tokens)
    copy = hookable_copy(model, materialize_pattern=True)
    resid = _embed(copy, tokens)  # [batch, pos, d_model]
    for block in blocks(copy):
        resid, layer = _run_block(block, resid)
        yield layer


# Gradients are disabled only inside these two functions: a suspended generator must not change its thread's state.


@torch.no_grad()
def _embed(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
    resid = model.embed(tokens)  # [batch, pos, d_model]
    return model.hook_embedding(resid if model.positions is None else model.positions(resid, 0))


@torch.no_grad()
def _run_block(
    block: Block, resid: Float[Tensor, "batch pos d_model"]
) -> tuple[Float[Tensor, "batch pos d_model"], AttentionLayer]:
    attention = block.attention
    recorded: dict[str, Tensor] = {}

    def store(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        recorded[name] = output.clone()

    modules = {name: getattr(attention, f"hook_{name}") for name in ("query", "key", "value", "scores", "pattern")}
    modules |= {"plain_query": attention.norm_query, "plain_key": attention.norm_key}
    hooks = [module.register_forward_hook(partial(store, name)) for name, module in modules.items()]
    resid = block(resid)  # [batch, pos, d_model]
    for hook in hooks:
        hook.remove()
    return resid, AttentionLayer(attention, **recorded)


def even_pattern(hidden: Bool[Tensor, "query_pos key_pos"]) -> Float[Tensor, "query_pos key_pos"]:
    """The pattern of a head that attends evenly to all that its mask shows: 1 / (q + 1) where that is all up to q."""
    visible = (~hidden).double()  # [query_pos, key_pos]
    return visible / visible.sum(dim=-1, keepdim=True)


def pattern_thumbnails(
    pattern: Float[Tensor, "head query_pos key_pos"], cells: int = THUMBNAIL_CELLS
) -> UInt8[Tensor, "head query_cell key_cell"]:
    """Patterns as 8-bit images: round(255 · sqrt(A)), so that small weights differ visibly from zero.

    With more than `cells` positions, a cell covers a square of `thumbnail_span` positions per side and shows the
    greatest weight in it.
    """
    span = thumbnail_span(pattern.shape[-1], cells)
    if span > 1:
        pattern = nn.functional.max_pool2d(pattern[None], span, ceil_mode=True)[0]
    return (255 * pattern.float().sqrt()).round().to(torch.uint8).cpu()


def thumbnail_span(positions: int, cells: int = THUMBNAIL_CELLS) -> int:
    """How many positions one cell of a thumbnail covers, along each side."""
    return -(-positions // cells)


def pattern_without_first(pattern: Float[Tensor, "query_pos key_pos"]) -> Float[Tensor, "query_pos key_pos"]:
    """The pattern over all keys but the first: A[q, k] / (1 − A[q, 0]) for k ≥ 1. The first query's row becomes 0.

    Many heads attend to the first token when they find nothing (an attention sink, Xiao et al. 2023,
    arXiv:2309.17453); without it, you can see what else they attend to.
    """
    others = pattern.clone()
    others[:, 0] = 0
    return others / others.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(others.dtype).tiny)


def value_weighted_pattern(
    pattern: Float[Tensor, "batch head query_pos key_pos"], value: Float[Tensor, "batch kv_head pos d_head"]
) -> Float[Tensor, "batch head query_pos key_pos"]:
    """How much each key contributes: A[q, k] · |value[k]|, each row scaled to sum to 1.

    Kobayashi et al. 2020 (arXiv:2004.10102) weight by the norm of what arrives, |value[k] · W_O|; this is before W_O.
    A head can attend to a position whose value is nearly zero, such as a sink, and take nothing from it.
    """
    norms = value.norm(dim=-1).repeat_interleave(pattern.shape[1] // value.shape[1], dim=1)  # [batch, head, key_pos]
    weighted = pattern * norms[:, :, None]  # [batch, head, query_pos, key_pos]
    return weighted / weighted.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(weighted.dtype).tiny)
