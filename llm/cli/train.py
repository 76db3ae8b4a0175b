"""`uv run llm train`: from flags to a run, and through its steps.

Ctrl-C and SIGTERM end it after the step under way, with a snapshot; the run can then be resumed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from llm import tokenizers
from llm.cli.flags import CHECKPOINTS, TEXT, Given, fields_of, refuse_beside, run_folder
from llm.cli.signals import StopSignals
from llm.cli.terminal import TrainingView, command_line, complain, console, describe_run, visible
from llm.config import ModelConfig, TrainingConfig
from llm.costs import memory
from llm.presets import preset
from llm.tokenizers import build_tokenizer

if TYPE_CHECKING:  # torch is imported once the flags have been checked
    from llm.training.trainer import Trainer


def train(given: Given) -> int:
    """Start a run or go on with one, and show how it goes; returns the exit code."""
    make_trainer = _resumed_trainer(given) if "resume" in given else _new_trainer(given)
    from llm.runtime import compute
    from llm.training.trainer import TrainingDiverged

    with StopSignals() as stop:
        trainer = make_trainer()
        try:
            return _drive(trainer, stop)
        except TrainingDiverged as error:
            return complain(str(error), 1)
        except BrokenPipeError:
            compute.run(trainer.snapshot)
            raise


def _new_trainer(given: Given) -> Callable[[], Trainer]:
    """Check and prepare all that a new run needs; its folder is only made by the function that this returns."""
    architecture, size = given.get("architecture", "gpt"), given.get("size", "small")
    kind = given.get("tokenizer", tokenizers.DEFAULT_TOKENIZER)
    changes = fields_of(ModelConfig, given)
    wanted = changes.pop("d_vocab", None)
    if wanted is not None and tokenizers.REGISTRY[kind].default_d_vocab is None:
        sized = " and ".join(tokenizers.with_a_size())
        raise ValueError(f"d_vocab={wanted} is not possible with the {kind} tokenizer: only {sized} can choose a size")
    training = TrainingConfig(**fields_of(TrainingConfig, given))
    model = preset(architecture, size, d_vocab=1 if wanted is None else wanted, **changes)
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise ValueError(f"{processes} processes were started, and each would train a run of its own: start one")

    from llm.data import read_text
    from llm.runtime.device import choose_device, choose_precision
    from llm.training.setup import start_run

    data = Path(given.get("data", TEXT))
    text = read_text(data)
    device = choose_device(training.device)
    choose_precision(training.precision, device)  # what this machine lacks is told before a tokenizer is learned
    tokenizer = build_tokenizer(kind, text, wanted)
    model = dataclasses.replace(model, d_vocab=tokenizer.d_vocab)
    if device.type != "cuda":
        _require_memory(model, training)
    return partial(
        start_run,
        model,
        training,
        kind,
        text,
        data.name,
        given.get("checkpoints_dir", CHECKPOINTS),
        wanted,
        architecture,
        size,
        given.get("implementation", "fused"),
        tokenizer,
    )


def _resumed_trainer(given: Given) -> Callable[[], Trainer]:
    refuse_beside(given, "resume", "a run goes on with the settings that it began with", allowed=["checkpoints_dir"])
    path = run_folder(given["resume"], given.get("checkpoints_dir", CHECKPOINTS))

    from llm.training.setup import resume_run

    return partial(resume_run, path)


def _drive(trainer: Trainer, stop: StopSignals) -> int:
    """Train to the end, or until a signal asks to stop, and show how it goes."""
    from llm.runtime import compute

    assert trainer.folder is not None
    screen, path = console(), str(trainer.folder.path)
    describe_run(trainer, screen)
    with TrainingView(trainer, screen) as view:
        if not trainer.folder.snapshots():
            view.step(compute.run(trainer.initial_metrics))
        while not trainer.finished and stop.received is None:
            view.step(compute.run(next, trainer))
    if stop.received is not None and not trainer.finished:
        compute.run(trainer.snapshot)
        said = f"Stopped at step {trainer.step:,} of {trainer.config.steps:,}; all of it is kept in {path}. To go on:"
        command, code = command_line("train", "--resume", path), 128 + stop.received
    else:
        said = f"Finished: {trainer.stop_reason}. The run is in {path}. Now have it write:"
        prompt = ["--prompt", trainer.prompt] if visible(trainer.prompt) == trainer.prompt.strip() else []
        command, code = command_line("infer", "--checkpoint", path, *prompt, "--max-new-tokens", "200"), 0
    screen.print(said, f"  {command}", sep="\n", soft_wrap=True)
    return code


def _require_memory(model: ModelConfig, training: TrainingConfig) -> None:
    """Refuse what this machine's memory cannot hold, before the attempt brings it to a standstill."""
    needed, present = memory(model, training).total, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > present:
        raise ValueError(
            f"Training this model takes about {needed / 1e9:,.1f} GB of memory, and this machine has "
            f"{present / 1e9:,.1f} GB: choose a smaller size, n_ctx or batch_size"
        )
