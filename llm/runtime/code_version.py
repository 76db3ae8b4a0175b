"""Which code runs: the commit of the project's git checkout, if it is in one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]


def code_version(project: Path = PROJECT) -> dict[str, Any] | None:
    """The commit, and whether tracked files differ from it; None outside a checkout of the project, or without git."""
    top = _git(project, "rev-parse", "--show-toplevel")
    if top is None or not project.samefile(top):  # a package that is installed inside another project's folder
        return None
    commit, changes = _git(project, "rev-parse", "HEAD"), _git(project, "status", "--porcelain", "-uno")
    return None if commit is None else {"commit": commit, "uncommitted_changes": changes != ""}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails or is not there."""
    # a git hook sets variables such as GIT_DIR, which would name another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ran = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return ran.stdout.strip()
