"""Objects that exist once per process, whatever happens to the modules that use them.

A server that reloads edited source files removes this project's modules from `sys.modules` and imports them again: a
plain module variable would come back empty, and the compute thread or the registry of runs would exist twice. So such
objects live in a module that has no file, which is never reloaded.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar, cast

T = TypeVar("T")

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
