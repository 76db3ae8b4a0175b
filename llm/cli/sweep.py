"""`uv run llm sweep`: train a run for every combination of some settings' values."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from llm.cli.flags import Command, ParsedFlags, UsageError, flag
from llm.cli.large_text import make_token_cache
from llm.cli.terminal import command_line, console, visible
from llm.cli.train import new_run_flags
from llm.cli.training import train_with
from llm.runtime.text import with_error
from llm.training.values import read_values

if TYPE_CHECKING:
    from llm.runtime.processes import Processes
    from llm.training.sweep import Planned, Result
    from llm.training.trainer import Trainer

OWN = ("set", "list_commands", "json")  # flags beside those of `llm train`


def sweep(flags: ParsedFlags) -> int:
    """Train what is not finished and print what has come of it; exit code 0 if all runs are finished."""
    vary = _values_to_try(flags.get("set", ()))
    settings = {name: value for name, value in flags.items() if name not in OWN}
    from llm.training.sweep import plan, result

    planned = plan(vary, settings)
    if flags.get("list_commands"):
        for one in planned:
            print(command_line("train", **settings, **one.combination))
        return 0
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("A sweep trains in one process: with torchrun, start the commands of --list-commands")
    as_json = flags.get("json", False)
    code = _train_all(planned, as_json)
    results = [result(one) for one in planned]
    if as_json:
        for found in results:
            print(json.dumps(dataclasses.asdict(found), ensure_ascii=False, default=str))
    else:
        console().print(_table(results))
    return code or int(any(found.state != "finished" for found in results))


def _train_all(planned: list[Planned], quiet: bool) -> int:
    """Train one after the other; 0, or the exit code with which a signal ends the sweep."""
    from llm.training.sweep import in_words, result

    screen = console(quiet=quiet)
    for number, one in enumerate(planned, 1):
        make_trainer = one.to_train(make_token_cache)
        what = f"Run {number} of {len(planned)}: {in_words(one.combination)}"
        if make_trainer is None:
            state = result(one).state
            where = "" if state == "finished" else " in another process"
            screen.print(visible(f"{what} is {state}{where}"), soft_wrap=True)
            continue
        screen.print(visible(what), soft_wrap=True)
        code = train_with(partial(_make, make_trainer), quiet)
        if code > 128:
            screen.print("The same command goes on with the sweep.")
            return code
    return 0


def _make(make_trainer: Callable[[], Trainer], processes: Processes) -> Callable[[], Trainer]:
    """A sweep trains in one process: nothing is left to prepare."""
    return make_trainer


def _values_to_try(assignments: tuple[str, ...]) -> dict[str, list[Any]]:
    """The values of each setting from words such as "seed=0,1,2". Raises UsageError."""
    vary: dict[str, list[Any]] = {}
    for assignment in assignments:
        name, sign, values = assignment.partition("=")
        name = name.strip().replace("-", "_")
        if not sign:
            raise UsageError(f"--set takes a setting and its values, as in --set seed=0,1,2, got {assignment!r:.80}")
        if name in vary:
            raise UsageError(f"--set {name} is given twice")
        vary[name] = read_values(name, values)
    if not vary:
        raise UsageError("--set is required: a setting and the values to try, as in --set seed=0,1,2")
    return vary


def _table(results: list[Result]) -> Table:
    """Means over seeds, with their standard deviation."""
    from llm.training.sweep import over_seeds

    rows = over_seeds(results)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows[0].combination:
        table.add_column(name, overflow="fold")
    for title in ("finished", "validation loss", "bits per character", ""):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        cells = (
            *map(str, row.combination.values()),
            f"{row.finished} of {row.seeds}",
            _with_deviation(row.loss, row.loss_deviation),
            _with_deviation(row.bits_per_character, row.bits_deviation),
            "best" if row.best and len(rows) > 1 else "",
        )
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _with_deviation(mean: float | None, deviation: float | None) -> str:
    return "" if mean is None else with_error(mean, deviation, 4)


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "set": flag(
            tuple[str, ...], "A setting and the values to try, as in --set seed=0,1,2. Repeat it for another setting."
        ),
        "list_commands": flag(
            bool, "Train nothing; print one `llm train` command a line, for example for a Slurm array.", False
        ),
        "json": flag(bool, "Print one JSON object per run, for scripts, and no progress.", False),
        **new_run_flags(),
    }


COMMAND = Command(
    "Train a run for every combination of values, one after the other. Finished runs are kept: started again, a sweep "
    "goes on. The table has means and standard deviations over seeds.",
    command_flags,
    sweep,
    repeated="set",
)
