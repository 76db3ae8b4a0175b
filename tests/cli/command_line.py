"""What the tests of the command line share: texts, tiny settings, and how a command is run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from llm.checkpoints import list_runs
from llm.cli import main

ENGLISH = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
RUSSIAN = "".join(
    f"{word} лиса видела {count} птиц.\n" for count in range(40) for word in ("рыжая", "старая", "робкая")
)
SHAPE = {"--d-model": 16, "--n-layers": 1, "--n-heads": 2, "--n-ctx": 16}
PACE = {"--steps": 3, "--batch-size": 2, "--eval-windows": 2, "--sample-tokens": 8, "--device": "cpu"}
TINY = [str(word) for pair in (SHAPE | PACE).items() for word in pair]
LONG_AGO = "20000101000000"


def train(*words: str, data: str = "foxes.txt", tokenizer: str = "char", folder: str = "checkpoints") -> Path:
    """Train with these flags; the folder of the run."""
    words = ("--data", data, "--tokenizer", tokenizer, "--checkpoints-dir", folder, *words)
    assert main(["train", *TINY, *words]) == 0
    return list_runs(folder)[0].path


def copied(trained: Path) -> Path:
    shutil.copytree(trained, Path("checkpoints") / trained.name)
    return Path("checkpoints") / trained.name


def said_by(capsys, words: list[str], code: int) -> str:
    """The one sentence on standard error with which these words end."""
    assert main(words) == code
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1 and sentence.startswith("llm: ") and "Traceback" not in sentence
    return sentence


def in_a_process(*words: str, **options) -> subprocess.Popen:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # as many threads as in this process: sums that are split otherwise round otherwise
    options["env"] = options.get("env", os.environ) | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen([sys.executable, "-m", "llm.cli", *words], text=True, **(pipes | options))
