"""Freed memory is kept for the next tensors, until a training ends or pauses.

A training step allocates and frees the same blocks again and again. The C library of most Linux systems, glibc, gives
what is free at the end of its heap back to the system; the next step asks for it again, and the system fills each page
with zeros at its first use: 50 MB a step for a small model, a sixth of its time. Nothing changes on other systems.

The names and numbers are those of glibc's malloc.h: man 3 mallopt, man 3 malloc_trim.
"""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1  # bytes that may be free at the end of the heap before they are given back
M_MMAP_THRESHOLD = -3  # bytes from which a block lies outside of the heap, and is given back as soon as it is freed
M_ARENA_MAX = -8  # heaps; one that a thread has to itself is given back as soon as it is empty
HEAP_KEEPS = 1 << 30
IN_HEAP = 32 << 20  # the most that glibc reaches by itself; larger blocks would leave large holes


def keep_freed_memory() -> None:
    """From now on there is one heap for all threads that are started, and it keeps up to 1 GB of freed memory."""
    if (library := _glibc()) is not None:
        library.mallopt(M_ARENA_MAX, 1)
        library.mallopt(M_TRIM_THRESHOLD, HEAP_KEEPS)
        library.mallopt(M_MMAP_THRESHOLD, IN_HEAP)


def give_back_freed_memory() -> None:
    """Give the system all that is free now."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") else None
