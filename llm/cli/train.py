"""`uv run llm train`: train a new model, or resume a run.

Ctrl-C, a closed terminal and every other signal that can be caught stop it after the current step, with a snapshot; the
run can then be resumed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from llm import tokenizers
from llm.cli.flags import Command, ParsedFlags, config_flags, fields_of, flag, reject_combination
from llm.cli.large_text import is_large, make_token_cache, remake_token_cache
from llm.cli.shared_flags import (
    DEFAULT_CHECKPOINTS_DIR,
    DEFAULT_TEXT,
    checkpoints_dir_flag,
    choice,
    d_vocab_flag,
    run_folder,
    tokenizer_flag,
)
from llm.cli.signals import StopSignals
from llm.cli.terminal import TrainingView, command_line, console, describe_run, final_loss, print_error, visible
from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.presets import DESCRIPTIONS, SIZE_DESCRIPTIONS, preset

if TYPE_CHECKING:  # torch is imported once the flags have been checked
    from llm.data.token_cache import TokenCache
    from llm.training.trainer import Trainer


def train(flags: ParsedFlags) -> int:
    """Start or resume a run and show its progress; returns the exit code."""
    make_trainer = _resumed_trainer(flags) if "resume" in flags else _new_trainer(flags)
    from llm.checkpoints import RunNotSavedError
    from llm.runtime import compute
    from llm.training.divergence import TrainingDiverged

    with StopSignals() as stop:
        trainer = make_trainer()
        try:
            try:
                return _drive(trainer, stop)
            except RunNotSavedError:
                raise
            except OSError:  # the reader of the output, or the terminal, is gone
                compute.run(trainer.snapshot)
                if stop.received is None:
                    raise
                return 128 + stop.received
        except (TrainingDiverged, RunNotSavedError) as error:
            return print_error(str(error), 1)


def _new_trainer(flags: ParsedFlags) -> Callable[[], Trainer]:
    """Check and prepare all that a new run needs; only the returned function creates its folder."""
    architecture, size = flags.get("architecture", "gpt"), flags.get("size", "small")
    kind = flags.get("tokenizer", tokenizers.DEFAULT_TOKENIZER)
    changes = fields_of(ModelConfig, flags)
    d_vocab = changes.pop("d_vocab", None)
    if d_vocab is not None and tokenizers.REGISTRY[kind].default_d_vocab is None:
        sized = " and ".join(tokenizers.with_a_size())
        raise ValueError(
            f"d_vocab must be left out with the {kind} tokenizer, got {d_vocab}: only {sized} have a choice"
        )
    training = TrainingConfig(**fields_of(TrainingConfig, flags))
    model = preset(architecture, size, d_vocab=1 if d_vocab is None else d_vocab, **changes)
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise ValueError(f"{processes} processes were started, and each would train its own run: start only one")

    from llm.data import read_text, train_tokenizer
    from llm.training.setup import check_machine, start_run

    paths = [Path(name) for name in flags.get("data", [DEFAULT_TEXT])]
    checkpoints_dir = Path(flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))
    text: str | TokenCache
    if len(paths) == 1 and not is_large(paths[0]):
        text, text_name = read_text(paths[0]), paths[0].name
        check_machine(training)  # fail before a tokenizer is trained
        tokenizer = train_tokenizer(kind, text, d_vocab)
    else:
        check_machine(training)
        text = make_token_cache(paths, kind, d_vocab, checkpoints_dir)
        text_name, tokenizer = text.about["name"], text.tokenizer
    model = dataclasses.replace(model, d_vocab=tokenizer.d_vocab)
    return partial(
        start_run,
        model,
        training,
        kind,
        text,
        text_name,
        checkpoints_dir,
        d_vocab,
        architecture,
        size,
        flags.get("implementation", "fused"),
        tokenizer,
    )


def _resumed_trainer(flags: ParsedFlags) -> Callable[[], Trainer]:
    reject_combination(flags, "resume", "a run resumes with the settings it started with", allowed=["checkpoints_dir"])
    path = run_folder(flags["resume"], flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))

    from llm.training.setup import resume_run

    remake_token_cache(path)
    return partial(resume_run, path)


def _drive(trainer: Trainer, stop: StopSignals) -> int:
    """Train to the end or until a stop signal, and show the progress."""
    from llm.runtime import compute
    from llm.training.evaluators import sample_prompts
    from llm.training.resumes import resumes

    assert trainer.folder is not None
    screen, path = console(), str(trainer.folder.path)
    describe_run(trainer, screen)
    for resume in resumes(trainer.folder.config()):
        if resume.step == trainer.step:
            sentence = f"From here on not bit for bit as without the pause: {'; '.join(resume.changes)}"
            screen.print(visible(sentence), soft_wrap=True)
    with TrainingView(trainer, screen) as view:
        if not trainer.folder.snapshots():
            view.step(compute.run(trainer.initial_metrics))
        while not trainer.finished and stop.received is None:
            view.step(compute.run(next, trainer))
    if stop.received is not None and not trainer.finished:
        compute.run(trainer.snapshot)
        summary = (
            f"Stopped at step {trainer.step:,} of {trainer.config.steps:,}; the run is saved in {path}. Resume with:"
        )
        command, code = command_line("train", resume=path), 128 + stop.received
    else:
        measured = final_loss(trainer.folder)
        summary = f"Finished: {trainer.stop_reason}. {measured}The run is saved in {path}. Generate text with:"
        start = sample_prompts(trainer.tokenizer, trainer.data, trainer.config)[0]
        prompt = {"prompt": start} if visible(start) == start.strip() else {}
        command, code = command_line("infer", checkpoint=path, **prompt, max_new_tokens="200"), 0
    screen.print(visible(summary), f"  {command}", sep="\n", soft_wrap=True)
    return code


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "data": flag(
            tuple[str, ...],
            "Text to train on: a UTF-8 file, or several, each a document. Several, and a large one, are tokenised "
            "once, into the folder tokens beside the runs.",
            DEFAULT_TEXT,
        ),
        "architecture": choice("Preset of the components.", DESCRIPTIONS, "gpt"),
        "size": choice("Preset of widths and depth.", SIZE_DESCRIPTIONS, "small"),
        "tokenizer": tokenizer_flag(),
        "implementation": flag(str, "How the layers are implemented.", "fused", get_args(Implementation)),
        "checkpoints_dir": checkpoints_dir_flag(),
        "resume": flag(str, "Resume this run, a folder or a run id, from its newest snapshot.", "a new run"),
        "d_vocab": d_vocab_flag(),
        **config_flags(ModelConfig, default="the preset's", leave_out=["d_vocab"]),
        **config_flags(TrainingConfig),
    }


COMMAND = Command(
    "Train a model on a text, in a new run folder. Every component of the preset can be changed.", command_flags, train
)
