"""Positions: how a model that sees all tokens at once is told their order.

Added to the residual stream, once, after the token embedding:
  learned     a vector per position, trained like any weight (Radford et al. 2019).
  sinusoidal  P[pos, 2i] = sin(pos / 10000^(2i/d_model)),  P[pos, 2i+1] = cos(pos / 10000^(2i/d_model))
              (Vaswani et al. 2017, arXiv:1706.03762).
Inside every attention layer:
  rotary      each pair (x_i, x_{i + d_head/2}) of a query or key turns by the angle pos · θ^(−2i/d_head), so that the
              dot product depends on the distance alone (Su et al. 2021, arXiv:2104.09864; pairs laid out as in LLaMA).
  ALiBi       score[q, k] −= slope_h · (q − k): the further away, the less (Press et al. 2021, arXiv:2108.12409).

`start` is the position of the first vector: 0, or the number of cached positions when a text is continued.
`half` is d_head / 2, the number of rotated pairs (for sinusoidal, d_model / 2).
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig


class LearnedPositions(nn.Module):
    """A trained vector per position. Parameter: `W_pos` [n_ctx, d_model], starts normal with deviation 0.02."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model).normal_(std=0.02))


class LearnedPositionsWithEinops(LearnedPositions):
    """Rows start … start + pos, the same for every sequence."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        positions = self.W_pos[start : start + resid.shape[1]]  # [pos, d_model]
        return resid + rearrange(positions, "pos d_model -> 1 pos d_model")  # [batch, pos, d_model]


class LearnedPositionsWithoutEinops(LearnedPositions):
    """The same with `unsqueeze`."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        positions = self.W_pos[start : start + resid.shape[1]]  # [pos, d_model]
        return resid + positions.unsqueeze(0)  # [batch, pos, d_model]


class LearnedPositionsFused(LearnedPositions):
    """The same by broadcasting."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        return resid + self.W_pos[start : start + resid.shape[1]]  # [batch, pos, d_model]


class SinusoidalPositions(nn.Module):
    """Waves of many lengths, from 2π to 10000 · 2π positions. No parameters."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.d_model = config.d_model


class SinusoidalPositionsWithEinops(SinusoidalPositions):
    """Sine and cosine of every angle, interleaved by a rearrange."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        position = _positions(start, resid.shape[1], resid)  # [pos]
        angle = einsum(position, _frequencies(self.d_model, 10000.0, resid), "pos, half -> pos half")  # [pos, half]
        waves = rearrange([angle.sin(), angle.cos()], "wave pos half -> pos (half wave)")  # [pos, d_model]
        return resid + rearrange(waves, "pos d_model -> 1 pos d_model").to(resid.dtype)  # [batch, pos, d_model]


class SinusoidalPositionsWithoutEinops(SinusoidalPositions):
    """Sine and cosine of every angle, interleaved by stacking and flattening."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        position = _positions(start, resid.shape[1], resid)  # [pos]
        angle = position.unsqueeze(1) * _frequencies(self.d_model, 10000.0, resid)  # [pos, half]
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(start_dim=1)  # [pos, d_model]
        return resid + waves.unsqueeze(0).to(resid.dtype)  # [batch, pos, d_model]


class SinusoidalPositionsFused(SinusoidalPositions):
    """The phase trick: cos(x) = sin(x + π/2), so that one sine makes both."""

    def forward(self, resid: Float[Tensor, "batch pos d_model"], start: int = 0) -> Float[Tensor, "batch pos d_model"]:
        position = _positions(start, resid.shape[1], resid)  # [pos]
        angle = torch.outer(position, _frequencies(self.d_model, 10000.0, resid))  # [pos, half]
        waves = torch.stack([angle, angle + torch.pi / 2], dim=-1).sin_().flatten(1)  # [pos, d_model]
        return resid + waves.to(resid.dtype)  # [batch, pos, d_model]


class Rotary(nn.Module):
    """Turn every query and key by an angle that grows with its position. No parameters."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.d_head = config.d_head
        self.theta = config.rope_theta


class RotaryWithEinops(Rotary):
    """The rotation written out: (x, y) → (x cos − y sin, y cos + x sin)."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = _positions(start, vectors.shape[2], vectors)  # [pos]
        angle = einsum(position, _frequencies(self.d_head, self.theta, vectors), "pos, half -> pos half")  # [pos, half]
        x, y = rearrange(
            vectors, "batch head pos (xy half) -> xy batch head pos half", xy=2
        )  # [batch, head, pos, half]
        turned_x = x * angle.cos() - y * angle.sin()  # [batch, head, pos, half]
        turned_y = y * angle.cos() + x * angle.sin()  # [batch, head, pos, half]
        turned = rearrange(
            [turned_x, turned_y], "xy batch head pos half -> batch head pos (xy half)"
        )  # [batch, head, pos, d_head]
        return turned.to(vectors.dtype)  # [batch, head, pos, d_head]


