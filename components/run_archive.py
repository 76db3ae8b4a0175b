"""A run as a zip file: download it, and open one from elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import streamlit as st

from components.shared import folders, states, uploads
from components.shared.session import Address, Session
from llm.checkpoints import RunFolder, RunSummary
from llm.runtime.regular_files import is_regular


def export_button(run: RunSummary) -> None:
    """A button that opens the choices of an export, and its download."""
    folder = RunFolder(run.path)
    if not (folder.has("final") or folder.has("best")):
        st.button("Export", icon=":material/download:", disabled=True, help="There are no weights to export yet")
        return
    with st.popover("Export", icon=":material/download:"):
        st.markdown("One zip file that works elsewhere: the model, its tokenizer and metrics, and a script that writes "
                    "with it, which needs no more than torch and safetensors. To train it further there, its snapshots "
                    "and its training text must be in it. The page imports at most 200 MB; for more, use "
                    "`uv run llm import FILE`.")  # fmt: skip
        snapshots = st.checkbox("With its snapshots", key=Session.RUNS_SNAPSHOTS.of(run.id),
                                help="Models of earlier steps, and what training goes on from")  # fmt: skip
        has_text = is_regular(run.path / "text.txt")
        text = st.checkbox("With its training text", key=Session.RUNS_TEXT.of(run.id), disabled=not has_text,
                           help="To train on, and for the figures that compare with it" if has_text else
                           "The text of this run is too large: it is not in its folder")  # fmt: skip
        st.download_button("Download", lambda: archived(run.path, snapshots, text), f"{run.id}.zip", "application/zip",
                           key=Session.RUNS_EXPORT.of(run.id), type="primary", on_click="ignore")  # fmt: skip


def archived(path: Path, snapshots: bool, text: bool) -> io.BytesIO:
    """The run as a zip file in memory; called when the download begins."""
    from llm.interop.archive import write_archive

    packed = io.BytesIO()
    write_archive(RunFolder(path), packed, snapshots=snapshots, text=text)
    packed.seek(0)
    return packed


def import_section() -> None:
    """A field for the zip file of a run; the run is opened once it is unpacked."""
    with st.expander("Import a run", icon=":material/upload:"):
        upload = st.file_uploader("The zip file of an exported run", "zip", key=Session.RUNS_UPLOAD)
        st.caption("A larger one, in a terminal: `uv run llm import FILE`")
        for new in uploads.new_ones([upload] if upload else [], Session.RUNS_UPLOADED):
            open_archive(new)


def open_archive(upload: io.BytesIO) -> None:
    """Unpack a run and open it, or say why that does not work."""
    from llm.interop.archive import read_archive

    try:
        with states.loading("Checking and unpacking the run"):
            folder = read_archive(upload, folders.checkpoints())
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    st.query_params[Address.RUN] = folder.id
    st.toast("Imported: the run is open below the table", icon=":material/check:")
    st.rerun()
