"""Flags that more than one command takes, and how a name becomes a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm import tokenizers
from llm.cli.flags import ParsedFlags, flag, require_flag
from llm.config import ModelConfig, describe
from llm.training.settings import DEFAULT_CHECKPOINTS_DIR as DEFAULT_CHECKPOINTS_DIR
from llm.training.settings import DEFAULT_TEXT as DEFAULT_TEXT


def choice(about: str, choices: dict[str, str], default: str) -> Any:
    """A flag with one of a few values, each explained in the help."""
    explained = " ".join(f"{name}: {meaning}" for name, meaning in choices.items())
    return flag(str, f"{about} {explained}", default, list(choices))


def run_folder(run: str, checkpoints_dir: str = DEFAULT_CHECKPOINTS_DIR) -> Path:
    """The folder of a run that is given as a path or as a run id."""
    by_id = Path(checkpoints_dir, run)
    return by_id if by_id.exists() and not Path(run).exists() else Path(run)


def required_run(flags: ParsedFlags, meaning: str) -> Path:
    """The folder of the run that a command is about; `meaning` completes the message if it is not given."""
    run = require_flag(flags, "run", f"{meaning}: a folder or a run id")
    return run_folder(run, flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))


def checkpoints_dir_flag() -> Any:
    """Where runs are listed and created."""
    return flag(str, "Folder that contains the runs.", DEFAULT_CHECKPOINTS_DIR)


def tokenizer_flag() -> Any:
    """Which kind of tokenizer to train on the text."""
    kinds = {kind: entry.help for kind, entry in tokenizers.REGISTRY.items()}
    return choice("How text is split into tokens.", kinds, tokenizers.DEFAULT_TOKENIZER)


def d_vocab_flag() -> Any:
    """The vocabulary size to aim for."""
    kinds = " and ".join(tokenizers.with_a_size())
    about = f"{describe(ModelConfig)['d_vocab'].help} Only with {kinds}."
    return flag(int, about, str(tokenizers.DEFAULT_D_VOCAB))


def column_flag() -> Any:
    """Where a table has its text."""
    about = "Column of a table (csv, tsv, json, jsonl) that has the text; each row is a document."
    return flag(str, about, "the one called text or the like, else the longest")
