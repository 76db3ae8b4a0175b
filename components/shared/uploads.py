"""The texts that a user gave the app, each a file in the folder of uploads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeGuard

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from components.shared import folders
from components.shared.session import Session
from llm.data import decode_text
from llm.runtime.files import write_bytes

MAX_NAME_BYTES = 255  # on nearly every file system


def is_new(upload: UploadedFile | None, handled: Session) -> TypeGuard[UploadedFile]:
    """Whether there is an upload that this tab has not handled yet: the field keeps it over reruns."""
    if upload is None or st.session_state.get(handled) == upload.file_id:
        return False
    st.session_state[handled] = upload.file_id
    return True


def store(name: str, content: bytes) -> Path:
    """Store a text; under another name if a different text has this name.

    Raises ValueError for a file that is empty or not UTF-8, and does not store it.
    """
    decode_text(content, name)
    folders.uploads().mkdir(parents=True, exist_ok=True)
    path = folders.uploads() / _short(Path(name).name)
    if path.exists() and path.read_bytes() != content:
        path = path.with_name(_short(path.name, f"-{hashlib.sha256(content).hexdigest()[:8]}"))
    if not path.exists():
        write_bytes(path, content)
    return path


def _short(name: str, mark: str = "") -> str:
    """A file name with `mark` before its suffix, its stem cut so that a file system takes it."""
    stem, suffix = Path(name).stem, Path(name).suffix
    room = MAX_NAME_BYTES - len((mark + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore") + mark + suffix
