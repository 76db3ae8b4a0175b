"""Terminal output: a training run as a progress bar with a line and a sample at each evaluation, and a table of runs.

Where the output is not a terminal there are lines only, without control codes.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

from llm.config import ModelConfig, TrainingConfig
from llm.costs import active_parameters, flops_per_token, memory, parameter_count
from llm.runtime.text import with_error
from llm.training.optimizers import REGISTRY as OPTIMIZERS

if TYPE_CHECKING:
    from llm.checkpoints import RunFolder, RunSummary
    from llm.training.evaluation import Evaluation
    from llm.training.trainer import StepMetrics, Trainer

WIDTH_WITHOUT_TERMINAL = 160
INDENT = "  │ "


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise the error for the caller: rich would exit the process, and a training run would lose its last steps."""
        raise BrokenPipeError


def console(quiet: bool = False) -> Console:
    """Standard output as a rich console that prints plain text: no markup, no automatic highlighting."""
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return _Console(width=width, highlight=False, markup=False, emoji=False, quiet=quiet)


def visible(text: str) -> str:
    r"""The text with control characters escaped (\x1b), so that none reaches the terminal; line breaks stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: ascii(match[0])[1:-1], text)


def print_error(message: str, code: int) -> int:
    """Print an error message on standard error; returns the exit code.

    Of several processes that torchrun started the first prints what stops them all.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0":
        print(f"llm: {visible(message)}", file=sys.stderr)
    return code


def write(text: str) -> None:
    """Write to standard output at once, without a line break."""
    sys.stdout.write(text)
    sys.stdout.flush()


