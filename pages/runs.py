"""Runs: all of them in a table, with any setting, metric or skill as a column; and what can be done with one."""

import streamlit as st

from components.run_archive import export_button, import_section, say_imported
from components.run_card import delete_button, deleted_row, duplicate_button, edit_notes, undo
from components.run_controls import rerun_after
from components.run_links import page_links
from components.run_table import choose_in_table, choose_rows, run_table, ticked_runs, untick
from components.run_tasks import show_tasks
from components.shared import folders, states
from components.shared.runs_choice import joined
from components.shared.select_box import picked, select_box
from components.shared.session import Address, Session, forget
from components.views import branches
from llm.background import trainings
from llm.checkpoints import RunSummary, deleted_runs, list_runs
from llm.comparison.run import LETTERS
from llm.runs.disk import disk_bytes
from llm.runs.origin import tree_of


def page() -> None:
    """The table, the run that is open in it, and the deleted runs."""
    st.title("Runs")
    st.markdown(
        "Every training run in one table. Choose its columns, click a run's name to open it, and give it a name, so "
        "that you find it again. Tick several to compare them."
    )
    undo()
    say_imported()
    with states.loading("Reading the runs"):
        runs = list_runs(folders.checkpoints())
        table = run_table(runs)
    if runs:
        shown, filters = choose_rows(table)
        choose_in_table(shown)
        for training in trainings.active():
            rerun_after(training.id)
        with st.container(horizontal=True, vertical_alignment="center"):
            megabytes = table["disk_bytes"].sum()
            st.caption(f"{len(shown):,} of {len(runs):,} runs · all take {megabytes:,.0f} MB on the disk")
            if filters:
                st.text(f"Filter: {' · '.join(filters)}")
            ticked = ticked_runs(table[table["problem"].isna()])
            compare_link(ticked or list(shown["id"][shown["problem"].isna()]), bool(ticked))
        if (run := choose_run(runs, set(shown["id"]))) is not None:
            show_run(run)
            show_tree(run.id, runs)
    else:
        states.empty("No run yet", "A run is one training of a model. The first one takes a minute.",
                     "train.py", "Train your first model")  # fmt: skip
    import_section()
    show_deleted()


def compare_link(ids: list[str], ticked: bool) -> None:
    """A link to compare the runs that are ticked, or else those that are left in the table, if they are few enough."""
    if ticked and not 2 <= len(ids) <= len(LETTERS):
        more = "tick another one" if len(ids) < 2 else f"at most {len(LETTERS)} can be compared"
        st.caption(f"{len(ids)} ticked: {more}")
    elif 2 <= len(ids) <= len(LETTERS):
        st.page_link("compare.py", label=f"Compare these {len(ids)}", icon=":material/compare_arrows:",
                     query_params=[(Address.RUNS, joined(ids))])  # fmt: skip
    if ticked:
        st.button("Untick all", icon=":material/clear_all:", type="tertiary", on_click=untick, key=Session.RUNS_UNTICK)


def choose_run(runs: list[RunSummary], in_table: set[str]) -> RunSummary | None:
    """Choose the run to open by its label, as a click in the table does: one in the table, or the one that is open."""
    known = {run.id: run for run in runs}
    wanted = st.query_params.get(Address.RUN)
    if wanted is not None and wanted not in known:
        states.failed(f"There is no run {wanted[:80]} in {folders.checkpoints()}; choose one of these.")
        forget(Address.RUN)
    st.session_state[Session.RUNS_RUN] = st.query_params.get(Address.RUN)
    labels = {run.id: run.label for run in runs if run.id in in_table or run.id == wanted}
    run_id = select_box("Open a run", labels, Session.RUNS_RUN, on_change=open_picked,
                        placeholder="Click a name in the table, or choose a run here")  # fmt: skip
    if run_id in known and run_id not in in_table:
        st.warning("This run is not in the table above: the search or a filter hides it.", icon=":material/filter_alt:")
    if run_id in known and known[run_id].problem is None:
        st.session_state[Session.LAST_RUN] = run_id  # which other pages then begin with
    return known.get(run_id)


def open_picked() -> None:
    """Open the run that was chosen from the list."""
    st.query_params[Address.RUN] = picked(Session.RUNS_RUN)


def show_run(run: RunSummary) -> None:
    """The open run: links to the pages that use it, what was written about it, and what can be done with it."""
    with st.container(border=True):
        if run.problem is not None:
            states.failed(run.problem)
        else:
            with st.container(horizontal=True):
                page_links(run.id, run.origin)
        edit_notes(run)
        with st.container(horizontal=True):
            if run.problem is None:
                duplicate_button(run)
                export_button(run)
            delete_button(run)
        if run.problem is None:
            show_tasks(run)


def show_tree(run_id: str, runs: list[RunSummary]) -> None:
    """The runs that go on from each other, if the open run is one of them."""
    tree = tree_of(run_id, runs)
    if len(tree) > 1:
        st.markdown("**Tree of branches**")
        branches.show(tree, run_id, Session.RUNS_TREE)


def show_deleted() -> None:
    """The deleted runs, if there are any."""
    deleted = deleted_runs(folders.checkpoints())
    if not deleted:
        return
    sizes = {run.id: disk_bytes(run.path) / 1e6 for run in deleted}
    with st.expander(f"Deleted runs: {len(deleted):,}, {sum(sizes.values()):,.0f} MB", icon=":material/delete:"):
        for run in deleted:
            deleted_row(run, sizes[run.id])


page()
