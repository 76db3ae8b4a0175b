"""A copying circuit: two heads that together continue what was read before (Elhage et al. 2021; Olsson et al. 2022).

At position q the token x occurred before, at p, and y came after it. A *previous-token head* attends from p + 1 to p,
and so writes at p + 1 which token came before y. In a later layer a *copying head* looks from q for a position that x
came before, finds p + 1, and writes the token that stands there, y. It is also called an induction head.

The two circuits of the copying head are read here from the weights alone:

    QK: what it looks for   match[x, t] = query(x) · key(what the previous-token head writes about t) / √d_head
    OV: what it writes      written[y, w] = norm(W_E[y]) · W_V · W_O · W_U[:, w]

Every vector is a token's embedding as the head would read it if the residual stream held nothing else. A norm that
follows what a head wrote acts by its γ (and by subtracting the mean, if it does): its 1/σ depends on the rest of the
stream and is left out, so both figures are right up to a positive factor. Biases and position vectors are left out;
rotary angles are those of the distance that is given.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.ablation import Head
from llm.interpret.decomposition import norms_on_the_way, through_norms
from llm.interpret.recording import blocks, check_heads
from llm.layers.norm.base import Norm
from llm.model import Transformer


def circuit_pair(previous: Float[Tensor, "layer head"], copying: Float[Tensor, "layer head"]) -> tuple[Head, Head]:
    """The previous-token head and the copying head of a later layer whose product of scores is the greatest.

    Raises:
        ValueError: a model of one layer, in which no head comes after another.
    """
    layers = len(previous)
    if layers < 2:
        raise ValueError("a copying circuit takes two layers, one after the other: this model has one")
    pairs = [(first, second) for second in range(1, layers) for first in range(second)]
    first, second = max(pairs, key=lambda pair: float(previous[pair[0]].max() * copying[pair[1]].max()))
    return (first, int(previous[first].argmax())), (second, int(copying[second].argmax()))


@torch.no_grad()
def matched_tokens(
    model: Transformer, previous: Head, copying: Head, tokens: Int[Tensor, " token"], distance: int = 0
) -> Float[Tensor, "token d_vocab"]:
    """The copying head's score, from a query at each of `tokens`, for a position that each token came before.

    `distance`: how far that position is from the query; only rotary positions depend on it.

    Raises:
        ValueError: a head that does not exist, or a copying head that is not in a later layer.
    """
    check_heads(model, [previous, copying])
    first_layer, (layer, head) = previous[0], copying
    if layer <= first_layer:
        raise ValueError(f"the copying head must be in a later layer than {first_layer}, got layer {layer}")
    attention = blocks(model)[layer].attention
    note = through_norms(norms_after(model, first_layer, layer), _head_writes(model, previous))  # [d_vocab, d_model]
    keys = note @ attention.W_K.transpose(1, 2)  # [kv_head, d_vocab, d_head]
    queries = embedding_as_read(model, layer)[tokens] @ attention.W_Q.transpose(1, 2)  # [head, token, d_head]
    if model.config.qk_norm:
        keys = cast(Norm, attention.norm_key).direction(keys[None])[0]
        queries = attention.norm_query(queries[None])[0]
    key, query = keys[head // attention.group], queries[head]  # [d_vocab, d_head], [token, d_head]
    if attention.rotation is not None:
        query = attention.rotation(query[:, None, None], distance)[:, 0, 0]  # [token, d_head]
    return query @ key.T / math.sqrt(attention.d_head)


@torch.no_grad()
def written_tokens(model: Transformer, head: Head, tokens: Int[Tensor, " token"]) -> Float[Tensor, "token d_vocab"]:
    """What a head that attends to each of `tokens` adds to the logit of every token, before a soft-cap.

    Raises:
        ValueError: a head that does not exist.
    """
    check_heads(model, [head])
    written = through_norms(norms_after(model, head[0], None), _head_writes(model, head)[tokens])  # [token, d_model]
    return written @ model.unembed.matrix()


def own_ranks(scores: Float[Tensor, "token d_vocab"], tokens: Int[Tensor, " token"]) -> Int[Tensor, " token"]:
    """The rank of each token in its own row of scores: 1 where no other token's score is greater."""
    own = scores.gather(1, tokens[:, None])  # [token, 1]
    return 1 + (scores > own).sum(dim=1)


def embedding_as_read(model: Transformer, layer: int) -> Float[Tensor, "d_vocab d_model"]:
    """Every token's embedding as the attention of `layer` reads it, if no layer before wrote anything."""
    resid: Tensor = model.embed.vectors()
    for norm in norms_on_the_way(model, 0, layer):
        resid = norm(resid)
    return resid


def norms_after(model: Transformer, layer: int, reader: int | None) -> list[nn.Module]:
    """The norms that what `layer`'s attention writes passes before the attention of `reader` reads it (None: W_U)."""
    own = [blocks(model)[layer].norm_attention_out] if blocks(model)[layer].norm_writes else []
    return [*own, *norms_on_the_way(model, layer, reader)]


def _head_writes(model: Transformer, head: Head) -> Float[Tensor, "d_vocab d_model"]:
    """What a head writes for each token that it attends to: norm(W_E) · W_V · W_O."""
    attention = blocks(model)[head[0]].attention
    value = embedding_as_read(model, head[0]) @ attention.W_V[head[1] // attention.group].T  # [d_vocab, d_head]
    return value @ attention.W_O[head[1]]
