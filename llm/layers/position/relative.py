"""Relative bias, as in T5 (Raffel et al. 2020, arXiv:1910.10683): score[q, k] += W_rel[h, bucket(q − k)], learned.

Near distances have a bucket each, further ones share one: the more of them the further they are. T5 has one table
for all its layers; here each layer has its own, as a layer owns all its parameters, and each can prefer its distances.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.config import ModelConfig


def bucket_of(distance: Int[Tensor, "*axes"], buckets: int, max_distance: int) -> Int[Tensor, "*axes"]:
    """The bucket of each distance q − k; of a key after its query, that of distance 0.

    Half of the buckets hold one distance each; the ranges of the others grow by a constant factor up to max_distance,
    and the last bucket has all that is further.
    """
    exact = buckets // 2
    distance = distance.clamp(min=0)
    growth = (distance.clamp(min=1).float() / exact).log() / math.log(max_distance / exact)
    far = exact + (growth * (buckets - exact)).long()
    return torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


def two_sided_bucket_of(distance: Int[Tensor, "*axes"], buckets: int, max_distance: int) -> Int[Tensor, "*axes"]:
    """The same where keys after the query are seen: these have the second half of the buckets, as in T5's encoder."""
    half = buckets // 2
    return bucket_of(distance.abs(), half, max_distance) + half * (distance < 0)


class RelativeBias(nn.Module):
    """A learned bias on attention scores for each range of distances. Parameter: `W_rel` [n_heads, bucket], at 0."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.buckets, self.max_distance = config.relative_buckets, config.relative_max_distance
        self.causal = config.causal
        self.W_rel = nn.Parameter(torch.zeros(config.n_heads, config.relative_buckets))

    @property
    def axes(self) -> dict[str, int]:
        """Sizes of the axes that only this layer has."""
        return {"bucket": self.buckets}

    def bucket(self, distance: Int[Tensor, "*axes"]) -> Int[Tensor, "*axes"]:
        """The bucket of each distance."""
        if self.causal:
            return bucket_of(distance, self.buckets, self.max_distance)
        return two_sided_bucket_of(distance, self.buckets, self.max_distance)

    def distance_curves(self, n_ctx: int) -> Float[Tensor, "curve distance"]:
        """One curve per head: the bias at each distance, as it is added to the score."""
        distance = torch.arange(n_ctx, device=self.W_rel.device)
        return self.W_rel.detach()[:, self.bucket(distance)]


class RelativeBiasWithEinops(RelativeBias):
    """The definition. Keys end where queries end: the first query is at position key_pos − query_pos."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        position = torch.arange(key_pos, device=self.W_rel.device)  # [key_pos]
        queries = rearrange(position[key_pos - query_pos :], "query_pos -> query_pos 1")  # [query_pos, 1]
        distance = queries - rearrange(position, "key_pos -> 1 key_pos")  # [query_pos, key_pos]
        bucket = self.bucket(distance)  # [query_pos, key_pos]
        return self.W_rel[:, bucket]  # [head, query_pos, key_pos]


class RelativeBiasWithoutEinops(RelativeBias):
    """The same with `unsqueeze`."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        position = torch.arange(key_pos, device=self.W_rel.device)  # [key_pos]
        distance = position[key_pos - query_pos :].unsqueeze(1) - position  # [query_pos, key_pos]
        bucket = self.bucket(distance)  # [query_pos, key_pos]
        return self.W_rel[:, bucket]  # [head, query_pos, key_pos]


class RelativeBiasFused(RelativeBias):
    """The bias of each distance looked up once; each row is a window of that, one distance further than the row above.

    Looking up every pair would take its gradient through as many additions.
    """

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        from_the_last = self._by_distance(query_pos, key_pos).unfold(1, key_pos, 1)  # [head, query_pos, key_pos]
        return from_the_last.flip(1)  # [head, query_pos, key_pos]

    def _by_distance(self, query_pos: int, key_pos: int) -> Float[Tensor, "head distance"]:
        """The bias at each distance, from that of the last query to the first key down to that of the reverse."""
        distance = torch.arange(key_pos - 1, -query_pos, -1, device=self.W_rel.device)
        return self.W_rel[:, self.bucket(distance)]
