"""A run as a file: download it, whole or its weights for other projects, and open one from elsewhere."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

import streamlit as st

from components.shared import folders, states, uploads
from components.shared.run_names import run_name
from components.shared.session import Address, Session
from components.shared.visitors import only_this_machine
from llm.checkpoints import RunFolder, RunSummary
from llm.interop.formats import FORMATS
from llm.runs.ids import FIRST_ID
from llm.runs.notes import IMPORTED_TAG
from llm.runtime import compute
from llm.runtime.regular_files import is_regular

ARCHIVE = "zip"


def export_button(run: RunSummary) -> None:
    """A button that opens the choices of an export, and its download."""
    folder = RunFolder(run.path)
    if not (folder.has("final") or folder.has("best")):
        st.button("Export", icon=":material/download:", disabled=True, help="There are no weights to export yet")
        return
    with st.popover("Export", icon=":material/download:"):
        chosen = st.segmented_control("Format", [ARCHIVE, *FORMATS], default=ARCHIVE, required=True,
                                      key=Session.RUNS_FORMAT.of(run.id))  # fmt: skip
        if chosen == ARCHIVE:
            archive_choices(run)
        else:
            weights_choices(run, chosen)


def archive_choices(run: RunSummary) -> None:
    """The whole run: with or without what training goes on from."""
    st.markdown("One zip file that works elsewhere: the model, its tokenizer and metrics, and a script that writes "
                "with it, which needs no more than torch and safetensors. To train it further there, its snapshots "
                "and its training text must be in it.")  # fmt: skip
    snapshots = st.checkbox("With its snapshots", key=Session.RUNS_SNAPSHOTS.of(run.id),
                            help="Models of earlier steps, and what training goes on from")  # fmt: skip
    has_text = is_regular(run.path / "text.txt")
    text = st.checkbox("With its training text", key=Session.RUNS_TEXT.of(run.id), disabled=not has_text,
                       help="To train on, and for the figures that compare with it" if has_text else
                       "The text of this run is too large: it is not in its folder")  # fmt: skip
    st.download_button("Download", lambda: archived(run.path, snapshots, text), f"{run.id}.zip", "application/zip",
                       key=Session.RUNS_EXPORT.of(run.id), type="primary", on_click="ignore")  # fmt: skip


def weights_choices(run: RunSummary, name: str) -> None:
    """The model in another project's format: written when asked for, as not every model can be."""
    st.markdown(f"{FORMATS[name].help[0].upper()}{FORMATS[name].help[1:]}.")
    key, prepared = (run.id, run.step, name), st.session_state.get(Session.RUNS_PREPARED)
    if st.button("Prepare the file", key=Session.RUNS_PREPARE.of(run.id)):
        try:
            with states.loading("Converting the weights"):
                prepared = st.session_state[Session.RUNS_PREPARED] = key, *converted(run.path, name)
        except (ValueError, OSError) as error:
            states.failed(error)
            return
    if prepared is not None and prepared[0] == key:
        _, file, content, about = prepared
        st.text(f"{about[0].upper()}{about[1:]}")
        st.download_button(f"Download, {len(content) / 1e6:,.1f} MB", content, file, on_click="ignore", type="primary",
                           key=Session.RUNS_EXPORT.of(run.id, name))  # fmt: skip


def archived(path: Path, snapshots: bool, text: bool) -> io.BytesIO:
    """The run as a zip file in memory; called when the download begins."""
    from llm.interop.archive import write_archive

    packed = io.BytesIO()
    write_archive(RunFolder(path), packed, snapshots=snapshots, text=text)
    packed.seek(0)
    return packed


def converted(path: Path, name: str) -> tuple[str, bytes, str]:
    """The final weights, or the best, in this format: the file's name and content, and what it is, in a sentence.

    A folder becomes a zip file. Raises as `load_run` and the format.
    """
    from llm.checkpoints import load_run

    run = compute.run(load_run, path)
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        target = Path(folder) / f"{run.folder.id}{FORMATS[name].ending}"
        about = compute.run(FORMATS[name].write, run, target)
        if target.is_dir():
            target = Path(shutil.make_archive(str(target), "zip", folder, target.name))
        return target.name, target.read_bytes(), about


def import_section() -> None:
    """A field for the zip file of a run or of a model; the run is opened once it is unpacked."""
    with st.expander("Import a run", icon=":material/upload:"):
        upload = st.file_uploader("The zip file of an exported run, or of a model's folder from Hugging Face", "zip",
                                  key=Session.RUNS_UPLOAD)  # fmt: skip
        for new in uploads.new_ones([upload] if upload else [], Session.RUNS_UPLOADED):
            imported(new, Path(new.name).stem)
        if not only_this_machine():
            st.caption("A larger one, in a terminal of that machine: `uv run llm import FILE`")
            return
        with st.form(Session.RUNS_IMPORT, border=False):
            where = st.text_input("Or where it is on this machine, however large: a zip file, or a model's folder",
                                  key=Session.RUNS_WHERE, placeholder="~/Downloads/20260131120000.zip")  # fmt: skip
            if st.form_submit_button("Import") and where.strip():
                path = Path(where.strip()).expanduser()
                imported(path, path.name if path.is_dir() else path.stem)


def imported(source: Path | io.BytesIO, name: str) -> None:
    """Import a run or a model and open it, or say why that does not work."""
    from llm.interop.importing import import_run

    try:
        with states.loading("Checking and unpacking it"):
            folder = import_run(source, folders.checkpoints(), name)
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    st.query_params[Address.RUN] = st.session_state[Session.RUNS_IMPORTED] = folder.id
    st.rerun()


def say_imported() -> None:
    """What the run that this tab imported last is called, as long as it is open."""
    run_id = st.session_state.get(Session.RUNS_IMPORTED)
    if run_id is None or run_id != st.query_params.get(Address.RUN):
        return
    folder = RunFolder(folders.checkpoints() / run_id)
    copied = folder.config().about(str, FIRST_ID)
    beside = f" There was a run {copied[:14]} already; this one has the tag {IMPORTED_TAG}." if copied else ""
    with st.container(border=True):
        st.text(f"Imported as {run_name(run_id)}, which is open below the table.{beside}")
