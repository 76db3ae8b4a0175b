"""The one thread that runs torch for the process.

Each Python thread that runs a parallel torch operation gets a pool of threads of its own, and two pools fight over the
cores: training fell to a half when a page computed beside it. So training steps, evaluations, samples and page
computations are all tasks of one worker, served in the order in which they came: a page's request runs between two
training steps, and nobody reads weights in the middle of an update. Long work is cut into tasks (a step, a token, a
layer) so that others get their turn.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from llm.runtime.allocator import keep_freed_memory
from llm.runtime.process import process_wide

P = ParamSpec("P")
T = TypeVar("T")

_THREAD_NAME = "llm-compute"


def submit(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Queue `function(*args)` for the compute thread; its result or exception comes through the future.

    Never wait for such a future inside a task: the thread would wait for itself. `run` is safe there.
    """
    return process_wide("compute", _start).submit(function, *args, **kwargs)


def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function(*args)` in the compute thread, its result or exception here. Inside that thread it runs at once."""
    if inside():
        return function(*args, **kwargs)
    return submit(function, *args, **kwargs).result()


def inside() -> bool:
    """Whether this is the compute thread."""
    # its name, unlike anything stored in this module, is still there after a source edit
    return threading.current_thread().name.startswith(_THREAD_NAME)


def iterate(iterator: Iterator[T]) -> Iterator[T]:
    """The items of `iterator`; each `next()` is a separate task, so that other tasks run in between."""
    end = object()
    take: Callable[[Iterator[T], object], Any] = next
    try:
        while (item := run(take, iterator, end)) is not end:
            yield cast(T, item)
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:  # a generator that is not exhausted is closed in the thread that ran it
            run(close)


def finish(steps: Generator[Any, None, T]) -> T:
    """The return value of a generator; each of its parts is a separate task. For `steps` of a `stepwise` function."""
    returned: list[T] = []

    def keep_value() -> Generator[Any, None, None]:
        returned.append((yield from steps))

    for _ in iterate(keep_value()):
        pass
    return returned[0]


def _start() -> ThreadPoolExecutor:
    keep_freed_memory()
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=_THREAD_NAME, initializer=_prepare_torch)


def _prepare_torch() -> None:
    import torch  # here, so that a process that never computes does not import torch

    from llm.runtime.device import use_exact_products

    use_exact_products()
    torch.set_num_threads(min(torch.get_num_threads(), allowed_cores()))


def allowed_cores() -> int:
    """Cores that this process may use: a container's quota counts, which torch does not read (cgroup v2's cpu.max)."""
    cores = os.cpu_count() or 1
    quota_file = Path("/sys/fs/cgroup/cpu.max")
    if quota_file.exists():
        quota, period = quota_file.read_text().split()
        if quota != "max":
            cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores
