"""The products of a decode step: one new vector for each sequence of a batch.

For one sequence on a CPU they are numpy's, on the memory of torch's tensors. A vector by a matrix is one reading of the
matrix: numpy takes half of torch's time, and starts no threads for little work that would wait for each other on a busy
machine.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.int8 import Int8Matrix
from llm.layers.softcap import attend_with_softcap


def product(out: Tensor, x: Tensor, weight: Tensor | Int8Matrix, bias: Tensor | None = None) -> None:
    """Write x · weight + bias to `out`."""
    if isinstance(weight, Int8Matrix):
        weight.times(x, out)
        if bias is not None:
            out.add_(bias)
    elif _one_on_cpu(x):
        np.dot(x.numpy(), weight.numpy(), out=out.numpy())
        if bias is not None:
            out.add_(bias)
    elif bias is None:
        out.addmm_(x, weight, beta=0)
    else:
        out.copy_(bias).addmm_(x, weight)


def rotate(out: Tensor, vectors: Tensor, rotation: Float[Tensor, "batch d_head d_head"]) -> None:
    """Write the vectors [batch, head, d_head] of each sequence, rotated by its matrix, to `out`."""
    if _one_on_cpu(vectors):
        np.matmul(vectors.numpy(), rotation.numpy(), out=out.numpy())
    else:
        torch.bmm(vectors, rotation, out=out)


def attend(
    query: Float[Tensor, "batch head 1 d_head"],
    keys: Tensor,
    values: Tensor,
    bias: Tensor | None,
    group: int,
    softcap: float | None = None,
) -> Float[Tensor, "batch head 1 d_head"]:
    """Attention of one query of each head to its keys [batch, kv_head, key_pos, d_head]."""
    if not _one_on_cpu(query):
        if softcap is not None:
            return attend_with_softcap(query, keys, values, softcap, bias)  # [batch, head, 1, d_head]
        return nn.functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=bias, enable_gqa=group > 1
        )  # [batch, head, 1, d_head]
    _, heads, _, d_head = query.shape
    grouped = query.numpy().reshape(-1, group, d_head) * np.asarray(1 / math.sqrt(d_head), keys.numpy().dtype)
    scores = grouped @ keys.numpy()[0].swapaxes(1, 2)  # [kv_head, group, key_pos]
    if softcap is not None:
        scores = np.tanh(scores / softcap) * softcap  # [kv_head, group, key_pos]
    if bias is not None:
        scores += bias.expand(1, heads, 1, -1).numpy().reshape(scores.shape)
    pattern = np.exp(scores - scores.max(axis=-1, keepdims=True))  # [kv_head, group, key_pos]
    mixed = pattern @ values.numpy()[0] / pattern.sum(axis=-1, keepdims=True)  # [kv_head, group, d_head]
    return torch.from_numpy(mixed.reshape(1, heads, 1, d_head))


def _one_on_cpu(x: Tensor) -> bool:
    return len(x) == 1 and x.device.type == "cpu"
