"""One run, chosen in the list: what a person wrote about it, and what can be done with it as a whole."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from components.shared import folders, form_values, states
from components.shared.session import Address, Session, forget
from components.shared.visitors import only_this_machine
from llm.checkpoints import RunFolder, RunNotes, RunSummary, delete_run, deleted_runs, remove_run, restore_run
from llm.runs.notes import MAX_NAME, MAX_NOTE

NOT_HERE = "Only on the machine itself can runs be deleted: this server lets others in."


def edit_notes(run: RunSummary) -> None:
    """A form for the run's name, tags and note.

    It is saved by a callback, before the page is drawn: a rerun that is asked for meanwhile could otherwise lose it.
    """
    name_key, tags_key, note_key = (key.of(run.id) for key in (Session.RUNS_NAME, Session.RUNS_TAGS, Session.RUNS_NOTE))
    with st.form(Session.RUNS_WRITE.of(run.id), border=False):
        left, right = st.columns([2, 3])
        with left:
            st.text_input("Name", run.notes.name, MAX_NAME, key=name_key, placeholder=run.model,
                          help="Stands first wherever the run is listed")  # fmt: skip
            st.multiselect("Tags", run.notes.tags, run.notes.tags, key=tags_key, accept_new_options=True,
                           placeholder="Type a tag, press Enter")  # fmt: skip
        with right:
            st.text_area("Note", run.notes.note, 118, MAX_NOTE, key=note_key)
        st.form_submit_button("Save", icon=":material/save:", on_click=_save, args=(run, name_key, tags_key, note_key))


def duplicate_button(run: RunSummary) -> None:
    """A button that opens the form of a new run with this run's settings and text."""
    lacks = form_values.without_text(RunFolder(run.path), run.config) if run.config else ""
    text = f"; {lacks}" if lacks else " and text"
    if st.button("Duplicate settings", icon=":material/content_copy:", key=Session.RUNS_DUPLICATE,
                 help=f"Opens the form of a new run, filled in with this run's settings{text}"):  # fmt: skip
        try:
            form_values.duplicate(RunFolder(run.path))
        except (ValueError, OSError) as error:
            states.failed(error)
        else:
            st.switch_page("train.py", query_params=[(Address.NEW, "1")])


def delete_button(run: RunSummary) -> None:
    """A button that deletes the run, which can be undone."""
    here = only_this_machine()
    st.button("Delete", icon=":material/delete:", key=Session.RUNS_DELETE, on_click=_delete, args=(run,),
              disabled=not here, help="Can be undone" if here else NOT_HERE)  # fmt: skip


def undo() -> None:
    """Offer to restore the run that this tab has just deleted, and say why the last change failed."""
    if Session.RUNS_PROBLEM in st.session_state:
        states.failed(st.session_state.pop(Session.RUNS_PROBLEM))
    run_id = st.session_state.get(Session.RUNS_DELETED)
    if run_id is not None and not (folders.checkpoints() / run_id).exists():  # it may have been imported again
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            names = [run.title_and_id for run in deleted_runs(folders.checkpoints()) if run.id == run_id]
            st.text(f"{names[0] if names else f'Run {run_id}'} is deleted.")
            st.button("Undo", icon=":material/undo:", key=Session.RUNS_UNDO, on_click=_restore, args=(run_id,))


def deleted_row(run: RunSummary, megabytes: float) -> None:
    """A deleted run, with a button to restore it and one to remove it for good."""
    here = only_this_machine()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"{run.label} · {megabytes:,.1f} MB")
        st.space("stretch")
        st.button("Restore", icon=":material/undo:", key=Session.RUNS_RESTORE.of(run.id), on_click=_restore,
                  args=(run.id,), disabled=not here)  # fmt: skip
        with st.popover("Remove for good", icon=":material/delete_forever:", disabled=not here):
            st.markdown("Its weights, metrics and texts are then gone, and its place on the disk is free.")
            st.button("Remove it", type="primary", key=Session.RUNS_REMOVE.of(run.id), on_click=_remove, args=(run.id,))


def _save(run: RunSummary, name_key: str, tags_key: str, note_key: str) -> None:
    name, tags, note = (st.session_state[key] for key in (name_key, tags_key, note_key))
    try:
        RunFolder(run.path).write_notes(RunNotes(name, note, tuple(tags)))
    except (ValueError, OSError) as error:
        st.session_state[Session.RUNS_PROBLEM] = error
    else:
        st.toast("Saved", icon=":material/check:")


def _delete(run: RunSummary) -> None:
    if _done(lambda: delete_run(run.path)):
        st.session_state[Session.RUNS_DELETED] = run.id
        forget(Address.RUN)


def _restore(run_id: str) -> None:
    if _done(lambda: restore_run(folders.checkpoints(), run_id)):
        st.session_state.pop(Session.RUNS_DELETED, None)
        st.query_params[Address.RUN] = run_id


def _remove(run_id: str) -> None:
    if _done(lambda: remove_run(folders.checkpoints(), run_id)):
        st.session_state.pop(Session.RUNS_DELETED, None)


def _done(change: Callable[[], object]) -> bool:
    """Change something, where visitors from elsewhere cannot; whether it worked. If not, the page says why."""
    try:
        if not only_this_machine():
            raise ValueError(NOT_HERE)
        change()
    except (ValueError, OSError) as error:
        st.session_state[Session.RUNS_PROBLEM] = error
        return False
    return True
