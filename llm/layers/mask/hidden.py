"""Which keys are hidden from a query, by their distance q − k: 0 for its own position, negative for later ones.

The same for all three implementations: these are comparisons, with no axes to name. Without a window (None) all that
comes before is seen. Whatever the mask, training can also hide the keys of other documents (`other_document`).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

Documents = Int[Tensor, "batch pos"] | None  # the number of each position's document; None: all are of one


def causal(distance: Int[Tensor, "query_pos key_pos"], window: int | None = None) -> Bool[Tensor, "query_pos key_pos"]:
    """What comes later; it has no window."""
    return distance < 0  # [query_pos, key_pos]


def bidirectional(
    distance: Int[Tensor, "query_pos key_pos"], window: int | None = None
) -> Bool[Tensor, "query_pos key_pos"]:
    """Nothing (Devlin et al. 2018)."""
    return torch.zeros_like(distance, dtype=torch.bool)  # [query_pos, key_pos]


def sliding(distance: Int[Tensor, "query_pos key_pos"], window: int | None) -> Bool[Tensor, "query_pos key_pos"]:
    """What comes later, and what comes before the window (Beltagy et al. 2020, Jiang et al. 2023)."""
    later = distance < 0  # [query_pos, key_pos]
    if window is None:
        return later  # [query_pos, key_pos]
    return later | (distance >= window)  # [query_pos, key_pos]


def strided(distance: Int[Tensor, "query_pos key_pos"], window: int | None) -> Bool[Tensor, "query_pos key_pos"]:
    """The same, but before the window every token is seen whose distance is a multiple of it (Child et al. 2019).

    The paper gives the two patterns to different heads, or to every head merged, as here.
    """
    later = distance < 0  # [query_pos, key_pos]
    if window is None:
        return later  # [query_pos, key_pos]
    return later | ((distance >= window) & (distance % window != 0))  # [query_pos, key_pos]


def other_document(documents: Int[Tensor, "batch pos"]) -> Bool[Tensor, "batch 1 query_pos key_pos"]:
    """The keys of other documents than the query's, in every head (Grattafiori et al. 2024, arXiv:2407.21783)."""
    return documents[:, None, :, None] != documents[:, None, None, :]  # [batch, 1, query_pos, key_pos]
