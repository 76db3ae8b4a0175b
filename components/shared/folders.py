"""Where the app stores runs and texts: beside main.py, or in the folder of the environment variable LLM_HOME."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
DEFAULT_TEXT = PROJECT / "training.txt"
STRANGERS_TEXT = PROJECT / "strangers.txt"
BUILT_IN_TEXTS = (DEFAULT_TEXT, STRANGERS_TEXT)


def home() -> Path:
    """The folder that contains checkpoints, uploads and texts."""
    return Path(os.environ.get("LLM_HOME") or PROJECT)


def checkpoints() -> Path:
    """The folder of run folders, shared with the command line."""
    return home() / "checkpoints"


def texts() -> Path:
    """The folder of downloaded texts, shared with the command line."""
    return home() / "texts"


def uploads() -> Path:
    """The folder of uploaded texts."""
    return home() / "uploads"


def free_bytes() -> int:
    """How much of the disk with the runs is free."""
    there = next(folder for folder in (home(), *home().absolute().parents) if folder.is_dir())
    return shutil.disk_usage(there).free
