"""What a run is called on a page."""

from __future__ import annotations

import re

from components.shared import folders
from llm.runs.listing import name_of


def run_name(run_id: str) -> str:
    """The name that a person gave the run, or else its model, and the id beside it."""
    return name_of(folders.checkpoints() / run_id)


def as_markdown(name: str) -> str:
    """A name, which can be any text, where Markdown is read: each sign stands for itself."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", name)
