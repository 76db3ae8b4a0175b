"""A sweep on the page Train: every combination of some settings' values becomes a run in the queue."""

from __future__ import annotations

from typing import Any

import streamlit as st

from components.shared import states
from components.shared.field_names import PLAIN_NAMES
from components.shared.runs_choice import joined
from components.shared.session import Address, Session
from components.shared.text_choice import text_settings
from llm.background import queue, trainings
from llm.comparison.run import LETTERS
from llm.config import ModelConfig, TrainingConfig, describe
from llm.presets import ARCHITECTURES, SIZES
from llm.runtime.process import process_wide
from llm.runtime.processes import Processes
from llm.runtime.text import count, with_error
from llm.tokenizers import REGISTRY as TOKENIZERS
from llm.training.machine import SMALLER, require_memory
from llm.training.new_run import NewRun
from llm.training.settings import names_of
from llm.training.sweep import combinations, over_seeds, result_of, runs_of, to_start, variants
from llm.training.values import read_values

ABOUT = (
    "Choose settings and the values to try, with commas between them: every combination becomes a run in the queue, "
    "all else as in the form above. Several seeds show how much is chance; the page *Compare* draws them as a band."
)
ROWS = 3
MOST_RUNS = 100
LISTED = 10


def sweep_section(chosen: NewRun) -> None:
    """A section below the form; closed, it computes nothing."""
    section = st.expander("Sweep: several runs", icon=":material/grid_on:", key=Session.SWEEP, on_change="rerun")
    if section.open:
        with section:
            _form(chosen)


def _form(chosen: NewRun) -> None:
    if Session.SWEEP_ADDED in st.session_state:
        st.toast(st.session_state.pop(Session.SWEEP_ADDED))
    st.markdown(ABOUT)
    try:
        vary = _choose_values(chosen)
        runs = variants(chosen, vary) if vary else []
        if len(runs) > MOST_RUNS:
            raise ValueError(f"These are {len(runs):,} runs: at most {MOST_RUNS} can be added at once")
        for run in runs:
            require_memory(run.model, run.training, run.implementation, Processes(), SMALLER)
    except ValueError as error:
        states.failed(error)
        return
    with st.container(horizontal=True):
        # not in a callback, which would have the settings from before the last field was left
        added = st.button(f"Add {count(len(runs), 'run')} to the queue", icon=":material/playlist_add:",
                          disabled=not runs, key=Session.SWEEP_ADD)  # fmt: skip
        _commands(runs)
    more = [f"and {len(runs) - LISTED} more"] if len(runs) > LISTED else []
    st.text("\n".join([run.title for run in runs[:LISTED]] + more))
    if added:
        _last().update(vary=vary, runs=runs)
        _add(runs)
        st.rerun()
    if runs:
        _results("So far", vary, runs)
    elif _last():
        _results("The sweep that was added last", **_last())


def _last() -> dict[str, Any]:
    """The settings and runs of the sweep that was added last, so that its results are found when it has ended."""
    return process_wide("last sweep", dict)


def _choose_values(chosen: NewRun) -> dict[str, list[Any]]:
    """The values to try of each setting. Raises ValueError."""
    names = ["architecture", "size", "tokenizer", *describe(TrainingConfig), *describe(ModelConfig)]
    plain = PLAIN_NAMES["TrainingConfig"] | PLAIN_NAMES["ModelConfig"]
    typed = {}
    for row in map(str, range(ROWS)):
        left, right = st.columns([1, 2])
        name = left.selectbox(
            "Setting", names, None, key=Session.SWEEP_NAME.of(row), placeholder="Choose a setting",
            format_func=lambda name: f"{plain[name]} · {name}" if name in plain else name,
        )  # fmt: skip
        values = right.text_input("Values", key=Session.SWEEP_VALUES.of(row), placeholder=example(name, chosen))
        if name is not None and values.strip():
            typed[name] = values
    return {name: read_values(name, values) for name, values in typed.items()}


def example(name: str | None, chosen: NewRun) -> str:
    """Values to try of a setting, beside the one that the form has."""
    registries = {"architecture": [*ARCHITECTURES], "size": [*SIZES], "tokenizer": [*TOKENIZERS]}
    fields = describe(TrainingConfig) | describe(ModelConfig)
    if name in registries or (name in fields and fields[name].choices):
        return ", ".join([*(registries.get(name) or fields[name].choices)][:2])
    value = None if name is None else getattr(chosen.training, name, getattr(chosen.model, name, None))
    if isinstance(value, bool):
        return "true, false"
    if isinstance(value, int) and value > 1:
        return f"{value // 2}, {value}"
    if isinstance(value, float):
        return f"{value / 2:g}, {value:g}" if value else "0, 0.1"
    return "" if name in fields and fields[name].kind is str else "0, 1, 2"


def _add(runs: list[NewRun]) -> None:
    """Let those wait that are not finished; begun ones go on. What waits already is not added again."""
    waiting = list(queue.waiting().values())
    added = [run for run in to_start(runs) if run not in waiting]
    for run in added:
        trainings.enqueue(run)
    known = "; the others are finished, train or wait already" if len(added) < len(runs) else ""
    st.session_state[Session.SWEEP_ADDED] = f"{count(len(added), 'run')} added to the queue{known}"


def _commands(runs: list[NewRun]) -> None:
    """The same runs for other machines: a command a line, as `llm sweep --list-commands` prints them."""
    from llm.cli.terminal import command_line

    lines = [command_line("train", **text_settings(), **names_of(run)) for run in runs]
    with st.popover("List of commands", icon=":material/terminal:", disabled=not runs):
        st.markdown("One run a line, for other machines: for example as an array of Slurm, with this list in "
                    "`commands.txt`.")  # fmt: skip
        slurm = 'sed -n "${SLURM_ARRAY_TASK_ID}p" commands.txt | bash'
        st.code(f"sbatch --array=1-{len(runs)} --wrap '{slurm}'", language=None)
        st.code("\n".join(lines), language=None, height=200)


def _results(title: str, vary: dict[str, list[Any]], runs: list[NewRun]) -> None:
    """What has come of the runs so far: means over seeds with their standard deviations, and the best."""
    paths = runs_of(runs)
    begun = [path.name for path in paths if path is not None]
    if not begun:
        return
    rows = over_seeds([result_of(*found) for found in zip(combinations(vary), paths, strict=True)])
    shown = [
        {name: str(value) for name, value in row.combination.items()}
        | {
            "finished": f"{row.finished} of {row.seeds}",
            "validation loss": _mean(row.loss, row.loss_deviation),
            "bits per character": _mean(row.bits_per_character, row.bits_deviation),
            "": "best" if row.best and len(rows) > 1 else "",
        }
        for row in rows
    ]
    st.markdown(f"**{title}**: means over seeds, ± one standard deviation")
    st.dataframe(shown, hide_index=True, key=Session.SWEEP_RESULTS)
    if 2 <= len(begun) <= len(LETTERS):
        st.page_link("compare.py", label=f"Compare these {len(begun)}", icon=":material/compare_arrows:",
                     query_params=[(Address.RUNS, joined(begun))])  # fmt: skip


def _mean(mean: float | None, deviation: float | None) -> str:
    return "" if mean is None else with_error(mean, deviation, 4)
