"""Principal components of the token embeddings: a map of the vocabulary along the directions of greatest variance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from llm.model import Transformer


@dataclass(frozen=True)
class EmbeddingMap:
    """Coordinates of the tokens along a few axes, and the fraction of all variance along each axis."""

    coordinates: Float[Tensor, "d_vocab dimension"]
    explained_variance: Float[Tensor, " dimension"]


@torch.no_grad()
def embedding_axes(model: Transformer, dimensions: int = 2) -> Float[Tensor, "d_model dimension"]:
    """The leading eigenvectors of the token embeddings' covariance: the directions of greatest variance (Pearson 1901).

    The sign of an axis is chosen so that the token farthest from 0 is on the positive side.

    Raises:
        ValueError: fewer than 1 or more than d_model dimensions, or weights that contain NaN or infinity.
    """
    if not 1 <= dimensions <= model.config.d_model:
        raise ValueError(f"dimensions must be 1 to d_model={model.config.d_model}, got {dimensions}")
    centred = _centred_embeddings(model)  # [d_vocab, d_model]
    if not centred.isfinite().all():
        raise ValueError("this model's embeddings contain NaN or infinity: its weights diverged. Open an earlier step")
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors  # ascending variance: [d_model, d_model]
    axes = axes.flip(1)[:, :dimensions]  # [d_model, dimension]
    along = centred @ axes  # [d_vocab, dimension]
    farthest = along.gather(0, along.abs().argmax(dim=0, keepdim=True))  # [1, dimension]
    return torch.where(farthest < 0, -axes, axes)


@torch.no_grad()
def embedding_map(
    model: Transformer, dimensions: int = 2, axes: Float[Tensor, "d_model dimension"] | None = None
) -> EmbeddingMap:
    """The token embeddings W_E projected onto their principal components, or onto `axes`, such as a later snapshot's.

    coordinates = (W_E − mean) · axes;  explained variance = Σ coordinates² along the axis / Σ (W_E − mean)². On the
    principal components that is eigenvalue / Σ eigenvalues.

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
