"""`uv run llm runs`: list the runs, name them, delete and restore them."""

from __future__ import annotations

import dataclasses
import difflib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.cli.flags import Command, ParsedFlags, UsageError, flag, reject_combination
from llm.cli.shared_flags import DEFAULT_CHECKPOINTS_DIR, checkpoints_dir_flag, run_folder
from llm.cli.terminal import command_line, console, plain_table, summary_table, visible

if TYPE_CHECKING:
    from rich.table import Table

    from llm.checkpoints import RunSummary

WRITTEN = ("name", "note", "tags")


def runs(flags: ParsedFlags) -> int:
    """Print a table of the runs, or one JSON object per line; or change one run."""
    folder = Path(flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))
    for action, change in (("edit", _edit), ("delete", _delete), ("restore", _restore), ("remove", _remove)):
        if action in flags:
            allowed = ["checkpoints_dir", *(WRITTEN if action == "edit" else ())]
            reject_combination(flags, action, "it changes one run", allowed)
            change(flags, folder)
            return 0
    if lone := [f"--{name}" for name in WRITTEN if name in flags]:
        raise UsageError(f"{', '.join(lone)} must be used with --edit RUN, the run to change")
    _list(flags, folder)
    return 0


def _list(flags: ParsedFlags, folder: Path) -> None:
    from llm.checkpoints import deleted_runs, list_runs
    from llm.runs.table import column_names, run_rows

    listed = deleted_runs(folder) if flags.get("deleted") else list_runs(folder)
    if flags.get("tree"):
        reject_combination(flags, "tree", "it shows every run", ["checkpoints_dir", "deleted"])
        console().print(_tree(listed))
        return
    rows = run_rows(listed)
    columns = _known(flags.get("columns", ()), column_names(rows))
    if flags.get("json"):
        for row in rows:
            _print_row({name: row.get(name) for name in ("id", *columns)} if columns else row)
    elif rows:
        titles = ("id", *columns)
        cells = [[_cell(row.get(name)) for name in titles] for row in rows]
        console().print(plain_table(titles, cells) if columns else summary_table(listed))
    elif flags.get("deleted"):
        print(f"There are no deleted runs in {folder}.")
    else:
        print(f"There are no runs in {folder} yet: `uv run llm train` trains the first one.")


def print_json(path: Path) -> None:
    """Print the run in this folder as `llm runs --json` does."""
    from llm.runs.listing import run_summary
    from llm.runs.table import run_rows

    for row in run_rows(filter(None, [run_summary(path)])):
        _print_row(row)


def _print_row(row: dict[str, Any]) -> None:
    print(json.dumps(row, default=_as_json, ensure_ascii=False))


def _tree(listed: list[RunSummary]) -> Table:
    """Each run with those that go on from it below it."""
    from llm.runs.origin import trees

    rows = []
    for tree in trees(listed):
        for found in tree:
            run, origin = found.run, found.run.origin
            name = " · ".join(filter(None, (run.notes.name, run.problem or run.model)))
            start = "" if origin is None else f"step {origin.step:,}{'' if found.depth else f' of {origin.run}'}"
            changed = "" if origin is None else origin.changes_in_words()
            steps = "" if run.steps is None else f"{run.step:,}/{run.steps:,}"
            rows.append(["  " * found.depth + run.id, name, start, changed, run.state, steps])
    return plain_table(("run", "model", "goes on from", "changed", "state", "step"), rows)


def _edit(flags: ParsedFlags, folder: Path) -> None:
    from llm.checkpoints import RunFolder

    run = RunFolder(run_folder(flags["edit"], str(folder)))
    changes = {name: flags[name] for name in WRITTEN if name in flags}
    if not changes:
        raise UsageError("--edit needs what to write: --name, --note or --tags")
    notes = dataclasses.replace(run.notes(), **changes)
    run.write_notes(notes)
    print(visible(f"Run {run.id}: {notes.name or 'no name'}; {', '.join(notes.tags) or 'no tags'}"))


def _delete(flags: ParsedFlags, folder: Path) -> None:
    from llm.checkpoints import delete_run

    moved = delete_run(run_folder(flags["delete"], str(folder)))
    beside = str(moved.parent.parent)
    elsewhere = {} if beside == str(Path(DEFAULT_CHECKPOINTS_DIR).absolute()) else {"checkpoints_dir": beside}
    undo = command_line("runs", restore=moved.name, **elsewhere)
    print(f"Run {moved.name} is deleted. To restore it:\n  {undo}")


def _restore(flags: ParsedFlags, folder: Path) -> None:
    from llm.checkpoints import restore_run

    print(f"Restored: {restore_run(folder, flags['restore'])}")


def _remove(flags: ParsedFlags, folder: Path) -> None:
    from llm.checkpoints import remove_run

    remove_run(folder, flags["remove"])
    print(f"Run {flags['remove']} is removed for good.")


def _known(wanted: tuple[str, ...], columns: list[str]) -> tuple[str, ...]:
    """The columns that the user named. Raises UsageError for one that there is none of."""
    for name in wanted:
        if name not in columns:
            close = [other for other in columns if other.endswith(f".{name}")] or difflib.get_close_matches(
                name, columns
            )
            meant = f"did you mean {' or '.join(close)}?" if close else "`uv run llm runs --json` shows every column"
            raise UsageError(f"--columns: no run has a column {name!r}; {meant}")
    return wanted


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "checkpoints_dir": checkpoints_dir_flag(),
        "columns": flag(
            tuple[str, ...],
            "Columns to show beside the id, such as model.n_layers, training.seed, evaluation.accuracy or disk_bytes; "
            "--json shows all.",
            "the most important",
        ),
        "tree": flag(bool, "Show below each run those that go on from it, and with what change.", False),
        "json": flag(bool, "Print one JSON object per line, for scripts.", False),
        "edit": flag(str, "Run to write a name, note or tags for, a folder or a run id.", ""),
        "name": flag(str, "Name of that run, the first thing in its label. Empty: none.", "as it is"),
        "note": flag(str, "Note about that run. Empty: none.", "as it is"),
        "tags": flag(tuple[str, ...], "Tags of that run, in place of those it has. Empty: none.", "as they are"),
        "delete": flag(str, "Run to delete, a folder or a run id. It can be restored.", ""),
        "restore": flag(str, "Deleted run to restore, a run id.", ""),
        "remove": flag(str, "Deleted run to remove for good, a run id.", ""),
        "deleted": flag(bool, "List the deleted runs instead.", False),
    }


COMMAND = Command("List the runs, newest first; name, delete and restore them.", command_flags, runs)
