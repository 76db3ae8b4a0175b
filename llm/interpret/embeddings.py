"""Embeddings as a map: which tokens the model holds for alike, and how near it holds positions to each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import check_pair
from llm.layers.position import alibi_slopes
from llm.model import Transformer


@dataclass(frozen=True)
class EmbeddingMap:
    """Tokens on their first principal components, and the share of all variance along each."""

    coordinates: Float[Tensor, "d_vocab dimension"]
    explained_variance: Float[Tensor, " dimension"]


@dataclass(frozen=True)
class Neighbours:
    """The nearest other tokens, nearest first."""

    tokens: Int[Tensor, " neighbour"]
    cosines: Float[Tensor, " neighbour"]


@torch.no_grad()
def embedding_map(model: Transformer, dimensions: int = 2) -> EmbeddingMap:
    """Principal components of the token embeddings W_E (Pearson 1901).

    coordinates = (W_E − mean) · V, V the covariance's leading eigenvectors; explained variance = eigenvalue / Σ all.

    Of the two signs of an axis the one is taken in which its farthest token lies on the positive side.

    Raises:
        ValueError: fewer than 1 or more than d_model dimensions.
    """
    if not 1 <= dimensions <= model.config.d_model:
        raise ValueError(f"dimensions={dimensions} is not possible: it must be 1 to d_model={model.config.d_model}")
    embeddings = model.embed.W_E.cpu().double()  # [d_vocab, d_model]
    centred = embeddings - embeddings.mean(dim=0)  # [d_vocab, d_model]
    variances, axes = torch.linalg.eigh(centred.T @ centred)  # ascending: [d_model], [d_model, d_model]
    coordinates = centred @ axes.flip(1)[:, :dimensions]  # [d_vocab, dimension]
    farthest = coordinates.gather(0, coordinates.abs().argmax(dim=0, keepdim=True))  # [1, dimension]
    coordinates = torch.where(farthest < 0, -coordinates, coordinates)
    total = variances.clamp(min=0).sum().clamp(min=torch.finfo(torch.float64).tiny)
    return EmbeddingMap(coordinates, variances.flip(0)[:dimensions].clamp(min=0) / total)


@torch.no_grad()
def nearest(model: Transformer, token: int, count: int = 10) -> Neighbours:
    """The other tokens whose embeddings have the greatest cosine with this one's: a · b / (|a| |b|).

    Raises:
        ValueError: a token outside the vocabulary.
    """
    check_pair(model, (token, token))
    unit = nn.functional.normalize(model.embed.W_E, dim=-1)  # [d_vocab, d_model]
    cosines = unit @ unit[token]  # [d_vocab]
    cosines[token] = -torch.inf
    best = cosines.topk(max(0, min(count, len(cosines) - 1)))
    return Neighbours(best.indices, best.values)


@torch.no_grad()
def position_cosines(model: Transformer) -> Float[Tensor, "pos pos"]:
    """Cosine of every position's added vector with every other's (learned and sinusoidal positions).

    Raises:
        ValueError: this model adds no position vectors.
    """
    config = model.config
    if model.positions is None:
        raise ValueError(
            f"positional={config.positional!r} adds no position vectors: only learned and sinusoidal positions do; "
            "for rope and alibi see distance_curves"
        )
    nothing = model.embed.W_E.new_zeros(1, config.n_ctx, config.d_model)
    vectors = model.positions(nothing)[0]  # [pos, d_model]
    unit = nn.functional.normalize(vectors, dim=-1)  # [pos, d_model]
    return unit @ unit.T


@torch.no_grad()
def distance_curves(model: Transformer) -> Float[Tensor, "curve distance"]:
    """What a score owes to the distance d = q − k alone, for d = 0 … n_ctx − 1 (rope and alibi).

    rope   one curve per rotated pair i: cos(d · θ^(−2i/d_head)), the dot product of two equal unit vectors in that pair
    alibi  one curve per head: −slope · d, as it is added to the score

    Raises:
        ValueError: this model's positions do not act by distance.
    """
    config = model.config
    distance = torch.arange(config.n_ctx, dtype=torch.float64)  # [distance]
    if config.positional == "rope":
        pair = torch.arange(0, config.d_head, 2, dtype=torch.float64)  # [curve]
        return torch.outer(config.rope_theta ** (-pair / config.d_head), distance).cos()
    if config.positional == "alibi":
        return -torch.outer(torch.tensor(alibi_slopes(config.n_heads)).to(distance), distance)
    raise ValueError(f"positional={config.positional!r} does not act by distance: only rope and alibi do")
