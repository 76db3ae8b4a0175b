"""The text of a UTF-8 file."""

from __future__ import annotations

from pathlib import Path

from llm.runtime.text import decode_utf8


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, without a byte order mark and with every line break a single newline.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder or a device, empty, or not UTF-8.
    """
    path = Path(path)
    require_file(path)
    return decode_text(path.read_bytes(), str(path))


def decode_text(content: bytes, name: str) -> str:
    """The text in the bytes of a file called `name`; see `read_text`."""
    text = decode_utf8(content, name)
    require_characters(text, name)
    return text


def require_file(path: Path) -> None:
    """Raise ValueError for a folder or a device, and FileNotFoundError if nothing is there."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the path of a text file")
    if path.is_char_device() or path.is_block_device():  # some have no end
        raise ValueError(f"{path} is a device: give the path of a text file")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}: check the path")


def require_characters(characters: str, name: str) -> None:
    """Raise ValueError if the text called `name`, which has these characters, has nothing but white space."""
    if not characters.strip():
        raise ValueError(f"{name} is empty: training needs a text of at least a few thousand characters")
