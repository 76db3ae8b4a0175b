"""The process: objects that exist once in it, and the signals that end it.

A server that reloads edited source files removes this project's modules from `sys.modules` and imports them again: a
plain module variable would come back empty, and the compute thread or the registry of runs would exist twice. So such
objects live in a module that has no file, which is never reloaded.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar, cast

T = TypeVar("T")

# each ends a process that does not catch it; a system has some of them only. Signals of a fault of the process itself
# (SIGSEGV, SIGABRT, …) are not here: nothing can go on after them
_NAMES = (
    *("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK"),
    *("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU", "SIGIO", "SIGPWR", "SIGSTKFLT"),
)
_REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1) if hasattr(signal, "SIGRTMIN") else ()
STOP_SIGNALS: list[int] = [*(getattr(signal, name) for name in _NAMES if hasattr(signal, name)), *_REAL_TIME]

_HOLDER = "_llm_process"


def process_wide(name: str, create: Callable[[], T]) -> T:
    """The process-wide object `name`, made by `create()` at the first request.

    After a source edit it is still the object made before the edit: prefer classes of the standard library, and never
    compare its type with `isinstance` against a class of this project.
    """
    holder = sys.modules.setdefault(_HOLDER, ModuleType(_HOLDER)).__dict__
    with holder.setdefault("lock", threading.RLock()):  # setdefault on a dict is atomic: all threads get one lock
        objects = holder.setdefault("objects", {})
        if name not in objects:
            objects[name] = create()
        return cast(T, objects[name])
