"""The decode step: one new token for each sequence of a batch, in as few operators as possible.

`Transformer` with its key/value cache computes the same. But for one token of a small model nearly all of its time is
Python and the start of each operator, hardly any arithmetic. Here everything that does not depend on the token is
prepared once per generation from the model's weights:

- one matrix for queries, keys and values, one for the MLP's gate and input;
- vectors added at each position, as a table, and rotations at each position, as matrices [d_head, d_head]. Both are
  read off the position layer itself, from what it does to a zero vector and to unit vectors;
- buffers that are written in place, and caches of full length.

Norms, activations and biases on scores are the model's own layers. What the step assumes of the rest (the order of the
parts, that positions add or rotate) may be wrong for a part that somebody registered or edited. So `decode_step`
compares it with the model on a whole window before anything relies on it, and gives none if they differ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.decoding_mlp import mlp_step
from llm.int8 import dequantised, matrix
from llm.layers.cache import KeyValueCache
from llm.model import Transformer
from llm.products import attend, product, rotate
from llm.runtime.evaluation_mode import evaluating

MAX_TABLE = 2**24  # numbers in one table of rotations or score biases
LEAST_COMPARED = 256  # positions: shorter windows are compared completely

_compared: WeakKeyDictionary[nn.Module, tuple[list[int], int, int]] = WeakKeyDictionary()


class _Layer:
    """One block: its weights in the layout of the step, and its keys and values."""

    def __init__(self, block: Any, batch_size: int, n_ctx: int) -> None:
        attention, mlp = block.attention, block.mlp
        self.norm_reads, self.norm_mid, self.norm_end = block.norm_reads, block.norm_mid, block.norm_end
        self.parallel, self.one_norm = block.parallel, block.one_norm
        self.norm_attention: Callable[[Tensor], Tensor] = block.norm_attention.forward
        self.norm_attention_out: Callable[[Tensor], Tensor] = block.norm_attention_out.forward
        self.norm_mlp: Callable[[Tensor], Tensor] = block.norm_mlp.forward
        self.norm_mlp_out: Callable[[Tensor], Tensor] = block.norm_mlp_out.forward
        self.norms = (attention.norm_query, attention.norm_key) if len([*attention.norm_query.parameters()]) else None
        like = attention.W_O
        heads, kv_heads, d_head = attention.n_heads, attention.n_kv_heads, attention.d_head
        self.W_QKV = matrix(attention, "W_Q", "W_K", "W_V")  # [d_model, qkv]
        self.W_O = matrix(attention, "W_O")  # [head·d_head, d_model]
        self.b_QKV = self.b_O = None
        if attention.b_Q is not None:
            self.b_QKV = torch.cat([bias.flatten() for bias in (attention.b_Q, attention.b_K, attention.b_V)])
        if attention.b_O is not None:
            self.b_O = attention.b_O
        self.mlp = mlp_step(mlp, batch_size)
        self.heads, self.group = (heads, kv_heads), attention.group
        self.window: int | None = attention.window
        self.softcap: float | None = attention.attention_softcap
        self.buffers = (
            like.new_zeros(batch_size, like.shape[2]),  # [batch, d_model]
            like.new_zeros(batch_size, heads + 2 * kv_heads, d_head),
            like.new_zeros(batch_size, heads + kv_heads, d_head),
        )
        self.slots = [like.new_zeros(batch_size * n_ctx, kv_heads, d_head) for _ in range(2)]
        self.keys, self.values = (
            slots.view(batch_size, n_ctx, kv_heads, d_head).transpose(1, 2) for slots in self.slots
        )  # [batch, kv_head, n_ctx, d_head]
        self.use_rows(batch_size)

    def use_rows(self, count: int) -> None:
        """Step the first `count` rows only: what the step writes to, and the keys and values it reads, are theirs."""
        heads, kv_heads = self.heads
        self.written, per_head, self.rotated = (buffer[:count] for buffer in self.buffers)
        self.qkv = per_head.flatten(start_dim=1)  # [batch, qkv], the same memory
        self.query_and_key = per_head[:, : heads + kv_heads]
        self.query, self.key, self.value = per_head.split([heads, kv_heads, kv_heads], dim=1)
        self.rotated_query, self.rotated_key = self.rotated.split([heads, kv_heads], dim=1)
        self.mlp = self.mlp.of_rows(count)
        self.keys, self.values = self.keys[:count], self.values[:count]

    def step(
        self,
        resid: Float[Tensor, "batch d_model"],
        slot: Int[Tensor, " batch"],
        rotation: Float[Tensor, "batch d_head d_head"] | None,
        bias: Tensor | None,
        length: int,
    ) -> Float[Tensor, "batch d_model"]:
        read = self.norm_attention(resid) if self.norm_reads else resid
        product(self.qkv, read, self.W_QKV, self.b_QKV)
        if self.norms is not None:
            self.query.copy_(self.norms[0].forward(self.query.unsqueeze(2)).squeeze(2))  # of one position
            self.key.copy_(self.norms[1].forward(self.key.unsqueeze(2)).squeeze(2))
        query, key = self.query, self.key
        if rotation is not None:
            rotate(self.rotated, self.query_and_key, rotation)
            query, key = self.rotated_query, self.rotated_key
        self.slots[0].index_copy_(0, slot, key)
        self.slots[1].index_copy_(0, slot, self.value)
        keys, values = self.keys.narrow(2, 0, length), self.values.narrow(2, 0, length)
        mixed = attend(query.unsqueeze(2), keys, values, bias, self.group, self.softcap)  # [batch, head, 1, d_head]
        product(self.written, mixed.flatten(start_dim=1), self.W_O, self.b_O)
        if self.parallel and not self.one_norm:
            read = self.norm_mlp(resid) if self.norm_reads else resid
        resid = resid + self.norm_attention_out(self.written)
        if self.norm_mid:
            resid = self.norm_attention(resid)
        if not self.parallel:
            read = self.norm_mlp(resid) if self.norm_reads else resid
        resid = resid + self.norm_mlp_out(self.mlp(read, self.written))
        return self.norm_mlp(resid) if self.norm_end else resid


class DecodeStep:
    """Logits for the next token of each sequence, from its newest token and the cached ones.

    Sequence `row` keeps the keys and values of its position `pos` in slot `row · n_ctx + pos`, so that sequences of
    different lengths share a batch and each can start a new window by itself.

    Raises:
        AttributeError, TypeError, ValueError: the model has parts that the step does not know.
    """

    @torch.no_grad()
    def __init__(self, model: Transformer, batch_size: int) -> None:
        self.batch_size, self.n_ctx = batch_size, model.config.n_ctx
        self.weights = [*model.parameters()]  # to look for them takes longer than a small layer
        self.versions = _versions(self.weights)
        self.layers = [_Layer(block, batch_size, self.n_ctx) for block in model.blocks]
        self.embedding = model.embed.W_E
        self.embedding_scale, self.final_softcap = model.embed.embedding_scale, model.unembed.final_softcap
        self.final_norm: Callable[[Tensor], Tensor] = model.final_norm.forward
        self.W_U = matrix(model.unembed, "W_E" if model.unembed.tied else "W_U")  # [d_model, d_vocab]
        self.positions = _position_vectors(model)
        self.rotations = _rotations(model)
        self.score_biases = _score_biases(model)
        device = self.embedding.device
        self.first_slots = torch.arange(batch_size, device=device) * self.n_ctx  # [batch]
        self.key_positions = torch.arange(self.n_ctx, device=device)  # [key_pos]
        self.masked = self.embedding.new_full((), -torch.inf)
        self.visible = self.embedding.new_zeros(())
        attention: Any = model.blocks[0].attention
        self.mask: Callable[..., Tensor] = attention.mask
        self.windows = {layer.window for layer in self.layers}
        # of each layer, which table of biases and which window its scores have
        tables = len(self.score_biases)
        self.bias_kinds_by_layer = [(index % tables, layer.window) for index, layer in enumerate(self.layers)]
        self.bias_kinds = set(self.bias_kinds_by_layer)

    def narrowed(self, count: int) -> DecodeStep:
        """A step of the first `count` sequences, with the same weights, keys and values: it takes less time."""
        narrow = copy.copy(self)
        narrow.batch_size, narrow.first_slots = count, self.first_slots[:count]
        narrow.layers = [copy.copy(layer) for layer in self.layers]
        for layer in narrow.layers:
            layer.use_rows(count)
        return narrow

    def move(self, source: int, target: int) -> None:
        """From now on the sequence in row `source` is in row `target`."""
        for layer in self.layers:
            layer.keys[target], layer.values[target] = layer.keys[source], layer.values[source]

    def forget(self, row: int) -> None:
        """Remove what is cached of a row: NaN would reach the next sequence there, because 0 · NaN is NaN."""
        for layer in self.layers:
            layer.keys[row], layer.values[row] = 0, 0

    @property
    def stale(self) -> bool:
        """Whether the model's weights have changed since."""
        return self.versions != _versions(self.weights)

    @torch.no_grad()
    def load(self, cache: KeyValueCache, rows: Sequence[int]) -> None:
        """Take over cached keys and values as those of these sequences."""
        for layer, cached in zip(self.layers, cache.layers, strict=True):
            assert cached.keys is not None and cached.values is not None
            layer.keys[list(rows), :, : cached.length] = cached.keys[:, :, : cached.length]
            layer.values[list(rows), :, : cached.length] = cached.values[:, :, : cached.length]

    @torch.inference_mode()
    def __call__(self, tokens: Sequence[int], positions: Sequence[int]) -> Float[Tensor, "batch d_vocab"]:
        """Read one token of each sequence at this position of its window; its earlier positions are cached."""
        token, position = torch.tensor([tokens, positions], device=self.embedding.device).unbind()  # [batch] each
        length = max(positions) + 1
        resid = self.embedding.index_select(0, token)  # [batch, d_model]
        if self.embedding_scale is not None:
            resid.mul_(self.embedding_scale)
        if self.positions is not None:
            resid.add_(self.positions.index_select(0, position))
        rotation = None if self.rotations is None else self.rotations.index_select(0, position)
        masks = {window: self._mask(position, length, window) for window in self.windows}
        biases = {
            (index, window): self._bias(self.score_biases[index], position, length, masks[window])
            for index, window in self.bias_kinds
        }
        slot = self.first_slots + position  # [batch]
        for kind, layer in zip(self.bias_kinds_by_layer, self.layers, strict=True):
            resid = layer.step(resid, slot, rotation, biases[kind], length)
        logits = resid.new_empty(self.batch_size, len(self.embedding))  # [batch, d_vocab]
        product(logits, self.final_norm(resid), self.W_U)
        if self.final_softcap is not None:
            logits.div_(self.final_softcap).tanh_().mul_(self.final_softcap)
        return logits

    def _mask(self, position: Int[Tensor, " batch"], length: int, window: int | None) -> Tensor | None:
        """What is added to the scores [batch, 1, 1, key_pos]: −∞ for what is hidden, or what a sequence lacks."""
        if self.batch_size == 1 and (window is None or window >= length):
            return None
        hidden = self.mask(position.unsqueeze(1) - self.key_positions[:length], window)  # [batch, key_pos]
        return torch.where(hidden, self.masked, self.visible)[:, None, None]  # [batch, 1, 1, key_pos]

    @staticmethod
    def _bias(table: Tensor | None, position: Int[Tensor, " batch"], length: int, mask: Tensor | None) -> Tensor | None:
        """What is added to the scores [batch, head or 1, 1, key_pos]."""
        if table is None:
            return mask
        bias = table[:, :, :length].index_select(1, position).transpose(0, 1).unsqueeze(2)
        return bias if mask is None else bias + mask


