"""The texts that users gave the app: in the folder of uploads a file each, or a folder for several files.

They are kept as they came. What is taken of them as text: `llm.data.files`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.shared import folders
from components.shared.session import Session
from llm.data.files.reading import read_file
from llm.data.files.text_file import collection_name
from llm.runtime.files import TEMPORARY, error_text, write_bytes, write_folder

MAX_NAME_BYTES = 255  # on nearly every file system


def new_ones(uploads: Sequence[UploadedFile], handled: Session) -> list[UploadedFile]:
    """The uploads that this tab has not handled yet: the field keeps earlier ones, also those that were refused."""
    before = st.session_state.get(handled, ())
    st.session_state[handled] = [upload.file_id for upload in uploads]
    return [upload for upload in uploads if upload.file_id not in before]


def texts() -> list[Path]:
    """The uploaded texts; each a file or a folder of files."""
    return sorted(path for path in folders.uploads().glob("*") if not path.name.startswith(TEMPORARY))


def store(name: str, content: bytes) -> Path:
    """Store a text; under another name if a different text has this name.

    Raises ValueError for a file that has no text (`read_file`), and does not store it.
    """
    _check(name, content)
    folders.uploads().mkdir(parents=True, exist_ok=True)
    path = folders.uploads() / _short(Path(name).name)
    if path.exists() and (path.is_dir() or path.read_bytes() != content):
        path = path.with_name(_short(path.name, f"-{hashlib.sha256(content).hexdigest()[:8]}"))
    if not path.exists():
        write_bytes(path, content)
    return path


def store_several(files: Sequence[tuple[str, bytes]]) -> Path:
    """Store several files, names and contents, as one text; a single one as `store` does. Raises as `store`."""
    if len(files) == 1:
        return store(*files[0])
    contents: dict[str, bytes] = {}
    for name, content in files:
        _check(name, content)
        name = _short(Path(name).name)
        if contents.get(name, content) != content:
            name = _short(name, f"-{hashlib.sha256(content).hexdigest()[:8]}")
        contents[name] = content
    digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()[:8]
    named = collection_name(sorted(contents)).encode()[: MAX_NAME_BYTES // 2].decode(errors="ignore")
    folder = folders.uploads() / f"{named} ({digest})"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_folder(folder, lambda path: _fill(path, contents))
    return folder


def _fill(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _check(name: str, content: bytes) -> None:
    """Raise ValueError for a file that has no text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, _short(Path(name).name))
        path.write_bytes(content)
        try:
            read_file(path)
        except (ValueError, OSError) as error:
            raise ValueError(error_text(error).replace(str(path), Path(name).name)) from None


def _short(name: str, mark: str = "") -> str:
    """A file name with `mark` before its suffix, its stem cut so that a file system takes it."""
    stem, suffix = Path(name).stem, Path(name).suffix
    room = MAX_NAME_BYTES - len((mark + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore") + mark + suffix
