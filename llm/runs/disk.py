"""How much of the disk a run takes."""

from __future__ import annotations

import os
from pathlib import Path


def disk_bytes(folder: Path) -> int:
    """The size of the files in a folder and the folders in it; of a link its own. 0 for what cannot be read."""
    total, waiting = 0, [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # not ours to read, or removed meanwhile
            continue
    return total
