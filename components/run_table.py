"""The table of runs: which columns it has, which runs it shows, and which run is chosen in it."""

from __future__ import annotations

import math
import zlib
from typing import Any

import pandas as pd
import streamlit as st

from components.shared.column_names import HEADINGS, about, heading, label, option
from components.shared.session import Address, Session, forget
from components.shared.text_box import text_box
from llm.checkpoints import RunFolder, RunSummary
from llm.runs.labels import differences
from llm.runs.table import column_names, run_rows

# columns that the table has beside those of `llm.runs_table`
TITLE, CURVE, SEARCHED = "title", "loss_curve", "searched"
DEFAULT = [CURVE, "loss", "step", "state", "tags", "text_name", "tokenizer", "parameters", "created", "disk_bytes"]
NEVER = ("path", "label", SEARCHED, TITLE)  # the title is always there
OPEN = "▸ "  # before the title of the open run
NAME_WIDTH = 260  # pixels
FILLED = "\u2003" * 20  # as wide, after a title: it is a button, which is as wide as its text
MOST_VALUES = 12  # of a number: more of them are filtered by a range


def run_table(runs: list[RunSummary]) -> pd.DataFrame:
    """One row a run, as `llm.runs_table` has them, with the run's title and the course of its loss."""
    rows = run_rows(runs)
    for row in rows:
        row["path"] = str(row["path"])
    table = pd.DataFrame(rows, columns=column_names(rows)).convert_dtypes()  # whole numbers stay whole
    table[TITLE] = [run.title for run in runs]
    table[CURVE] = [RunFolder(run.path).loss_curve() if run.problem is None else [] for run in runs]
    table[SEARCHED] = [_searched(run) for run in runs]
    table["disk_bytes"] = table["disk_bytes"] / 1e6
    return table


def _searched(run: RunSummary) -> str:
    """What the search looks at: also what the label leaves out for brevity."""
    differing = [] if run.config is None else differences(run.config)
    return " ".join((run.label, run.notes.note, *run.notes.tags, run.id, *differing)).lower()


def choose_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The runs that the search and the filters leave, and what filters them, in words."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = text_box(
            st.text_input, "Search", Address.SEARCH, Session.RUNS_SEARCH, str, width=320, icon=":material/search:",
            placeholder="alibi, a name, a tag …",
            help="Runs whose settings, name, note or tags contain all of these words",
        )  # fmt: skip
        with st.popover("Filter", icon=":material/filter_alt:"):
            kept, filters = _filters(table)
        with st.popover("Columns", icon=":material/view_column:"):
            _choose_columns(table)
    for word in words.lower().split():
        kept &= table[SEARCHED].str.contains(word, regex=False)
    return table[kept], filters


def _choose_columns(table: pd.DataFrame) -> None:
    """Choose the columns; the address keeps them, and the tab too while it shows another page."""
    key = Session.RUNS_COLUMNS
    options = [name for name in dict.fromkeys([*HEADINGS, *table.columns]) if name in table and name not in NEVER]
    wanted = st.session_state.get(key) or st.query_params.get(Address.COLUMNS, "").split(",")
    st.session_state[key] = [name for name in wanted if name in options] or DEFAULT
    _several("Columns of the table", options, key, format_func=option,
             help="Every setting of the model and of the training, and what was measured last")  # fmt: skip
    if shown_columns() == DEFAULT:
        forget(Address.COLUMNS)
    else:
        st.query_params[Address.COLUMNS] = ",".join(shown_columns())


def shown_columns() -> list[str]:
    """The chosen columns."""
    chosen: list[str] = st.session_state[Session.RUNS_COLUMNS]
    return chosen


def _filters(table: pd.DataFrame) -> tuple[pd.Series[bool], list[str]]:
    """Choose columns to filter by, and their values; returns which rows are left, and the filters in words."""
    filters: list[str] = []
    kept = pd.Series(True, index=table.index)
    options = [name for name in table.columns if name not in (*NEVER, CURVE, "id", "note")]
    chosen = _several("Filter by", options, Session.RUNS_FILTER, format_func=option, placeholder="Any column")
    for name in chosen:
        values, key = table[name], Session.RUNS_FILTER.of(name)
        if name == "tags":
            wanted = _several(label(name), sorted({tag for run in values for tag in run}), key)
            kept &= values.map(lambda run, tags=frozenset(wanted): tags <= set(run))
        elif _has_range(values):
            in_range, wanted = _between(label(name), values, key)
            kept &= in_range
        elif wanted := _several(label(name), sorted({str(value) for value in values.dropna()}), key):
            kept &= values.astype(str).isin(wanted)
        if wanted:
            filters.append(f"{heading(name)}: {', '.join(wanted)}")
    return kept, filters


def _has_range(values: pd.Series[Any]) -> bool:
    """Whether a column holds so many numbers that one chooses from where to where."""
    kinds = pd.api.types
    return kinds.is_float_dtype(values) or (kinds.is_numeric_dtype(values) and values.nunique() > MOST_VALUES)


