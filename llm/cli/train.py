"""`uv run llm train`: train a new model, or resume a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from llm.cli.flags import Command, ParsedFlags, config_flags, flag, reject_combination
from llm.cli.large_text import make_token_cache, remake_token_cache
from llm.cli.shared_flags import (
    DEFAULT_CHECKPOINTS_DIR,
    DEFAULT_TEXT,
    checkpoints_dir_flag,
    choice,
    column_flag,
    d_vocab_flag,
    run_folder,
    tokenizer_flag,
)
from llm.cli.training import train_with
from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.data.split import Split
from llm.presets import DESCRIPTIONS, SIZE_DESCRIPTIONS
from llm.training.settings import RunSettings

if TYPE_CHECKING:  # torch is imported once the flags have been checked
    from llm.runtime.processes import Processes
    from llm.training.new_run import Prepared
    from llm.training.trainer import Trainer


def train(flags: ParsedFlags) -> int:
    """Start or resume a run and show its progress; returns the exit code."""
    return train_with(_resumed_run(flags) if "resume" in flags else _new_run(flags))


def _new_run(flags: ParsedFlags) -> Callable[[Processes], Callable[[], Trainer]]:
    """Check the flags of a new run. The returned function prepares it; what that one returns creates its folder."""
    settings = RunSettings.from_names(flags)

    def prepare(processes: Processes) -> Callable[[], Trainer]:
        from llm.training.jobs import run_of_job
        from llm.training.machine import check_machine
        from llm.training.setup import resume_run, start_together

        model, training = settings.model, settings.training
        begun = processes.from_first(lambda: run_of_job(settings.checkpoints_dir, model, training))
        if begun is not None:
            return partial(resume_run, begun, processes)
        processes.together(lambda: check_machine(training, model, processes))  # fail before a tokenizer is trained
        return partial(start_together, processes.together(lambda: read(processes)), processes)

    def read(processes: Processes) -> Callable[[], Prepared] | None:
        """Read the text and train a tokenizer, in the first process."""
        from llm.training.new_run import prepare_run

        if not processes.first:
            return None
        new = settings.new_run(make_token_cache)
        return partial(prepare_run, dataclasses.replace(new, tokenizer=new.corpus().tokenizer), processes)

    return prepare


def _resumed_run(flags: ParsedFlags) -> Callable[[Processes], Callable[[], Trainer]]:
    reject_combination(flags, "resume", "a run resumes with the settings it started with", allowed=["checkpoints_dir"])
    path = run_folder(flags["resume"], flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))

    def prepare(processes: Processes) -> Callable[[], Trainer]:
        from llm.training.setup import resume_run

        processes.together(lambda: remake_token_cache(path) if processes.first else None)
        return partial(resume_run, path, processes)

    return prepare


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return new_run_flags() | {
        "resume": flag(str, "Resume this run, a folder or a run id, from its newest snapshot.", "a new run"),
    }


def new_run_flags() -> dict[str, Any]:
    """A flag for each setting of a new run."""
    return {
        "data": flag(
            tuple[str, ...],
            "Text to train on: a file, or several, each a document. UTF-8 files are taken as they are; several of "
            "these, and a large one, are tokenised once, into the folder tokens beside the runs. Of html, pdf, docx, "
            "epub, csv, tsv, json and jsonl the text is taken: `llm text FILES` shows it.",
            DEFAULT_TEXT,
        ),
        "column": column_flag(),
        **config_flags(Split),
        "architecture": choice("Preset of the components.", DESCRIPTIONS, "gpt"),
        "size": choice("Preset of widths and depth.", SIZE_DESCRIPTIONS, "small"),
        "tokenizer": tokenizer_flag(),
        "implementation": flag(str, "How the layers are implemented.", "fused", get_args(Implementation)),
        "checkpoints_dir": checkpoints_dir_flag(),
        "d_vocab": d_vocab_flag(),
        **config_flags(ModelConfig, default="the preset's", leave_out=["d_vocab"]),
        **config_flags(TrainingConfig),
    }


COMMAND = Command(
    "Train a model on a text, in a new run folder. Every component of the preset can be changed.", command_flags, train
)
