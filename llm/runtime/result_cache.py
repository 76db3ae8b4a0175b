"""A cache of the last results of long computations; each is computed once, even if many tabs and routes request it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from llm.runtime import compute

T = TypeVar("T")


class ResultCache(Generic[T]):
    """Keeps the most recently used results. A failure is not kept: the next request tries again."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._futures: OrderedDict[Hashable, Future[T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of `make()` for this key; other requests for it wait until it has been made.

        Not so in the compute thread, for which whoever makes it may be waiting: there it is made once more.
        """
        with self._lock:
            future = self._futures.get(key)
            mine = future is None
            if future is None:
                future = self._futures[key] = Future()
            self._futures.move_to_end(key)
            while len(self._futures) > self._size:
                self._futures.popitem(last=False)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    self._futures.pop(key, None)
                future.set_exception(error)
        elif compute.inside() and not future.done():
            return make()
        return future.result()