def decode_step(model: Transformer, batch_size: int, length: int) -> DecodeStep | None:
    """The step for this model as it is, or None if the two might differ within `length` positions.

    None for a model with hooks, as a sharded one has, and for one whose logits differ from the step's. They are
    compared with these weights on a window of random tokens, once for each state of the weights.
    """
    if length < 2 or any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return None
    try:
        step = DecodeStep(model, batch_size)
        rows = min(batch_size, 2)
        versions, compared_length, compared_rows = _compared.get(model, ([], 0, 0))
        if versions != step.versions or compared_length < length or compared_rows != rows:
            length = min(model.config.n_ctx, max(length, LEAST_COMPARED))
            exact = dequantised(model)  # the step rounds more where weights are integers
            own = exact is model and rows == batch_size
            if not _agree(exact, step if own else DecodeStep(exact, rows), length):
                return None
            _compared[model] = (step.versions, length, rows)
    except (AttributeError, TypeError, ValueError, RuntimeError):  # another structure than the step assumes
        return None
    return step


@torch.no_grad()
def _agree(model: Transformer, step: DecodeStep, length: int) -> bool:
    """Whether step and model give the same logits: at the last position, and for a second sequence in the middle."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(model.config.d_vocab, (step.batch_size, length), generator=generator)  # [batch, pos]
    positions = [length - 1, length // 2][: step.batch_size]
    cache = KeyValueCache(model.config)
    with evaluating(model):
        logits = model(tokens.to(step.embedding.device), cache)  # [batch, pos, d_vocab]
    step.load(cache, range(step.batch_size))
    rows = range(step.batch_size)
    expected = torch.stack([logits[row, positions[row]] for row in rows])  # [batch, d_vocab]
    found = step([int(tokens[row, positions[row]]) for row in rows], positions)
    tolerance = math.sqrt(torch.finfo(logits.dtype).eps) * expected.abs().max()
    return bool((found - expected).abs().max() <= tolerance)  # not if any is NaN


def _versions(weights: Sequence[Tensor]) -> list[int]:
    """A number for each parameter that grows whenever it is changed in place."""
    return [weight._version for weight in weights]


def _position_vectors(model: Transformer) -> Float[Tensor, "n_ctx d_model"] | None:
    if model.positions is None:
        return None
    zeros = model.embed.W_E.new_zeros(1, model.config.n_ctx, model.config.d_model)
    vectors: Tensor = model.positions.forward(zeros)[0]
    return vectors


def _rotations(model: Transformer) -> Float[Tensor, "n_ctx d_head d_head"] | None:
    attention: Any = model.blocks[0].attention
    rotation, d_head, n_ctx = attention.rotation, model.config.d_head, model.config.n_ctx
    if rotation is None:
        return None
    _require_room(n_ctx * d_head**2)
    unit = torch.eye(d_head, dtype=model.embed.W_E.dtype, device=model.embed.W_E.device)
    # each unit vector as a head of its own, at every position
    turned = rotation.forward(unit[None, :, None].expand(1, -1, n_ctx, -1))  # [1, d_head, n_ctx, d_head]
    return turned[0].transpose(0, 1).contiguous()


def _score_biases(model: Transformer) -> list[Float[Tensor, "head n_ctx n_ctx"] | None]:
    """A table for each layer where the biases are learned, else one for all; [None] without biases."""
    blocks: Any = model.blocks
    schemes = [block.attention.score_bias for block in blocks]
    heads, n_ctx, W_E = model.config.n_heads, model.config.n_ctx, model.embed.W_E
    if schemes[0] is None:
        return [None]
    tables = schemes if len([*schemes[0].parameters()]) else schemes[:1]
    _require_room(len(tables) * heads * n_ctx**2)
    return [scheme.forward(n_ctx, n_ctx).to(W_E.dtype) for scheme in tables]


def _require_room(numbers: int) -> None:
    if numbers > MAX_TABLE:
        raise ValueError(f"a table of {numbers:,} numbers is too large, the limit is {MAX_TABLE:,}")
