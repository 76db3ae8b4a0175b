"""How a training looks on a terminal: what is trained, a bar for the steps, a line and a sample at each evaluation.

Where the output is no terminal there are lines only, without control codes.
"""

from __future__ import annotations

import re
import shlex
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

from llm.costs import flops_per_token, memory, parameter_count

if TYPE_CHECKING:
    from llm.checkpoints import RunSummary
    from llm.training.trainer import StepMetrics, Trainer

WIDTH_WITHOUT_TERMINAL = 160
INDENT = "  │ "


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the caller: rich would end the process, and a training would lose its last steps."""
        raise BrokenPipeError


def console() -> Console:
    """Standard output; what is printed there is text, never markup, and no word is coloured for its looks."""
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    return _Console(width=width, highlight=False, markup=False, emoji=False)


def visible(text: str) -> str:
    r"""The text with control characters written out (\x1b), so that none reaches the terminal; line breaks stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", lambda match: ascii(match[0])[1:-1], text)


def complain(sentence: str, code: int) -> int:
    """Say on standard error what went wrong; returns the exit code."""
    print(f"llm: {visible(sentence)}", file=sys.stderr)
    return code


class TrainingView:
    """Shows a run while it trains; to be used in a `with`."""

    def __init__(self, trainer: Trainer, console: Console) -> None:
        self.trainer = trainer
        self.console = console
        self._validation: float | None = None
        self._first: tuple[int, float] | None = None  # step and elapsed time from which speed is reckoned
        self._bar = Progress(
            TextColumn("step {task.completed:,}/{task.total:,}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[measured]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            expand=True,
            refresh_per_second=2,  # each refresh takes time from training
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=trainer.config.steps, completed=trainer.step, measured="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def step(self, metrics: StepMetrics) -> None:
        """Show what one step brought."""
        self._first = self._first or (metrics.step, metrics.elapsed)
        if metrics.evaluation is not None:
            self._validation = metrics.evaluation.loss
            self._evaluation(metrics)
        known = f"validation {self._validation:.3f}" if self._validation is not None else None
        self._bar.update(self._task, completed=metrics.step, measured=_joined(*self._pace(metrics), known))

    def _evaluation(self, metrics: StepMetrics) -> None:
        found = metrics.evaluation
        assert found is not None
        line = _joined(
            f"step {metrics.step:,}",
            f"validation loss {found.loss:.3f}",
            f"perplexity {found.perplexity:,.1f}",
            f"accuracy {100 * found.accuracy:.1f} %",
            f"{found.bits_per_character:.2f} bits per character",
            f"{100 * metrics.well_formed:.0f} % of sentences well-formed" if metrics.well_formed is not None else None,
            *(() if self.console.is_terminal else self._pace(metrics)),  # on a terminal the bar shows these
        )
        self.console.print(Text(line, style="bold"), soft_wrap=True)
        if metrics.sample is not None:
            wrapped = Text(visible(metrics.sample)).wrap(self.console, max(20, self.console.width - len(INDENT)))
            parts = [part for line in wrapped for part in ((INDENT, "dim"), line, "\n")]
            self.console.print(Text.assemble(*parts[:-1]), soft_wrap=True)  # at once: each print draws the bar anew
        if metrics.skills:
            scores = ", ".join(f"{name} {100 * share:.0f}" for name, share in metrics.skills.items())
            self.console.print(Text(f"{INDENT}skills, % right: {scores}", style="dim"), soft_wrap=True)

    def _pace(self, metrics: StepMetrics) -> tuple[str | None, ...]:
        """The training loss, the speed and the time left, as far as they are known yet."""
        first_step, begun = self._first or (0, 0.0)
        left = None
        if metrics.step > first_step:
            steps_left = self.trainer.config.steps - metrics.step
            left = (metrics.elapsed - begun) / (metrics.step - first_step) * steps_left
        return (
            f"loss {metrics.loss:.3f}" if metrics.loss is not None else None,
            f"{metrics.tokens_per_second:,.0f} tokens/s" if metrics.tokens_per_second is not None else None,
            f"{_duration(left)} left" if left is not None else None,
        )


def describe_run(trainer: Trainer, console: Console) -> None:
    """Say what is about to be trained, and on what. Raises DamagedCheckpointError where config.json does not tell."""
    from llm.checkpoints import DamagedCheckpointError

    assert trainer.folder is not None
    try:
        name, rows = _description(trainer, trainer.folder.config().raw)
    except (KeyError, TypeError) as error:
        problem = f"it does not say what is trained ({type(error).__name__}: {error})"
        raise DamagedCheckpointError(trainer.folder.path / "config.json", problem) from None
    console.print(Text(visible(f"Run {trainer.folder.id}: {name}"), style="bold"), soft_wrap=True)
    for title, row in rows.items():
        console.print(Text.assemble((f"  {title:<11}", "dim"), visible(row)), soft_wrap=True)


def _description(trainer: Trainer, about: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The model's name, and facts by title."""
    model, training, text, baselines = trainer.model.config, trainer.config, about["text"], about["baselines"]
    windows = training.batch_size * training.accumulation
    name = " ".join(filter(None, (about["architecture"], about["size"])))
    return f"{name}, {trainer.tokenizer.kind} tokenizer", {
        "model": f"{parameter_count(model).total:,} parameters; n_layers={model.n_layers}, d_model={model.d_model}, "
        f"n_heads={model.n_heads}, n_ctx={model.n_ctx}",
        "memory": f"about {memory(model, training).total / 1e6:,.0f} MB to train",
        "arithmetic": f"{flops_per_token(model, model.n_ctx).training / 1e6:,.1f} million operations (FLOPs) for each "
        "token trained on",
        "text": f"{text['name']}: {text['characters']:,} characters; {len(trainer.data.train):,} tokens to train on, "
        f"{len(trainer.data.validation):,} to validate, {model.d_vocab:,} different",
        "training": f"{training.steps:,} steps of {windows} windows of {model.n_ctx} tokens: "
        f"{training.steps * windows * model.n_ctx:,} tokens, on {trainer.device.type}",
        "baselines": "validation loss without a network: "
        + ", ".join(f"{kind} {float(baselines[kind]):.3f}" for kind in ("uniform", "unigram", "bigram")),
    }


def runs_table(runs: list[RunSummary]) -> Table:
    """A table of runs."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("run", "model", "text", "tokenizer", "state"):
        table.add_column(title, no_wrap=title not in ("model", "text"), overflow="fold")
    for title in ("step", "loss", "parameters"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        cells = (
            run.id,
            " ".join(filter(None, (run.architecture, run.size))),
            run.text_name or "",
            run.tokenizer or "",
            run.state,
            f"{run.step:,}/{run.steps:,}" if run.steps is not None else "",
            f"{run.loss:.3f}" if run.loss is not None else "",
            f"{run.parameters:,}" if run.parameters is not None else "",
        )
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def command_line(*words: str) -> str:
    """A command to copy: `uv run llm …`, its words quoted where a shell needs it."""
    return shlex.join(["uv", "run", "llm", *words])


def _joined(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part is not None)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
