"""What a command waits for before it does anything: `llm --help`, and the library's import beside torch's alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial

from benchmarks.rows import Row

HELP_SECONDS = 0.3


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def python(code: str) -> Callable[[], None]:
    return partial(run, sys.executable, "-c", code)


ROWS: dict[str, Callable[[], Row]] = {
    "startup-help": lambda: Row(partial(run, "uv", "run", "llm", "--help"), lambda: HELP_SECONDS, "0.3 s", 1.0),
    "startup-import": lambda: Row(
        python("from llm import Trainer, Transformer, preset"), python("import torch"), "torch", 1 / 1.1
    ),
}