class RotaryWithoutEinops(Rotary):
    """The same with `chunk` and `cat`."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = _positions(start, vectors.shape[2], vectors)  # [pos]
        angle = position.unsqueeze(1) * _frequencies(self.d_head, self.theta, vectors)  # [pos, half]
        x, y = vectors.chunk(2, dim=-1)  # [batch, head, pos, half]
        turned_x = x * angle.cos() - y * angle.sin()  # [batch, head, pos, half]
        turned_y = y * angle.cos() + x * angle.sin()  # [batch, head, pos, half]
        turned = torch.cat([turned_x, turned_y], dim=-1)  # [batch, head, pos, d_head]
        return turned.to(vectors.dtype)  # [batch, head, pos, d_head]


class RotaryFused(Rotary):
    """Two multiplications and one addition over whole vectors: v cos + (−y, x) sin."""

    def forward(
        self, vectors: Float[Tensor, "batch head pos d_head"], start: int = 0
    ) -> Float[Tensor, "batch head pos d_head"]:
        position = _positions(start, vectors.shape[2], vectors)  # [pos]
        angle = torch.outer(position, _frequencies(self.d_head, self.theta, vectors)).repeat(1, 2)  # [pos, d_head]
        x, y = vectors.chunk(2, dim=-1)  # [batch, head, pos, half]
        quarter_turned = torch.cat([-y, x], dim=-1)  # [batch, head, pos, d_head]
        turned = torch.addcmul(vectors * angle.cos(), quarter_turned, angle.sin())  # [batch, head, pos, d_head]
        return turned.to(vectors.dtype)  # [batch, head, pos, d_head]


def alibi_slopes(n_heads: int) -> list[float]:
    """Slope of head h = 1 … n: 2^(−8h/n). For n that is not a power of two, the paper's rule.

    That rule: the slopes of the next lower power of two p, then every other slope of 2p until there are n.
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


class AlibiWithEinops(Alibi):
    """bias[h, q, k] = −slope_h · (q − k). Keys end where queries end: the first query is at key_pos − query_pos."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        query_position = _positions(key_pos - query_pos, query_pos, self.slopes)  # [query_pos]
        key_position = _positions(0, key_pos, self.slopes)  # [key_pos]
        queries = rearrange(query_position, "query_pos -> query_pos 1")  # [query_pos, 1]
        keys = rearrange(key_position, "key_pos -> 1 key_pos")  # [1, key_pos]
        distance = queries - keys  # [query_pos, key_pos]
        return -einsum(
            self.slopes, distance, "head, query_pos key_pos -> head query_pos key_pos"
        )  # [head, query_pos, key_pos]


class AlibiWithoutEinops(Alibi):
    """The same with `unsqueeze`."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        query_position = _positions(key_pos - query_pos, query_pos, self.slopes)  # [query_pos]
        key_position = _positions(0, key_pos, self.slopes)  # [key_pos]
        distance = query_position.unsqueeze(1) - key_position.unsqueeze(0)  # [query_pos, key_pos]
        return -self.slopes.view(-1, 1, 1) * distance  # [head, query_pos, key_pos]


class AlibiFused(Alibi):
    """Only k counts: slope · (k − q) and slope · k differ by a constant of each query, which softmax cancels."""

    def forward(self, query_pos: int, key_pos: int) -> Float[Tensor, "head query_pos key_pos"]:
        bias = torch.outer(self.slopes, _positions(1 - key_pos, key_pos, self.slopes))  # [head, key_pos]
        return bias.unsqueeze(1).expand(-1, query_pos, -1)  # [head, query_pos, key_pos]


LEARNED = {
    "einops": LearnedPositionsWithEinops,
    "torch": LearnedPositionsWithoutEinops,
    "fused": LearnedPositionsFused,
}
SINUSOIDAL = {
    "einops": SinusoidalPositionsWithEinops,
    "torch": SinusoidalPositionsWithoutEinops,
    "fused": SinusoidalPositionsFused,
}
ROTARY = {"einops": RotaryWithEinops, "torch": RotaryWithoutEinops, "fused": RotaryFused}
ALIBI = {"einops": AlibiWithEinops, "torch": AlibiWithoutEinops, "fused": AlibiFused}


def build_positions(
    config: ModelConfig, implementation: Implementation
) -> LearnedPositions | SinusoidalPositions | None:
    """What is added to the embeddings, or None for the schemes that live in attention (and for none at all)."""
    if config.positional == "learned":
        return LEARNED[implementation](config)
    if config.positional == "sinusoidal":
        return SINUSOIDAL[implementation](config)
    return None


def _positions(start: int, count: int, like: Tensor) -> Float[Tensor, " pos"]:
    """Positions start, start + 1, … in at least float32: bfloat16 has no 257."""
    precise = torch.promote_types(like.dtype, torch.float32)
    return torch.arange(start, start + count, device=like.device, dtype=precise)


def _frequencies(width: int, theta: float, like: Tensor) -> Float[Tensor, " half"]:
    """Radians per position of each pair i: θ^(−2i/width)."""
    precise = torch.promote_types(like.dtype, torch.float32)
    return theta ** (-torch.arange(0, width, 2, device=like.device, dtype=precise) / width)