def _between(label: str, values: pd.Series[Any], key: str) -> tuple[pd.Series[bool], list[str]]:
    """Choose a range of numbers; returns which rows are in it, and its ends in words: all, if no end is chosen."""
    low, high = (
        st.number_input(f"{label} {end}", value=None, format="%g", key="-".join((key, end)), persist_state="session")
        for end in ("from", "to")
    )
    if low is None and high is None:
        return pd.Series(True, index=values.index), []
    ends = [f"{end} {value:g}" for end, value in (("from", low), ("to", high)) if value is not None]
    inside = values.between(-math.inf if low is None else low, math.inf if high is None else high).fillna(False)
    return inside, ends


def _several(label: str, options: list[str], key: str, **more: Any) -> list[str]:
    """Choose any of the options; what was chosen before and is no option any more is forgotten."""
    st.session_state[key] = [value for value in st.session_state.get(key, []) if value in options]
    chosen: list[str] = st.multiselect(label, options, key=key, width=420, persist_state="session", **more)
    return chosen


def choose_in_table(table: pd.DataFrame) -> None:
    """Show the table. A click on a run's name opens it, and the address holds it; a tick chooses it to be compared."""
    ids = list(table["id"])
    # another table for other runs: the browser keeps which row is selected by its number
    key = Session.RUNS_TABLE.of(f"{zlib.crc32(''.join(ids).encode()):x}")
    opened, ticked = st.query_params.get(Address.RUN, ""), st.session_state.get(Session.RUNS_TICKED, ())
    st.session_state[key] = {"selection": {"rows": [row for row, run in enumerate(ids) if run in ticked]}}
    shown = table.drop(columns=SEARCHED)
    shown[TITLE] = shown[TITLE].where(shown["id"] != opened, OPEN + shown[TITLE]) + FILLED
    losses = [loss for curve in table[CURVE] for loss in curve]
    st.dataframe(
        shown, key=key, on_select=lambda: _take_ticks(key, ids), selection_mode="multi-row",
        hide_index=True, column_order=[TITLE, *_in_order()], column_config=_columns(table, losses, ids),
        placeholder="",
    )  # fmt: skip


def _in_order() -> list[str]:
    """The chosen columns, first those that were added: on the right they would be out of sight."""
    return sorted(shown_columns(), key=lambda name: name in DEFAULT)


def _take_ticks(key: str, listed: list[str]) -> None:
    """Remember which runs are ticked, also of those that a search hides."""
    before, rows = st.session_state.get(Session.RUNS_TICKED, []), st.session_state[key]["selection"]["rows"]
    hidden = [run for run in before if run not in listed]
    st.session_state[Session.RUNS_TICKED] = hidden + [listed[row] for row in rows]


def _open_clicked(listed: list[str]) -> None:
    """Open the run whose name was clicked, also the one that was clicked before."""
    st.query_params[Address.RUN] = listed[st.session_state[Session.RUNS_CLICKED].row]


def ticked_runs(table: pd.DataFrame) -> list[str]:
    """The ids of the ticked runs, in the order of the table."""
    ticked = st.session_state.get(Session.RUNS_TICKED, ())
    return [run for run in table["id"] if run in ticked]


def untick() -> None:
    """Take all ticks back."""
    st.session_state.pop(Session.RUNS_TICKED, None)


def _columns(table: pd.DataFrame, losses: list[float], ids: list[str]) -> dict[str, Any]:
    """How each column is shown; `ids` are those of its rows. All curves have the same scale, so that they compare."""
    kinds = st.column_config
    shown: dict[str, Any] = {name: kinds.Column(heading(name), help=about(name)) for name in table.columns}
    for name in table.columns:
        if pd.api.types.is_float_dtype(table[name]):
            style = "percent" if name.startswith("skills.") else "%.4g"  # a skill is an accuracy, in percent everywhere
            shown[name] = kinds.NumberColumn(heading(name), format=style, help=about(name))
    for name in ("step", "steps", "parameters"):
        shown[name] = kinds.NumberColumn(heading(name), format="localized")
    return shown | {
        TITLE: kinds.ButtonColumn(
            heading(TITLE), pinned=True, width=NAME_WIDTH, alignment="left", type="tertiary", key=Session.RUNS_CLICKED,
            on_click=_open_clicked, args=(ids,), help="A click on the name opens the run",
        ),
        CURVE: kinds.LineChartColumn(
            heading(CURVE), y_min=min(losses, default=0), y_max=max(losses, default=1), width="small",
            help="Validation loss at each evaluation, on one scale for all runs",
        ),
        "tags": kinds.ListColumn(heading("tags")),
        "loss": kinds.NumberColumn(heading("loss"), format="%.3f"),
        "created": kinds.DatetimeColumn(heading("created"), format="D MMM YYYY, HH:mm"),
        "disk_bytes": kinds.NumberColumn(heading("disk_bytes"), format="%.1f"),
    }  # fmt: skip
