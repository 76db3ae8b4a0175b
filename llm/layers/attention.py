"""Attention: every position reads information from itself and from other positions, those that its mask shows.

    query, key, value = resid · W_Q, resid · W_K, resid · W_V                         (each head its own)
    scores[q, k]      = query[q] · key[k] / sqrt(d_head),  −∞ where k is hidden from q        (see `llm.layers.mask`)
    pattern[q]        = softmax(scores[q])                                            (each row sums to 1)
    mixed[q]          = Σ_k pattern[q, k] · value[k]
    output[q]         = Σ_heads mixed[head, q] · W_O[head]

Multi-head attention: Vaswani et al. 2017, arXiv:1706.03762. One key/value head for all query heads (multi-query):
Shazeer 2019, arXiv:1911.02150; one for each group of query heads (grouped-query): Ainslie et al. 2023,
arXiv:2305.13245; query head h reads key/value head h // group, where group = n_heads / n_kv_heads. Normalised queries
and keys: Henry et al. 2020, arXiv:2010.04245. Some position schemes rotate queries and keys, others add to the scores.
With attention_softcap each score s is cap · tanh(s / cap), before anything is added to it or hidden (Gemma 2,
arXiv:2408.00118).

`pos` and `query_pos` are the positions given now; `key_pos` counts the cached ones as well. With `documents`, a query
also sees only the keys of its own document; positions count from the beginning of the window all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.cache import LayerCache
from llm.layers.mask import layer_window
from llm.layers.mask.build import build_mask
from llm.layers.mask.hidden import Documents, other_document
from llm.layers.position.build import build_position
from llm.layers.query_key_norm.build import build_query_key_norm
from llm.layers.softcap import attend_with_softcap


def attend(
    query: Float[Tensor, "batch head query_pos d_head"],
    key: Float[Tensor, "batch kv_head key_pos d_head"],
    value: Float[Tensor, "batch kv_head key_pos d_head"],
    attn_mask: Tensor | None = None,
    **options: Any,
) -> Float[Tensor, "batch head query_pos d_head"]:
    """scaled_dot_product_attention, for a bias on the scores in any number format."""
    if attn_mask is not None and attn_mask.is_floating_point():
        attn_mask = attn_mask.to(query.dtype)
    return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=attn_mask, **options)


class Attention(nn.Module):
    """Parameters of one attention layer, in each of its implementations.

    `W_Q`, `W_O` [n_heads, d_head, d_model], `W_K`, `W_V` [n_kv_heads, d_head, d_model], start normal with deviation
    0.02 · sqrt(768 / d_model), which is GPT-2's 0.02 at its own width; `W_O` smaller by sqrt(2 · n_layers), so that the
    untrained residual stream ends at about the same scale whatever the depth (Radford et al. 2019). Biases `b_Q`
    [n_heads, d_head], `b_K`, `b_V` [n_kv_heads, d_head], `b_O` [d_model] start at 0.

    Hooks: query, key (as they enter the dot product: normalised and rotated), value, scores (masked), pattern, mixed.
    The fused implementation has no scores and no pattern to show.
    """

    b_Q: nn.Parameter
    b_K: nn.Parameter
    b_V: nn.Parameter

    def __init__(self, config: ModelConfig, implementation: Implementation, layer: int) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads, self.d_head = config.n_heads, config.n_kv_heads, config.d_head
        self.group = config.n_heads // config.n_kv_heads
        deviation = 0.02 * math.sqrt(768 / config.d_model)
        self.W_Q = nn.Parameter(torch.empty(config.n_heads, config.d_head, config.d_model).normal_(std=deviation))
        self.W_K = nn.Parameter(torch.empty(config.n_kv_heads, config.d_head, config.d_model).normal_(std=deviation))
        self.W_V = nn.Parameter(torch.empty(config.n_kv_heads, config.d_head, config.d_model).normal_(std=deviation))
        self.W_O = nn.Parameter(
            torch.empty(config.n_heads, config.d_head, config.d_model).normal_(
                std=deviation / math.sqrt(2 * config.n_layers)
            )
        )
        self.bias = config.has_qkv_bias
        for name, heads in (("b_Q", config.n_heads), ("b_K", config.n_kv_heads), ("b_V", config.n_kv_heads)):
            bias = nn.Parameter(torch.zeros(heads, config.d_head)) if config.has_qkv_bias else None
            self.register_parameter(name, bias)
        self.b_O = nn.Parameter(torch.zeros(config.d_model)) if config.bias else None
        self.norm_query = build_query_key_norm(config, implementation, config.n_heads)
        self.norm_key = build_query_key_norm(config, implementation, config.n_kv_heads)
        self.rotation = build_position(config, implementation, "queries and keys")
        self.score_bias = build_position(config, implementation, "scores")
        self.attention_softcap = config.attention_softcap
        self.mask = build_mask(config)
        self.window = layer_window(config, layer)
        self.causal = config.causal
        self.dropout = nn.Dropout(config.dropout)
        self.hook_query, self.hook_key, self.hook_value = nn.Identity(), nn.Identity(), nn.Identity()
        self.hook_scores, self.hook_pattern, self.hook_mixed = nn.Identity(), nn.Identity(), nn.Identity()

    def hidden(self, query_pos: int, key_pos: int, device: torch.device) -> Bool[Tensor, "query_pos key_pos"]:
        """True where a query may not attend to a key. Queries are the last query_pos of the key_pos positions."""
        key_position = torch.arange(key_pos, device=device)  # [key_pos]
        distance = key_position[key_pos - query_pos :, None] - key_position  # [query_pos, key_pos]
        return self.mask(distance, self.window)  # [query_pos, key_pos]


class AttentionWithEinops(Attention):
    """Every contraction names its axes."""

    def forward(
        self, resid: Float[Tensor, "batch pos d_model"], cache: LayerCache | None = None, documents: Documents = None
    ) -> Float[Tensor, "batch pos d_model"]:
        query = einsum(
            resid, self.W_Q, "batch pos d_model, head d_head d_model -> batch head pos d_head"
        )  # [batch, head, pos, d_head]
        key = einsum(
            resid, self.W_K, "batch pos d_model, kv_head d_head d_model -> batch kv_head pos d_head"
        )  # [batch, kv_head, pos, d_head]
        value = einsum(
            resid, self.W_V, "batch pos d_model, kv_head d_head d_model -> batch kv_head pos d_head"
        )  # [batch, kv_head, pos, d_head]
        if self.bias:
            query = query + rearrange(self.b_Q, "head d_head -> head 1 d_head")  # [batch, head, pos, d_head]
            key = key + rearrange(self.b_K, "kv_head d_head -> kv_head 1 d_head")  # [batch, kv_head, pos, d_head]
            value = value + rearrange(self.b_V, "kv_head d_head -> kv_head 1 d_head")  # [batch, kv_head, pos, d_head]

        query = self.norm_query(query)  # [batch, head, pos, d_head]
        key = self.norm_key(key)  # [batch, kv_head, pos, d_head]
        if self.rotation is not None:
            start = cache.length if cache is not None else 0
            query = self.rotation(query, start)  # [batch, head, pos, d_head]
            key = self.rotation(key, start)  # [batch, kv_head, pos, d_head]
        query, key, value = self.hook_query(query), self.hook_key(key), self.hook_value(value)
        if cache is not None:
            key, value = cache.append(key, value)  # [batch, kv_head, key_pos, d_head]
        key = repeat(
            key, "batch kv_head key_pos d_head -> batch (kv_head group) key_pos d_head", group=self.group
        )  # [batch, head, key_pos, d_head]
        value = repeat(
            value, "batch kv_head key_pos d_head -> batch (kv_head group) key_pos d_head", group=self.group
        )  # [batch, head, key_pos, d_head]

        scores = einsum(
            query, key, "batch head query_pos d_head, batch head key_pos d_head -> batch head query_pos key_pos"
        ) / math.sqrt(self.d_head)  # [batch, head, query_pos, key_pos]
        if self.attention_softcap is not None:
            scores = self.attention_softcap * torch.tanh(
                scores / self.attention_softcap
            )  # [batch, head, query_pos, key_pos]
        if self.score_bias is not None:
            scores = scores + self.score_bias(query.shape[2], key.shape[2])  # [batch, head, query_pos, key_pos]
        hidden = self.hidden(query.shape[2], key.shape[2], query.device)  # [query_pos, key_pos]
        if documents is not None:
            hidden = hidden | other_document(documents)  # [batch, 1, query_pos, key_pos]
        scores = self.hook_scores(scores.masked_fill(hidden, -torch.inf))  # [batch, head, query_pos, key_pos]
        pattern = self.hook_pattern(scores.softmax(dim=-1))  # [batch, head, query_pos, key_pos]
        mixed = einsum(
            self.dropout(pattern),
            value,
            "batch head query_pos key_pos, batch head key_pos d_head -> batch head query_pos d_head",
        )  # [batch, head, query_pos, d_head]
        mixed = self.hook_mixed(mixed)  # [batch, head, query_pos, d_head]
        output = einsum(
            mixed, self.W_O, "batch head pos d_head, head d_head d_model -> batch pos d_model"
        )  # [batch, pos, d_model]
        return output if self.b_O is None else output + self.b_O  # [batch, pos, d_model]


class AttentionWithoutEinops(Attention):
    """The same with `view`, `transpose` and `matmul`."""

    def forward(
        self, resid: Float[Tensor, "batch pos d_model"], cache: LayerCache | None = None, documents: Documents = None
    ) -> Float[Tensor, "batch pos d_model"]:
        every_head = resid.unsqueeze(1)  # [batch, 1, pos, d_model]
        query = torch.matmul(every_head, self.W_Q.transpose(1, 2))  # [batch, head, pos, d_head]
        key = torch.matmul(every_head, self.W_K.transpose(1, 2))  # [batch, kv_head, pos, d_head]
        value = torch.matmul(every_head, self.W_V.transpose(1, 2))  # [batch, kv_head, pos, d_head]
        if self.bias:
            query = query + self.b_Q.unsqueeze(1)  # [batch, head, pos, d_head]
            key = key + self.b_K.unsqueeze(1)  # [batch, kv_head, pos, d_head]
            value = value + self.b_V.unsqueeze(1)  # [batch, kv_head, pos, d_head]

        query = self.norm_query(query)  # [batch, head, pos, d_head]
        key = self.norm_key(key)  # [batch, kv_head, pos, d_head]
        if self.rotation is not None:
            start = cache.length if cache is not None else 0
            query = self.rotation(query, start)  # [batch, head, pos, d_head]
            key = self.rotation(key, start)  # [batch, kv_head, pos, d_head]
        query, key, value = self.hook_query(query), self.hook_key(key), self.hook_value(value)
        if cache is not None:
            key, value = cache.append(key, value)  # [batch, kv_head, key_pos, d_head]
        key = key.repeat_interleave(self.group, dim=1)  # [batch, head, key_pos, d_head]
        value = value.repeat_interleave(self.group, dim=1)  # [batch, head, key_pos, d_head]

        scores = torch.matmul(query, key.transpose(2, 3)) / math.sqrt(self.d_head)  # [batch, head, query_pos, key_pos]
        if self.attention_softcap is not None:
            scores = self.attention_softcap * torch.tanh(
                scores / self.attention_softcap
            )  # [batch, head, query_pos, key_pos]
        if self.score_bias is not None:
            scores = scores + self.score_bias(query.shape[2], key.shape[2])  # [batch, head, query_pos, key_pos]
        hidden = self.hidden(query.shape[2], key.shape[2], query.device)  # [query_pos, key_pos]
        if documents is not None:
            hidden = hidden | other_document(documents)  # [batch, 1, query_pos, key_pos]
        scores = self.hook_scores(scores.masked_fill(hidden, -torch.inf))  # [batch, head, query_pos, key_pos]
        pattern = self.hook_pattern(torch.softmax(scores, dim=-1))  # [batch, head, query_pos, key_pos]
        mixed = self.hook_mixed(torch.matmul(self.dropout(pattern), value))  # [batch, head, query_pos, d_head]
        per_head = torch.matmul(mixed, self.W_O)  # [batch, head, pos, d_model]
        output = per_head.sum(dim=1)  # [batch, pos, d_model]
        return output if self.b_O is None else output + self.b_O  # [batch, pos, d_model]


class AttentionFused(Attention):
    """All heads in one product each, and scaled_dot_product_attention, whose fast kernels never store the pattern.

    `attend` can be replaced by another function of the same arguments (see `llm.runtime.device.attention_kernel`).
    With a soft-cap on scores, which these kernels do not have, it computes the pattern.
    """

    attend: Callable[..., Tensor] = staticmethod(attend)

    def forward(
        self, resid: Float[Tensor, "batch pos d_model"], cache: LayerCache | None = None, documents: Documents = None
    ) -> Float[Tensor, "batch pos d_model"]:
        query = self._heads(resid, self.W_Q, self.b_Q)  # [batch, head, pos, d_head]
        key = self._heads(resid, self.W_K, self.b_K)  # [batch, kv_head, pos, d_head]
        value = self._heads(resid, self.W_V, self.b_V)  # [batch, kv_head, pos, d_head]
        query = self.norm_query(query)  # [batch, head, pos, d_head]
        key = self.norm_key(key)  # [batch, kv_head, pos, d_head]
        if self.rotation is not None:
            start = cache.length if cache is not None else 0
            query = self.rotation(query, start)  # [batch, head, pos, d_head]
            key = self.rotation(key, start)  # [batch, kv_head, pos, d_head]
        query, key, value = self.hook_query(query), self.hook_key(key), self.hook_value(value)
        if cache is not None:
            key, value = cache.append(key, value)  # [batch, kv_head, key_pos, d_head]

        query_pos, key_pos = query.shape[2], key.shape[2]
        mask = None
        if self.score_bias is not None:
            bias = self.score_bias(query_pos, key_pos)  # [head, query_pos, key_pos]
            hidden = self.hidden(query_pos, key_pos, query.device)  # [query_pos, key_pos]
            mask = bias.masked_fill(hidden, -torch.inf)  # [head, query_pos, key_pos]
            if documents is not None:
                mask = mask.masked_fill(other_document(documents), -torch.inf)  # [batch, head, query_pos, key_pos]
        elif documents is not None or (
            self.causal
            and (
                (self.window is not None and self.window < key_pos)
                or 1 < query_pos < key_pos
                or (self.attention_softcap is not None and query_pos > 1)
            )
        ):
            mask = ~self.hidden(query_pos, key_pos, query.device)  # [query_pos, key_pos]
            if documents is not None:
                mask = mask & ~other_document(documents)  # [batch, 1, query_pos, key_pos]
        if self.attention_softcap is not None:
            mixed = attend_with_softcap(
                query, key, value, self.attention_softcap, mask, self.dropout.p if self.training else 0.0
            )  # [batch, head, query_pos, d_head]
        else:
            mixed = self.attend(
                query,
                key,
                value,
                attn_mask=mask,
                is_causal=self.causal and mask is None and query_pos == key_pos,
                dropout_p=self.dropout.p if self.training else 0.0,
                enable_gqa=self.group > 1,
            )  # [batch, head, query_pos, d_head]
        mixed = self.hook_mixed(mixed)  # [batch, head, query_pos, d_head]
        concatenated = mixed.transpose(1, 2).flatten(start_dim=2)  # [batch, pos, head·d_head]
        return nn.functional.linear(concatenated, self.W_O.flatten(end_dim=1).T, self.b_O)  # [batch, pos, d_model]

    def _heads(
        self, resid: Float[Tensor, "batch pos d_model"], weight: Tensor, bias: Tensor | None
    ) -> Float[Tensor, "batch some_head pos d_head"]:
        """One product for all heads, then split into heads."""
        flat_bias = None if bias is None else bias.flatten()
        flat = nn.functional.linear(resid, weight.flatten(end_dim=1), flat_bias)
        return flat.unflatten(2, weight.shape[:2]).transpose(1, 2)


ATTENTION = {"einops": AttentionWithEinops, "torch": AttentionWithoutEinops, "fused": AttentionFused}


def build_attention(config: ModelConfig, implementation: Implementation, layer: int = 0) -> Attention:
    """The attention of this layer, counted from 0, in this implementation."""
    return ATTENTION[implementation](config, implementation, layer)


def set_attend(model: nn.Module, kernel: Callable[..., Tensor] | None) -> None:
    """Replace `attend` in every fused attention layer of a model by this function; None: leave it as it is."""
    for module in model.modules():
        if isinstance(module, AttentionFused) and kernel is not None:
            module.attend = kernel
