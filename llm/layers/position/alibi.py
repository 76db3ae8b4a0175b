"""ALiBi (Press et al. 2021, arXiv:2108.12409): score[q, k] −= slope_h · |q − k|, the further away, the less.

The paper has keys before their queries alone; a mask that shows later ones counts their distance the same.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.position.frequencies import position_numbers


def alibi_slopes(n_heads: int) -> list[float]:
    """Slope of head h = 1 … n: 2^(−8h/n). The paper has only powers of two.

    For other n, the rule of the authors' code: the slopes of the next lower power of two p, then every other slope of
    2p until there are n.
    """
    power = 2 ** (n_heads.bit_length() - 1)
    slopes = [2 ** (-8 * h / power) for h in range(1, power + 1)]
    between = [2 ** (-8 * h / (2 * power)) for h in range(1, 2 * power + 1, 2)]
    return slopes + between[: n_heads - power]


class Alibi(nn.Module):
    """A bias on attention scores that falls with distance, at each head's own slope. No parameters."""

    slopes: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.register_buffer("slopes", torch.tensor(alibi_slopes(config.n_heads)), persistent=False)

    def distance_curves(self, n_ctx: int) -> Float[Tensor, "curve distance"]:
        """One curve per head: −slope · d, as it is added to the score."""
        slopes = torch.tensor(alibi_slopes(len(self.slopes)))
        distance = torch.arange(n_ctx, dtype=torch.float64)
        return -torch.outer(slopes.to(distance), distance)


class AlibiWithEinops(Alibi):
    """bias[h, q, k] = −slope_h · |q − k|. Keys end where queries end: the first query is at key_pos − query_pos."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        query_position = position_numbers(key_pos - query_pos, query_pos, self.slopes)  # [query_pos]
        key_position = position_numbers(0, key_pos, self.slopes)  # [key_pos]
        queries = rearrange(query_position, "query_pos -> query_pos 1")  # [query_pos, 1]
        keys = rearrange(key_position, "key_pos -> 1 key_pos")  # [1, key_pos]
        distance = (queries - keys).abs()  # [query_pos, key_pos]
        return -einsum(
            self.slopes, distance, "head, query_pos key_pos -> head query_pos key_pos"
        )  # [head, query_pos, key_pos]


class AlibiWithoutEinops(Alibi):
    """The same with `unsqueeze`."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        query_position = position_numbers(key_pos - query_pos, query_pos, self.slopes)  # [query_pos]
        key_position = position_numbers(0, key_pos, self.slopes)  # [key_pos]
        distance = (query_position.unsqueeze(1) - key_position.unsqueeze(0)).abs()  # [query_pos, key_pos]
        return -self.slopes.view(-1, 1, 1) * distance  # [head, query_pos, key_pos]


class AlibiFused(Alibi):
    """The bias that the fused kernel adds in the number format of the queries, so often in 16 bits.

    It is a distance, small for the keys that matter, and so precise where it matters: slope · k would do as well in
    exact arithmetic, because softmax cancels slope · q, but bfloat16 has no integers between 512 and 516.
    """

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        query_position = position_numbers(key_pos - query_pos, query_pos, self.slopes)  # [query_pos]
        key_position = position_numbers(0, key_pos, self.slopes)  # [key_pos]
        distance = (query_position.unsqueeze(1) - key_position).abs()  # [query_pos, key_pos]
        return distance * -self.slopes.view(-1, 1, 1)  # [head, query_pos, key_pos]
