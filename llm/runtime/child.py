"""Start a module of this project as a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs this module.

    `-P`: nothing is imported from the current folder, which can hold files that someone else named like a library.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> dict[str, str]:
    """Its environment: it finds this project, and the packages that this process finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, sys.path[1:])])}
