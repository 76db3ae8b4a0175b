"""One head's arithmetic on one text: from queries and keys to scores, and from scores to the pattern.

score[q, k] = content[q, k] + position[q, k] = query[q] · key[k] / sqrt(d_head) (+ the bias); with a soft-cap on scores
              the dot product's part of it is cap · tanh(… / cap)
exponential[q, k] = exp(score[q, k] − highest[q]),  total[q] = Σ_k exponential[q, k],
pattern[q, k] = exponential[q, k] / total[q]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from llm.interpret.attention_patterns import AttentionLayer, pattern_without_first, value_weighted_pattern


@dataclass(frozen=True)
class HeadArithmetic:
    """Every step of one head on one text, as float32 arrays; entries that a query may not attend to are NaN.

    `content` is the score as it would be if every key were at its query's position (rope) or without the bias (alibi,
    relative); `position` is the difference, score − content. With other schemes, positions are part of the residual
    stream and `position` is 0.
    """

    pattern: np.ndarray  # [query_pos, key_pos], as are the next six
    weighted: np.ndarray  # by `value_weighted_pattern`
    pattern_rest: np.ndarray  # by `pattern_without_first`
    weighted_rest: np.ndarray
    scores: np.ndarray
    content: np.ndarray
    position: np.ndarray
    query: np.ndarray  # [pos, d_head], as they enter the dot product
    key: np.ndarray  # [pos, d_head]
    highest: np.ndarray  # [pos]
    total: np.ndarray  # [pos]
    by_distance: np.ndarray  # [head, distance], by `distance_scores`; [head, 0] where the scheme ignores distance


@torch.no_grad()
def head_arithmetic(layer: AttentionLayer, head: int) -> HeadArithmetic:
    """Everything that one head computed on the first text of the batch.

    Raises:
        ValueError: no such head.
    """
    attention = layer.attention
    if not 0 <= head < attention.n_heads:
        raise ValueError(f"head {head} does not exist: a layer's heads are 0 to {attention.n_heads - 1}")
    kv_head = head // attention.group
    pattern = layer.pattern[0, head].float()  # [query_pos, key_pos]
    value = layer.value[:1, kv_head, None].float()  # [1, 1, pos, d_head]
    weighted = value_weighted_pattern(pattern[None, None], value)[0, 0]  # [query_pos, key_pos]
    scores = layer.scores[0, head].float()  # [query_pos, key_pos]
    plain = layer.plain_query[0, head].float() @ layer.plain_key[0, kv_head].float().T
    content = plain / math.sqrt(attention.d_head)  # [query_pos, key_pos]
    if attention.attention_softcap is not None:
        content = attention.attention_softcap * torch.tanh(content / attention.attention_softcap)
    acts_by_distance = attention.rotation is not None or attention.score_bias is not None
    content = content if acts_by_distance else scores
    highest = scores.amax(dim=-1)  # [query_pos]
    total = (scores - highest[:, None]).exp().sum(dim=-1)  # [query_pos]
    masked = scores.isneginf()  # [query_pos, key_pos]

    def unmasked(matrix: Tensor) -> np.ndarray:
        return _array(matrix.masked_fill(masked, torch.nan))

    return HeadArithmetic(
        pattern=unmasked(pattern),
        weighted=unmasked(weighted),
        pattern_rest=unmasked(pattern_without_first(pattern)),
        weighted_rest=unmasked(pattern_without_first(weighted)),
        scores=unmasked(scores),
        content=unmasked(content),
        position=unmasked(scores - content),
        query=_array(layer.query[0, head]),
        key=_array(layer.key[0, kv_head]),
        highest=_array(highest),
        total=_array(total),
        by_distance=_array(distance_scores(layer)),
    )


@torch.no_grad()
def distance_scores(layer: AttentionLayer) -> Float[Tensor, "head distance"]:
    """What distance d = q − k alone adds to each head's scores on the first text of the batch.

    alibi, relative  the bias, as it is added to the score
    rope             the mean, over all pairs of the text's queries and keys, of the score that they would have at
                     distance d: mean query, rotated to d, · mean key, rotated to 0, / sqrt(d_head), before a soft-cap
    Other schemes have no such part: [head, 0].
    """
    attention = layer.attention
    positions = layer.scores.shape[-1]
    if attention.score_bias is not None:
        return attention.score_bias(1, positions)[:, 0].flip(-1)  # [head, distance]
    if attention.rotation is None:
        return layer.scores.new_zeros(attention.n_heads, 0)
    query = layer.plain_query[:1].mean(dim=2, keepdim=True).expand(-1, -1, positions, -1)  # [1, head, distance, d_head]
    rotated = attention.rotation(query)[0]  # [head, distance, d_head]
    key = layer.plain_key[0].mean(dim=1).repeat_interleave(attention.group, dim=0)  # [head, d_head]
    dots = (rotated * rearrange(key, "head d_head -> head 1 d_head")).sum(dim=-1)  # [head, distance]
    return dots / math.sqrt(attention.d_head)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
