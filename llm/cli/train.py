"""`uv run llm train`: train a new model, or resume a run.

Ctrl-C, a closed terminal and every other signal that can be caught stop it after the current step, with a snapshot; the
run can then be resumed. `torchrun … -m llm.cli train …` starts several processes that train one run together; the
first of them prints.
"""

from __future__ import annotations

import dataclasses
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
    from llm.runtime.processes import Processes
    from llm.training.setup import Prepared
    from llm.training.trainer import Trainer


def train(flags: ParsedFlags) -> int:
    """Start or resume a run and show its progress; returns the exit code."""
    prepare = _resumed_run(flags) if "resume" in flags else _new_run(flags)

    from llm.runtime.processes import LostProcessError, joined_processes, lost_process

    try:
        with joined_processes() as processes:
            return _train(prepare(processes), processes)
    except RuntimeError as error:
        if not lost_process(error):
            raise
        message = str(error) if isinstance(error, LostProcessError) else "another process ended before training began"
        return print_error(message, 1)


def _train(make_trainer: Callable[[], Trainer], processes: Processes) -> int:
    from llm.checkpoints import RunNotSavedError
    from llm.runtime import compute
    from llm.runtime.processes import LostProcessError, lost_process
    from llm.training.divergence import TrainingDiverged

    with StopSignals() as stop:
        trainer = make_trainer()
        try:
            try:
                return _drive(trainer, stop)
            except RunNotSavedError:
                raise
            except OSError:  # the reader of the output, or the terminal, is gone
                if processes.count == 1:  # several would wait for each other in different steps
                    compute.run(trainer.snapshot)
                if stop.received is None:
                    raise
                return 128 + stop.received
        except (TrainingDiverged, RunNotSavedError) as error:
            return print_error(str(error), 1)
        except RuntimeError as error:
            if not lost_process(error):
                raise
            assert trainer.folder is not None
            newest, path = max(trainer.folder.snapshots(), default=0), trainer.folder.path
            raise LostProcessError(
                f"another process of this training ended in step {trainer.step + 1:,}. The run is saved in {path} up "
                f"to step {newest:,}; continue it with --resume {path}"
            ) from None


def _new_run(flags: ParsedFlags) -> Callable[[Processes], Callable[[], Trainer]]:
    """Check the flags of a new run. The returned function prepares it; what that one returns creates its folder."""
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
    paths = [Path(name) for name in flags.get("data", [DEFAULT_TEXT])]
    folder = Path(flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))

    def prepare(processes: Processes) -> Callable[[], Trainer]:
        from llm.training.jobs import run_of_job
        from llm.training.machine import check_machine
        from llm.training.setup import resume_run, start_together

        begun = processes.from_first(lambda: run_of_job(folder, model, training))
        if begun is not None:
            return partial(resume_run, begun, processes)
        processes.together(lambda: check_machine(training, processes))  # fail before a tokenizer is trained
        return partial(start_together, processes.together(lambda: read(processes)), processes)

    def read(processes: Processes) -> Callable[[], Prepared] | None:
        """Read the text and train a tokenizer, in the first process."""
        from llm.data import read_text, train_tokenizer
        from llm.training.setup import prepare_run

        if not processes.first:
            return None
        text: str | TokenCache
        if len(paths) == 1 and not is_large(paths[0]):
            text, text_name = read_text(paths[0]), paths[0].name
            tokenizer = train_tokenizer(kind, text, d_vocab)
        else:
            text = make_token_cache(paths, kind, d_vocab, folder)
            text_name, tokenizer = text.about["name"], text.tokenizer
        return partial(
            prepare_run,
            dataclasses.replace(model, d_vocab=tokenizer.d_vocab),
            training,
            kind,
            text,
            text_name,
            folder,
            d_vocab,
            architecture,
            size,
            flags.get("implementation", "fused"),
            tokenizer,
            processes,
        )

    return prepare


def _resumed_run(flags: ParsedFlags) -> Callable[[Processes], Callable[[], Trainer]]:
    reject_combination(flags, "resume", "a run resumes with the settings it started with", allowed=["checkpoints_dir"])
    path = run_folder(flags["resume"], flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))

    def prepare(processes: Processes) -> Callable[[], Trainer]:
        from llm.training.setup import resume_run

        processes.together(lambda: remake_token_cache(path) if processes.first else None)
        return partial(resume_run, path, processes)

    return prepare


def _drive(trainer: Trainer, stop: StopSignals) -> int:
    """Train to the end or until a stop signal, and show the progress."""
    from llm.runtime import compute
    from llm.training.evaluators import sample_prompts
    from llm.training.resumes import resumes

    assert trainer.folder is not None
    processes = trainer.processes
    screen, path = console(quiet=not processes.first), str(trainer.folder.path)
    describe_run(trainer, screen)
    for resume in resumes(trainer.folder.config()):
        if resume.step == trainer.step:
            sentence = f"From here on not bit for bit as without the pause: {'; '.join(resume.changes)}"
            screen.print(visible(sentence), soft_wrap=True)
    with TrainingView(trainer, screen) as view:
        if not trainer.folder.snapshots():
            view.step(compute.run(trainer.initial_metrics))
        # all stop at one step, whichever received the signal
        while not trainer.finished and not (received := processes.largest(stop.received or 0)):
            view.step(compute.run(next, trainer))
    if not trainer.finished:
        compute.run(trainer.snapshot)
        summary = (
            f"Stopped at step {trainer.step:,} of {trainer.config.steps:,}; the run is saved in {path}. Resume with:"
        )
        command, code = command_line("train", resume=path), 128 + received
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