class TrainingView:
    """Shows a run while it trains. A context manager."""

    def __init__(self, trainer: Trainer, console: Console) -> None:
        self.trainer = trainer
        self.console = console
        self._validation: str | None = None
        self._first: tuple[int, float] | None = None  # step and elapsed time from which the time left is estimated
        self._bar = Progress(
            TextColumn("step {task.completed:,}/{task.total:,}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[measured]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            expand=True,
            refresh_per_second=2,  # each refresh takes time away from training
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=trainer.config.steps, completed=trainer.step, measured="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def step(self, metrics: StepMetrics) -> None:
        """Show what was measured in one step."""
        self._first = self._first or (metrics.step, metrics.elapsed)
        if metrics.evaluation is not None:
            evaluation = metrics.evaluation
            self._validation = f"validation {with_error(evaluation.loss, evaluation.standard_error)}"
            self._evaluation(metrics, evaluation)
        self._bar.update(self._task, completed=metrics.step, measured=_joined(*self._pace(metrics), self._validation))

    def _evaluation(self, metrics: StepMetrics, evaluation: Evaluation) -> None:
        line = _joined(
            f"step {metrics.step:,}",
            f"validation loss {with_error(evaluation.loss, evaluation.standard_error)}",
            f"perplexity {evaluation.perplexity:,.1f}",
            f"accuracy {100 * evaluation.accuracy:.1f}%",
            f"{evaluation.bits_per_character:.2f} bits per character",
            f"{100 * metrics.well_formed:.0f}% of sentences well-formed" if metrics.well_formed is not None else None,
            *(() if self.console.is_terminal else self._pace(metrics)),  # on a terminal the bar shows these
        )
        self.console.print(Text(line, style="bold"), soft_wrap=True)
        if metrics.sample is not None:
            wrapped = Text(visible(metrics.sample)).wrap(self.console, max(20, self.console.width - len(INDENT)))
            parts = [part for line in wrapped for part in ((INDENT, "dim"), line, "\n")]
            self.console.print(Text.assemble(*parts[:-1]), soft_wrap=True)  # in one call: each print redraws the bar
        if metrics.skills:
            scores = ", ".join(f"{name} {100 * accuracy:.0f}" for name, accuracy in metrics.skills.items())
            self.console.print(Text(f"{INDENT}skills, % correct (guessing: 50): {scores}", style="dim"), soft_wrap=True)

    def _pace(self, metrics: StepMetrics) -> tuple[str | None, ...]:
        """Training loss, speed and time left, each None while unknown."""
        first_step, start = self._first or (0, 0.0)
        left = None
        if metrics.step > first_step:
            steps_left = self.trainer.config.steps - metrics.step
            left = (metrics.elapsed - start) / (metrics.step - first_step) * steps_left
        return (
            f"loss {metrics.loss:.3f}" if metrics.loss is not None else None,
            f"{metrics.tokens_per_second:,.0f} tokens/s" if metrics.tokens_per_second is not None else None,
            f"{_duration(left)} left" if left is not None else None,
        )


def describe_run(trainer: Trainer, console: Console) -> None:
    """Print the model, the text and the machine of a run. Raises DamagedCheckpointError if fields are missing."""
    from llm.checkpoints import DamagedCheckpointError

    assert trainer.folder is not None
    try:
        name, rows = _description(trainer, trainer.folder.config().raw)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        problem = f"a field that describes the run is missing or of another type ({type(error).__name__}: {error})"
        raise DamagedCheckpointError(trainer.folder.path / "config.json", problem) from None
    console.print(Text(visible(f"Run {trainer.folder.id}: {name}"), style="bold"), soft_wrap=True)
    for title, row in rows.items():
        console.print(Text.assemble((f"  {title:<11}", "dim"), visible(row)), soft_wrap=True)


def _description(trainer: Trainer, about: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The model's name, and facts by title."""
    from llm.runs.corpus import text_limits
    from llm.runtime.device import resolved_precision

    model, training, text = trainer.model.config, trainer.config, about["text"]
    windows, optimizer = training.batch_size * training.accumulation, OPTIMIZERS[training.optimizer]
    validation = trainer.data.validation
    measured = min(training.eval_windows, len(validation))
    seen = (text.get("sentences_seen_in_training") or {}).get("validation")  # older runs lack it
    limits = text_limits(trainer.folder.config()) if trainer.folder else ""
    needed = memory(model, training, trainer.model.implementation, resolved_precision(training)).resident
    name = " ".join(filter(None, (about["architecture"], about["size"])))
    return f"{name}, {trainer.tokenizer.kind} tokenizer", {
        "model": f"{parameter_count(model).total:,} parameters{_active(model)}; n_layers={model.n_layers}, "
        f"d_model={model.d_model}, n_heads={model.n_heads}, n_ctx={model.n_ctx}",
        "memory": f"about {needed / 1e6:,.0f} MB to train",
        "arithmetic": f"{flops_per_token(model, model.n_ctx).training / 1e6:,.1f} million FLOPs per training token",
        "text": f"{text['name']}: {text['characters']:,} characters; {len(trainer.data.train):,} training tokens, "
        f"{len(validation.tokens):,} validation tokens, {model.d_vocab:,} distinct",
        "training": f"{training.steps:,} steps of {windows} windows of {model.n_ctx} tokens: "
        f"{training.steps * windows * model.n_ctx:,} tokens, on {trainer.device.type}"
        + (f" in {trainer.processes.count} processes" if trainer.processes.count > 1 else ""),
        "optimizer": ", ".join(
            [optimizer.label, *(f"{name}={getattr(training, name):g}" for name in optimizer.learning_rates)]
        ),
        "validation": f"on {measured} of {len(validation)} passages of about 512 characters, at the end on all"
        + ("" if seen is None else f"; {seen:.0%} of its sentences occur word for word in training"),
        **_objective(model, training, about),
        **({"large text": limits} if limits else {}),
    }


def _objective(model: ModelConfig, training: TrainingConfig, about: dict[str, Any]) -> dict[str, str]:
    """The losses of predictors without a network; or what a model learns that does not predict the next token."""
    if not model.causal:
        return {
            "objective": f"to fill in masked tokens, {training.masked_fraction:.0%} of each window, since "
            f"mask={model.mask}: its loss is not that of next tokens, and it writes no samples"
        }
    baselines = about["baselines"]
    shown = ", ".join(
        f"{kind} {with_error(baselines[kind], baselines.get(f'{kind}_standard_error'))}"
        for kind in ("uniform", "unigram", "bigram", "trigram")
        if kind in baselines  # older runs have no trigram
    )
    return {"baselines": f"validation loss without a network: {shown}"}


def _active(model: ModelConfig) -> str:
    """How many of the parameters a token uses, if not all."""
    active = active_parameters(model)
    return f", {active:,} of them for each token" if active < parameter_count(model).total else ""


def final_loss(folder: RunFolder) -> str:
    """A finished run's loss on all of the validation text, as a sentence; empty where it was not measured."""
    evaluation = folder.last_measures().evaluation
    loss, characters = evaluation.get("loss"), evaluation.get("characters")
    if loss is None or characters is None:
        return ""
    error = evaluation.get("standard_error")
    return f"Validation loss {with_error(loss, error)} on all {characters:,.0f} characters of the validation text. "


def summary_table(runs: list[RunSummary]) -> Table:
    """A table of runs, with what one looks for first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("run", "model", "text", "tokenizer", "state"):
        table.add_column(title, no_wrap=title not in ("model", "text"), overflow="fold")
    for title in ("step", "loss", "parameters"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        cells = (
            run.id,
            " · ".join(filter(None, (run.notes.name, run.problem or run.model))),
            run.text_name or "",
            run.tokenizer or "",
            run.state,
            f"{run.step:,}/{run.steps:,}" if run.steps is not None else "",
            with_error(run.loss, run.standard_error) if run.loss is not None else "",
            f"{run.parameters:,}" if run.parameters is not None else "",
        )
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def plain_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in titles:
        table.add_column(Text(visible(title)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def command_line(command: str, **flags: Any) -> str:
    """A command to copy: `uv run llm …`, quoted where a shell needs it."""
    words = [word for name, value in flags.items() for word in _words(name.replace("_", "-"), value)]
    return " ".join(["uv run llm", command, *words])


def _words(name: str, value: Any) -> list[str]:
    """A flag as words of a shell: one without a value, with one, or with several."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    first, *others = value if isinstance(value, tuple) else (str(value),)
    return [*_flag(f"--{name}", first), *map(shlex.quote, others)]


def _flag(name: str, value: str) -> list[str]:
    """A flag and its value as words of a shell: attached if the value could be taken for another flag."""
    if value != visible(value):  # such as the bytes of a file name that is not UTF-8
        quoted = "".join(
            chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in os.fsencode(value)
        )
        quoted = f"$'{quoted}'"
    else:
        quoted = shlex.quote(value)
    return [f"{name}={quoted}"] if value.startswith("-") else [name, quoted]


def _joined(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part is not None)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
