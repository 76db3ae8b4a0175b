"""The text of a new run: a built-in one or uploads of many kinds, and a preview of what is taken of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from components.shared import folders, forms, recipe, states, uploads
from components.shared.select_box import picked, select_box
from components.shared.session import Session
from llm.config import describe
from llm.data.files.reading import read_files
from llm.data.files.text_file import AS_IT_IS, TextFile, collection_name
from llm.data.public_texts import PUBLIC_TEXTS, PublicText
from llm.data.split import DEFAULT_SPLIT, Split, SplitText, arrange
from llm.runtime.result_cache import ResultCache
from llm.runtime.text import count, readable_name

TEXT_HELP = (
    "training.txt: short stories of one village. strangers.txt: more of them, with strangers whose names are in no "
    "other story, and parrots that say rows of words without sense: a model has to look them up, which the page "
    "*Circuit* shows."
)
UPLOAD_HELP = (
    "Text, Markdown and source code in UTF-8, in any script, as they are; the text of html, pdf, docx, epub, csv, tsv, "
    "json and jsonl files. The app keeps a copy."
)
AUTOMATIC = "Automatic"
_read: ResultCache[list[TextFile]] = ResultCache(8)
_arranged: ResultCache[SplitText] = ResultCache(8)


def choose_text() -> tuple[SplitText, str]:
    """Choose a text and its split; returns it and its name: a built-in text, an earlier upload, or new ones to store.

    Raises ValueError for a file that has no text, or one that cannot be split so.
    """
    left, right = st.columns([2, 3])
    with right:
        files = st.file_uploader("Or upload your own, one file or several", accept_multiple_files=True,
                                 key=Session.TRAIN_UPLOAD, help=UPLOAD_HELP)  # fmt: skip
        _offer_downloads()
    if new := uploads.new_ones(files, Session.TRAIN_UPLOADED):  # once, so that another text can be chosen later
        with states.loading("Reading the files"):
            stored = uploads.store_several([(upload.name, upload.getvalue()) for upload in new])
        st.session_state[Session.TRAIN_TEXT] = stored
    with left:
        texts = [*folders.BUILT_IN_TEXTS, *_downloaded(), *uploads.texts()]
        path = select_box("Text", {text: _text_name(text) for text in texts}, Session.TRAIN_TEXT, folders.DEFAULT_TEXT,
                          help=TEXT_HELP, persist_state="session")  # fmt: skip
    st.button(
        "Fill in what the page Circuit needs",
        on_click=recipe.fill_in,
        key=Session.TRAIN_RECIPE,
        icon=":material/linked_services:",
        type="tertiary",
        help=f"For a model that looks up what it writes again: {recipe.IN_WORDS}",
    )
    taken, _ = _taken(path, "", DEFAULT_SPLIT)
    column = _choose_column(path, taken)
    split = _choose_split()
    taken, text = _taken(path, column, split)
    _show_parts(taken, text)
    return text, collection_name([file.name for file in taken])


def text_settings() -> dict[str, Any]:
    """The chosen files and the column of a table, by the names of the command line."""
    path: Path = picked(Session.TRAIN_TEXT)
    column = st.session_state.get(Session.TRAIN_COLUMN.of(path.name), AUTOMATIC)
    named = (
        file.relative_to(folders.PROJECT) if file.is_relative_to(folders.PROJECT) else file for file in _files(path)
    )
    return {"data": tuple(map(str, named))} | ({} if column == AUTOMATIC else {"column": column})


def _downloaded() -> list[Path]:
    return [path for text in PUBLIC_TEXTS.values() if (path := text.stored(folders.texts())).is_file()]


def _offer_downloads() -> None:
    """Public-domain texts that are not here yet; a downloaded one is chosen."""
    missing = {text.name: f"{text.title} · {text.author} · {text.size / 1e6:.1f} MB" for text in PUBLIC_TEXTS.values()
               if not text.stored(folders.texts()).is_file()}  # fmt: skip
    if not missing:
        return
    with st.expander("Or download a book", icon=":material/download:"):
        text = PUBLIC_TEXTS[select_box("Book", missing, Session.TRAIN_PUBLIC, next(iter(missing)))]
        st.caption(f"In the public domain: {text.why}. From {urlsplit(text.url).hostname}, which then sees this "
                   "machine's address; the file is checked.")  # fmt: skip
        if st.button("Download", key=Session.TRAIN_DOWNLOAD, icon=":material/download:"):
            _download(text)


def _download(text: PublicText) -> None:
    """Download a text with a progress bar. Whoever leaves the page meanwhile can go on later."""
    from llm.data.download import download

    bar, steps = st.progress(0.0, "Connecting"), download(text, folders.texts())
    try:
        while True:
            done = next(steps)
            bar.progress(done / text.size, f"{done:,} of {text.size:,} bytes")
    except StopIteration as end:
        st.session_state[Session.TRAIN_TEXT] = end.value
    except (ValueError, OSError) as error:
        states.failed(error)
    bar.empty()


def _choose_column(path: Path, taken: list[TextFile]) -> str:
    """Of tables, the text's column can be chosen; empty: the usual one."""
    columns = dict.fromkeys(column for file in taken for column in file.columns)
    if len(columns) < 2:
        return ""
    chosen = st.selectbox("Column with the text", [AUTOMATIC, *columns], key=Session.TRAIN_COLUMN.of(path.name),
                          help="Each row is a document. Automatic: the column called text or the like, else the one "
                               "with the most characters.")  # fmt: skip
    return "" if chosen == AUTOMATIC else str(chosen)


def _choose_split() -> Split:
    """Which part is held out. Raises ValueError for fractions that cannot be."""
    values = {name: field.default for name, field in describe(Split).items()}
    title, usual = "How the text is split", "the usual split"
    return Split(**forms.all_fields(Split, values, Session.TRAIN_SPLIT, title, usual))


def _taken(path: Path, column: str, split: Split) -> tuple[list[TextFile], SplitText]:
    """The files of a text as they were read, and the text split; kept as long as they do not change."""
    paths = _files(path)
    version = (column, *((file, file.stat().st_size, file.stat().st_mtime_ns) for file in paths))
    files = _read.get(version, lambda: read_files(paths, column))
    return files, _arranged.get((version, dataclasses.astuple(split)), lambda: arrange(files, split))


def _files(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def _show_parts(taken: list[TextFile], text: SplitText) -> None:
    """Say how long the parts are, and of each file what is taken, unless it is one that is taken as it is."""
    fractions = [f"{100 * len(part) / len(text.text):.1f}% for {name}" for name, part in
                 zip(("training", "validation", "testing"), text.parts, strict=True) if part]  # fmt: skip
    st.caption(f"{len(text.text):,} characters · {', '.join(fractions)}. It begins:")
    st.text(taken[0].first_lines)
    if len(taken) == 1 and taken[0].kind == AS_IT_IS:
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
