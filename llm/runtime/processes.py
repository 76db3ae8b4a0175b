"""The processes that train one model together: one, or as many as torchrun started, on this machine and others.

Each process has a rank, from 0 on. All take the same steps: each takes its part of a step's batch, and their gradients
are averaged, so that all of them make the same update. Each has the whole model, or its part of a sharded one
(`llm.runtime.sharding`). Only rank 0 writes files and prints.

`Processes` is one process by itself, for which all of this is trivial; `TorchrunProcesses` asks the others, through
torch.distributed. Every process must call the same methods in the same order: each call waits for the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from llm.config import Sharding
from llm.runtime import compute
from llm.runtime.files import error_text
from llm.runtime.sharding import is_sharded, shard

T = TypeVar("T")

VARIABLES = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that torchrun sets
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "connectFullMesh failed")  # of gloo


class LostProcessError(RuntimeError):
    """Another process of a training has ended, or the connection to it."""


class Processes:
    """One process by itself."""

    rank = 0
    count = 1
    here = 1  # processes on this machine

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def part_of(self, batch_size: int) -> int:
        """How many windows of a batch each process takes.

        Raises:
            ValueError: they do not divide it: then the processes' mean losses would not average to that of the batch.
        """
        if batch_size % self.count:
            raise ValueError(
                f"batch_size must be divisible by the number of processes, {self.count}, of which each takes an equal "
                f"part of a batch, got {batch_size}"
            )
        return batch_size // self.count

    def require_device(self, device: torch.device) -> None:
        """Raise ValueError unless each process can compute on such a device."""

    def place(self, model: nn.Module, device: torch.device, sharding: Sharding) -> None:
        """Move a model from the CPU to the device, or this process's part of it. It has `blocks`."""
        model.to(device)

    def data_parallel(self, model: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """The model to call in a training step: a backward pass through it averages the gradients of all processes."""
        return model

    def average_in_backward(self, model: Callable[..., Tensor], average: bool) -> None:
        """Whether the next backward pass through a `data_parallel` model averages gradients, or only adds to them."""

    def mean(self, value: Tensor) -> Tensor:
        """The mean of the processes' tensors."""
        return value

    def sum(self, value: Tensor) -> Tensor:
        """The sum of the processes' tensors."""
        return value

    def largest(self, value: int) -> int:
        """The largest of the processes' integers."""
        return value

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        return [value]

    def from_first(self, work: Callable[[], T]) -> T:
        """What `work` returns in the first process, which alone runs it. Raises as `together`."""
        return self.gathered(self.together(lambda: work() if self.first else None))[0]  # type: ignore[return-value]

    def together(self, work: Callable[[], T]) -> T:
        """What `work` returns here; if it fails in any process, all of them raise its error. It calls no other method.

        Raises:
            ValueError: `work` raised a ValueError or OSError in one process; the message is that of the first such one.
        """
        return work()


class TorchrunProcesses(Processes):
    """This process among those that torchrun started."""

    def __init__(self) -> None:
        missing = [name for name in VARIABLES if name not in os.environ]
        if missing:
            raise ValueError(
                f"WORLD_SIZE={os.environ['WORLD_SIZE']} says that several processes were started, but {missing[0]} is "
                "not set: start them with torchrun, as in `torchrun --nproc-per-node 2 -m llm.cli train`"
            )
        self.rank, self.count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self.here, self._local_rank = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["LOCAL_RANK"])
        on_gpus = torch.cuda.is_available() and self._local_rank < torch.cuda.device_count()
        if on_gpus:
            for run in (compute.run, lambda function, index: function(index)):  # each thread has a current GPU
                run(torch.cuda.set_device, self._local_rank)
        store, *_ = next(dist.rendezvous("env://"))
        # torchrun keeps its store when it restarts processes: the addresses of those before must not be found there
        store = dist.PrefixStore(f"restart {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        backend = "cpu:gloo,cuda:nccl" if on_gpus else "gloo"
        dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.count)

    def require_device(self, device: torch.device) -> None:
        """Raise ValueError unless there is a GPU for each process here, if they compute on GPUs."""
        if device.type == "mps":
            raise ValueError("device='mps' is one GPU, and several processes were started: use cpu, or start only one")
        if device.type == "cuda" and torch.cuda.device_count() < self.here:
            raise ValueError(
                f"torchrun started {self.here} processes on this machine, which has {torch.cuda.device_count()} GPUs: "
                "start one for each GPU, or use device cpu"
            )

    def place(self, model: nn.Module, device: torch.device, sharding: Sharding) -> None:
        """Sharded, if so asked."""
        if sharding == "off":
            model.to(device)
        else:
            shard(model, model.get_submodule("blocks").children(), device, offload=sharding == "offload")

    def data_parallel(self, model: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """DistributedDataParallel: it also gives every process the weights of rank 0. A sharded model needs none."""
        assert isinstance(model, nn.Module)  # a compiled one, too
        if is_sharded(model.parameters()):
            return model
        return nn.parallel.DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)

    def average_in_backward(self, model: Callable[..., Tensor], average: bool) -> None:
        """As the context manager `no_sync` does it. A sharded model always does: it has no room for whole gradients."""
        if isinstance(model, nn.parallel.DistributedDataParallel):
            model.require_backward_grad_sync = average

    def mean(self, value: Tensor) -> Tensor:
        """The mean, on the tensor's device."""
        return self.sum(value) / self.count

    def sum(self, value: Tensor) -> Tensor:
        """The sum, on the tensor's device."""
        total = value.clone()
        dist.all_reduce(total)
        return total

    def largest(self, value: int) -> int:
        """The largest of the processes' integers."""
        largest = torch.tensor(value)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def gathered(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def together(self, work: Callable[[], T]) -> T:
        """What `work` returns here, once it has succeeded everywhere."""
        result, problem = None, None
        try:
            result = work()
        except (OSError, ValueError) as error:
            problem = error_text(error)
        for rank, theirs in enumerate(self.gathered(problem)):
            if theirs is not None:
                raise ValueError(f"in the process of rank {rank}: {theirs}" if rank else theirs)
        return result  # type: ignore[return-value]  # only None if `work` failed


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """This process, together with those that torchrun started beside it, if it did.

    Raises:
        ValueError: the variables of torchrun are incomplete.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Processes()
        return
    processes = TorchrunProcesses()
    try:
        yield processes
    except ValueError:  # which all processes raise (`together`): none waits for another
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()  # not after other errors: it could wait for processes that have ended


def lost_process(error: BaseException) -> bool:
    """Whether this is how torch.distributed says that another process, or the connection to it, has ended."""
    return isinstance(error, LostProcessError | dist.DistError) or any(sign in str(error) for sign in LOST)
