"""Embeddings: a map of the vocabulary, the nearest neighbours of a token, and how similar positions are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import blocks, check_pair
from llm.layers.position import REGISTRY as POSITIONS
from llm.model import Transformer


@dataclass(frozen=True)
class EmbeddingMap:
    """Tokens on their first principal components, and the fraction of all variance along each."""

    coordinates: Float[Tensor, "d_vocab dimension"]
    explained_variance: Float[Tensor, " dimension"]


@dataclass(frozen=True)
class Neighbours:
    """The nearest other tokens, nearest first."""

    tokens: Int[Tensor, " neighbour"]
    cosines: Float[Tensor, " neighbour"]


@torch.no_grad()
def embedding_axes(model: Transformer, dimensions: int = 2) -> Float[Tensor, "d_model dimension"]:
    """The leading eigenvectors of the token embeddings' covariance: along them tokens vary most (Pearson 1901).

    The sign of an axis is chosen such that its farthest token lies on the positive side.

    Raises:
        ValueError: fewer than 1 or more than d_model dimensions, or weights that contain NaN or infinity.
    """
    if not 1 <= dimensions <= model.config.d_model:
        raise ValueError(f"dimensions must be 1 to d_model={model.config.d_model}, got {dimensions}")
    centred = _centred_embeddings(model)  # [d_vocab, d_model]
    if not centred.isfinite().all():
        raise ValueError("this model's embeddings contain NaN or infinity: its weights diverged. Open an earlier step")
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors  # from the least variance on: [d_model, d_model]
    axes = axes.flip(1)[:, :dimensions]  # [d_model, dimension]
    along = centred @ axes  # [d_vocab, dimension]
    farthest = along.gather(0, along.abs().argmax(dim=0, keepdim=True))  # [1, dimension]
    return torch.where(farthest < 0, -axes, axes)


@torch.no_grad()
def embedding_map(
    model: Transformer, dimensions: int = 2, axes: Float[Tensor, "d_model dimension"] | None = None
) -> EmbeddingMap:
    """The token embeddings W_E on axes: their own principal components, or given ones, such as a later snapshot's.

    coordinates = (W_E − mean) · axes; explained variance = squared coordinates along each axis / squared length of all.
    On their own axes that is eigenvalue / Σ all.

    Raises:
        ValueError: as `embedding_axes`.
    """
    axes = embedding_axes(model, dimensions) if axes is None else axes
    centred = _centred_embeddings(model)  # [d_vocab, d_model]
    coordinates = centred @ axes  # [d_vocab, dimension]
    total = centred.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
    return EmbeddingMap(coordinates, coordinates.square().sum(dim=0) / total)


def _centred_embeddings(model: Transformer) -> Float[Tensor, "d_vocab d_model"]:
    embeddings = model.embed.W_E.detach().cpu().double()  # [d_vocab, d_model]
    return embeddings - embeddings.mean(dim=0)


@torch.no_grad()
def nearest_tokens(model: Transformer, token: int, count: int = 10) -> Neighbours:
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
    """Cosine of every position's added vector with every other's, for schemes that add one to the residual stream.

    Raises:
        ValueError: this model adds no position vectors.
    """
    config = model.config
    if model.positions is None:
        raise ValueError(
            f"positional must be one of {_those('residual stream')} to have position vectors, got {config.positional!r}"
        )
    nothing = model.embed.W_E.new_zeros(1, config.n_ctx, config.d_model)
    vectors = model.positions(nothing)[0]  # [pos, d_model]
    unit = nn.functional.normalize(vectors, dim=-1)  # [pos, d_model]
    return unit @ unit.T


@torch.no_grad()
def distance_curves(model: Transformer) -> Float[Tensor, "curve distance"]:
    """What distance d = q − k alone adds to a score, for d = 0 … n_ctx − 1: the curves of the position scheme.

    rope   one curve per rotated pair i: cos(d · θ^(−2i/d_head)), the dot product of two equal unit vectors in that pair
    alibi  one curve per head: −slope · d, as it is added to the score

    Raises:
        ValueError: this model's positions do not act by distance.
    """
    attention = blocks(model)[0].attention  # every layer has the same
    scheme = attention.rotation if attention.rotation is not None else attention.score_bias
    if scheme is None:
        allowed = _those("queries and keys", "scores")
        raise ValueError(f"positional must be one of {allowed} to act by distance, got {model.config.positional!r}")
    make: Callable[[int], Tensor] = scheme.distance_curves  # type: ignore[assignment]
    return make(model.config.n_ctx)


def _those(*acts_on: str) -> str:
    return ", ".join(name for name, entry in POSITIONS.items() if entry.acts_on in acts_on)
