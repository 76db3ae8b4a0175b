"""`uv run llm compare`: two to eight runs beside each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llm.cli.flags import Command, ParsedFlags, UsageError, flag
from llm.cli.shared_flags import DEFAULT_CHECKPOINTS_DIR, checkpoints_dir_flag, choice, run_folder
from llm.cli.terminal import console, plain_table, visible
from llm.runtime.text import with_error

if TYPE_CHECKING:
    from llm.comparison import Comparison

BY = {"step": "optimizer steps.", "tokens": "training tokens.", "seconds": "seconds of training.", "flops": "FLOPs."}
NUMBERS = {
    "tokens": ",.0f",
    "flops": ".3g",
    "seconds": ",.0f",
    "parameters": ",d",
}  # of a run, and how they are written
UNITS = {"nats": "per token.", "bits": "per character."}


def compare(flags: ParsedFlags) -> int:
    """Print tables and warnings, or one JSON object with every point of the curves."""
    if "runs" not in flags:
        raise UsageError("--runs is required: the runs to compare, as in `llm compare RUN RUN`")
    folder = flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR)

    import llm
    from llm.comparison import tables
    from llm.comparison.significance import sentences

    found = llm.compare(*(run_folder(run, folder) for run in flags["runs"]))
    axis, unit = flags.get("by", "step"), flags.get("unit", found.unit)
    unfair = found.unfair(axis, unit)
    if flags.get("json"):
        every = {
            "runs": tables.end_rows, "differences": tables.difference_rows, "skills": tables.skill_rows,
            "curves": tables.curve_rows, "bands": tables.band_rows,
        }  # fmt: skip
        rows = {name: list(make(found.runs)) for name, make in every.items()}
        rows["verdicts"] = list(tables.verdict_rows(found.runs, unit))
        print(json.dumps({"unit": unit, "unfair": unfair, **rows}, ensure_ascii=False))
        return 0
    _print_runs(found, unit)
    for sentence in sentences(found.runs, unit):
        print(sentence)
    for sentence in unfair:
        print(visible(f"! {sentence}"))
    _print_settings_and_skills(found)
    return 0


def _print_runs(found: Comparison, unit: str) -> None:
    from llm.comparison import tables
    from llm.comparison.curves import UNITS as IN_WORDS

    rows = []
    for row in tables.end_rows(found.runs):
        loss = "" if row[unit] is None else with_error(row[unit], row[f"{unit}_error"])
        part = "" if row["on_all_validation_text"] or not loss else " (some passages)"
        steps = "imported" if row["steps"] is None else f"{row['step'] or 0:,.0f}/{row['steps']:,}"
        numbers = ("" if row[name] is None else format(row[name], style) for name, style in NUMBERS.items())
        rows.append([row["run"], row["label"], row["state"], steps, loss + part, *numbers])
    titles = ("", "run", "state", "steps", f"validation, {IN_WORDS[unit]}", *NUMBERS)
    console().print(plain_table(titles, rows))


def _print_settings_and_skills(found: Comparison) -> None:
    from llm.comparison import tables
    from llm.comparison.skills import skill_grid
    from llm.world.skills import in_percent

    letters = [run.letter for run in found.runs]
    differing = list(tables.difference_rows(found.runs))
    print(
        "\nWhat differs:"
        if differing
        else "\nNothing differs: settings, text, tokenizer, machine and code are the same."
    )
    if differing:
        cells = [
            [row["field"], *("–" if row[letter] is None else str(row[letter]) for letter in letters)]
            for row in differing
        ]
        console().print(plain_table(("", *letters), cells))
    grid = skill_grid(found.runs)
    if grid:
        print("\nSkills: correct, and the 95% interval; guessing gives 50%:")
        scores = [
            [row.name, *("" if score is None else in_percent(score.accuracy, score.pairs) for score in row.scores)]
            for row in grid
        ]
        console().print(plain_table(("", *letters), scores))


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "runs": flag(tuple[str, ...], "Runs to compare, folders or run ids; the flag's name may be left out."),
        "by": choice("What the warnings assume the curves are drawn over.", BY, "step"),
        "unit": choice("Unit of the losses.", UNITS, "bits if the tokenizers differ, else nats"),
        "json": flag(bool, "Print one JSON object, for scripts, with every point of the curves.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Compare two to eight runs: the losses they reached, what differs in their settings, their skills, and why the "
    "comparison may mislead.",
    command_flags,
    compare,
    subject="runs",
)
