"""The text of a new run: a built-in one or uploads of many kinds, and a preview of what is taken of them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from components.shared import folders, recipe, states, uploads
from components.shared.select_box import select_box
from components.shared.session import Session
from llm.data.files.reading import read_files
from llm.data.files.text_file import SEPARATOR, TextFile, collection_name, count
from llm.runtime.result_cache import ResultCache
from llm.runtime.text import readable_name

TEXT_HELP = (
    "training.txt: short stories of one village. strangers.txt: the same, but half of them are about strangers whose "
    "names are in no other story, so that a model has to look them up, which the page *Circuit* shows."
)
UPLOAD_HELP = (
    "Text, Markdown and source code in UTF-8, in any script, as they are; the text of html, pdf, docx, epub, csv, tsv, "
    "json and jsonl files. The app keeps a copy."
)
AUTOMATIC = "Automatic"
_read: ResultCache[list[TextFile]] = ResultCache(8)


def choose_text() -> tuple[str, str]:
    """Choose a text; returns it and its name: a built-in text, an earlier upload, or new ones, which are stored.

    Raises ValueError for a file that has no text.
    """
    left, right = st.columns([2, 3])
    with right:
        files = st.file_uploader("Or upload your own, one file or several", accept_multiple_files=True,
                                 key=Session.TRAIN_UPLOAD, help=UPLOAD_HELP)  # fmt: skip
    if new := uploads.new_ones(files, Session.TRAIN_UPLOADED):  # once, so that another text can be chosen later
        with states.loading("Reading the files"):
            stored = uploads.store_several([(upload.name, upload.getvalue()) for upload in new])
        st.session_state[Session.TRAIN_TEXT] = stored
    with left:
        texts = [*folders.BUILT_IN_TEXTS, *uploads.texts()]
        path = select_box("Text", {text: _text_name(text) for text in texts}, Session.TRAIN_TEXT, folders.DEFAULT_TEXT,
                          help=TEXT_HELP, persist_state="session")  # fmt: skip
    st.button(
        "Fill in what the page Circuit needs",
        on_click=recipe.fill_in,
        key=Session.TRAIN_RECIPE,
        icon=":material/linked_services:",
        type="tertiary",
        help=f"For a model that looks up names: {recipe.IN_WORDS}",
    )
    taken = _choose_column(path)
    _preview(taken)
    text = SEPARATOR.join(file.text for file in taken)
    st.caption(f"{len(text):,} characters · 90% for training, 5% for validation, 5% for testing. It begins:")
    st.text(taken[0].first_lines)
    return text, collection_name([file.name for file in taken])


def _choose_column(path: Path) -> list[TextFile]:
    """What is taken of the files of a text; of tables the text's column can be chosen."""
    taken = _taken(path, "")
    columns = dict.fromkeys(column for file in taken for column in file.columns)
    if len(columns) < 2:
        return taken
    chosen = st.selectbox("Column with the text", [AUTOMATIC, *columns], key=Session.TRAIN_COLUMN.of(path.name),
                          help="Each row is a document. Automatic: the column called text or the like, else the one "
                               "with the most characters.")  # fmt: skip
    return taken if chosen == AUTOMATIC else _taken(path, chosen)


def _taken(path: Path, column: str) -> list[TextFile]:
    """Read the file, or the files of a folder; kept as long as they do not change."""
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    versions = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in paths)
    return _read.get((versions, column), lambda: read_files(paths, column))


def _preview(taken: list[TextFile]) -> None:
    """Say of each file what is taken, unless it is one that is taken as it is."""
    if len(taken) == 1 and len(taken[0].documents) == 1 and taken[0].kind == "text":
        return
    rows = [
        {
            "File": readable_name(file.name),
            "Read as": file.kind + (f", column {file.column}" if file.column else ""),
            "Documents": len(file.documents),
            "Characters": len(file.text),
            "Left out": "; ".join(file.left_out) or "nothing",
            "Begins": file.first_lines,
        }
        for file in taken
    ]
    st.caption(f"What is taken of {count(len(taken), 'file')}:")
    st.dataframe(rows, hide_index=True, width="stretch")


def _text_name(path: Path) -> str:
    """A text's name in the list: an upload can be called as a built-in text is."""
    clash = path not in folders.BUILT_IN_TEXTS and path.name in [text.name for text in folders.BUILT_IN_TEXTS]
    name = readable_name(path.name)
    return f"{name} (uploaded)" if clash else name
