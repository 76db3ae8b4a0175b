"""Sharded parameters: of each, every process keeps some rows (FSDP, Zhao et al. 2023, arXiv:2304.11277).

torch's `fully_shard` does the work: before a block computes, its parameters are gathered from all processes; afterwards
they are freed again, and its gradients are averaged and divided. Such a parameter is a DTensor: it has the shape of the
whole, and this process's rows are its `to_local()`. The last processes can have fewer rows than the others, or none.

A sum over all numbers of a parameter, or what needs a whole matrix, asks the other processes; an update of one number
by its own gradient does not. Without sharding, each function here does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def shard(model: nn.Module, blocks: Iterable[nn.Module], device: torch.device, offload: bool) -> None:
    """Keep this process's rows of each parameter, on the device, or with `offload` in the CPU's memory.

    The model is on the CPU. One block at a time is moved to the device whole.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard

    settings: Any = {
        "mesh": init_device_mesh(device.type, (dist.get_world_size(),)),
        "offload_policy": CPUOffloadPolicy(pin_memory=device.type == "cuda") if offload else OffloadPolicy(),
        "reshard_after_forward": True,  # so that between steps every parameter is sharded
    }
    for block in blocks:
        fully_shard(block, **settings)
    fully_shard(model, **settings)  # what is in no block


def is_sharded(tensors: Iterable[Tensor]) -> bool:
    """Whether these are sharded: all are, or none."""
    return any(hasattr(tensor, "to_local") for tensor in tensors)


def local(tensor: Tensor) -> Tensor:
    """This process's rows, without history for autograd; all of them unless it is sharded. The same memory."""
    return tensor.detach().to_local() if is_sharded([tensor]) else tensor.detach()  # type: ignore[attr-defined]


def norms_of_all_rows(norms: Tensor, parameter: Tensor) -> Tensor:
    """L2 norms over all processes' rows, from those over this one's: √Σ ‖rows‖², if `parameter` is sharded."""
    if not is_sharded([parameter]):
        return norms
    squares = norms.square()
    dist.all_reduce(squares)
    return squares.sqrt()


def whole(rows: Tensor, parameter: Tensor) -> Tensor:
    """All of what this process has `rows` of, as it has rows of `parameter`; one number per process is not gathered.

    It is in the CPU's memory of the first process. The others give their rows, and get a tensor without content.
    """
    if not is_sharded([parameter]) or rows.dim() == 0:
        return rows
    shape = local(parameter).shape
    gathered = _from_rows(rows.view(shape), parameter, 0, parameter.shape).full_tensor().view(-1, *rows.shape[1:])
    return gathered.to("cpu" if dist.get_rank() == 0 else "meta")


def own_rows(tensor: Tensor, parameter: Tensor) -> Tensor:
    """This process's rows of a whole tensor, which has as many numbers as `parameter`: the opposite of `whole`."""
    if not is_sharded([parameter]) or tensor.dim() == 0:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    sharded = _dtensor(parameter)
    placed = distribute_tensor(
        tensor.view(parameter.shape), sharded.device_mesh, sharded.placements, src_data_rank=None
    )
    return placed.to_local().reshape(-1, *tensor.shape[1:])


def of_whole_matrices(function: Callable[[Tensor], Tensor], rows: Tensor, parameter: Tensor) -> Tensor:
    """`function` of a stack of matrices, of which this process has some `rows` [matrix, row, column].

    It has these rows as it has rows of `parameter`, which has the shape of each. The processes exchange their rows so
    that each gets some of the matrices whole, computes these, and gives back the others' rows of the result.
    """
    if not is_sharded([parameter]):
        return function(rows)
    from torch.distributed.tensor import Shard

    shape = torch.Size([len(rows), *parameter.shape])  # [matrix, …, column]
    divided = rows.unflatten(1, local(parameter).shape[:-1])  # [matrix, …, column]
    own = _from_rows(divided, parameter, 1, shape).redistribute(placements=[Shard(0)]).to_local()
    results = function(own.flatten(1, -2)).view_as(own)  # [own matrix, …, column]
    return _from_rows(results, parameter, 0, shape).redistribute(placements=[Shard(1)]).to_local().flatten(1, -2)


def _from_rows(rows: Tensor, parameter: Tensor, axis: int, shape: torch.Size) -> Any:
    """The sharded tensor of this shape of which each process has such rows, along an axis."""
    from torch.distributed.tensor import DTensor, Shard

    stride = torch.empty(shape, device="meta").stride()
    mesh = _dtensor(parameter).device_mesh
    return DTensor.from_local(rows.contiguous(), mesh, [Shard(axis)], shape=shape, stride=stride)


def _dtensor(parameter: Tensor) -> Any:
    return parameter
