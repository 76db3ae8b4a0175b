"""Train on the command line: show the progress, stop on a signal, and say how it ended.

Ctrl-C, a closed terminal and every other signal that can be caught stop a run after the current step, with a snapshot;
the run can then be resumed. torchrun starts several processes that train one run together; the first of them prints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llm.cli.signals import StopSignals
from llm.cli.terminal import TrainingView, command_line, console, describe_run, final_loss, print_error, visible

if TYPE_CHECKING:  # torch is imported once the flags have been checked
    from llm.runtime.processes import Processes
    from llm.training.trainer import Trainer


def train_with(prepare: Callable[[Processes], Callable[[], Trainer]], quiet: bool = False) -> int:
    """Train in this process, or in all that torchrun started; returns the exit code.

    `prepare` checks and reads what the processes need; what it returns makes the trainer, and the folder of a new run.
    """
    from llm.runtime.processes import LostProcessError, joined_processes, lost_process

    try:
        with joined_processes() as processes:
            return _train(prepare(processes), processes, quiet)
    except RuntimeError as error:
        if not lost_process(error):
            raise
        message = str(error) if isinstance(error, LostProcessError) else "another process ended before training began"
        return print_error(message, 1)


def _train(make_trainer: Callable[[], Trainer], processes: Processes, quiet: bool) -> int:
    from llm.checkpoints import RunNotSavedError
    from llm.runtime import compute
    from llm.runtime.processes import LostProcessError, lost_process
    from llm.training.divergence import TrainingDiverged

    with StopSignals() as stop:
        trainer = make_trainer()
        try:
            try:
                return _drive(trainer, stop, quiet)
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


def _drive(trainer: Trainer, stop: StopSignals, quiet: bool) -> int:
    """Train to the end or until a stop signal, and show the progress."""
    from llm.runs.origin import branched
    from llm.runtime import compute
    from llm.training.branching import restart_in_words
    from llm.training.evaluators import sample_prompts
    from llm.training.resumes import resumes

    assert trainer.folder is not None
    processes = trainer.processes
    screen, path = console(quiet=quiet or not processes.first), str(trainer.folder.path)
    describe_run(trainer, screen)
    origin = branched(trainer.folder.config())
    if origin is not None and origin.step == trainer.step:
        screen.print(visible(origin.in_words()), soft_wrap=True)
        if restart := restart_in_words(origin, trainer.config):
            screen.print(restart, soft_wrap=True)
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
