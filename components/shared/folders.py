"""Where the app keeps things: beside main.py, or in the folder that the environment variable LLM_HOME names."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
DEFAULT_TEXT = PROJECT / "training.txt"


def home() -> Path:
    """The folder that holds checkpoints and uploads."""
    return Path(os.environ.get("LLM_HOME") or PROJECT)


def checkpoints() -> Path:
    """The folder of run folders, shared with the command line."""
    return home() / "checkpoints"


def uploads() -> Path:
    """The folder of texts that a person gave the app."""
    return home() / "uploads"
