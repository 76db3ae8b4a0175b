"""Read a file as training text, whatever its kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llm.data.files import tables
from llm.data.files.process import read_in_process
from llm.data.files.text_file import AS_IT_IS, TextFile, UnreadableFileError
from llm.data.text import decode_text, read_text, require_characters, require_file

MARKUP = (".html", ".htm", ".xhtml")
LAID_OUT = (*MARKUP, ".pdf", ".docx", ".epub")
MAX_BYTES = 100_000_000  # of a file that is converted; one that is taken as it is may have any size
PDF, ZIP = b"%PDF-", b"PK\x03\x04"  # how such files begin
# how files begin that are no text although their bytes may be, and what to do with them
NO_TEXT = {
    PDF: "a PDF file: give it a name that ends in .pdf",
    ZIP: "a zip file: unpack it, or if it is a Word document or e-book, name it .docx or .epub",
    b"{\\rtf": "a rich text file: save it as .docx or .txt",
}


def is_converted(path: Path) -> bool:
    """Whether the file is of a kind of which only a part is text: all others are taken as they are."""
    return path.suffix.lower() in (*tables.SUFFIXES, *LAID_OUT)


def read_file(path: Path, column: str = "") -> TextFile:
    """What is taken of a file; `column` is where a table has its text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, too large, damaged, encrypted, or not what its name says.
    """
    require_file(path)
    if not is_converted(path):
        return _as_it_is(path)
    size, suffix = path.stat().st_size, path.suffix.lower()
    if size > MAX_BYTES:
        raise UnreadableFileError(
            f"{path.name} has {size:,} bytes: of {suffix} files at most {MAX_BYTES:,} are read. "
            "Save its text as a .txt file, which may have any size"
        )
    if suffix in (*MARKUP, *tables.SUFFIXES):
        decode_text(path.read_bytes(), path.name)  # as of all text, only UTF-8 is taken
    else:
        with path.open("rb") as file:
            beginning = file.read(1024)
        if (PDF if suffix == ".pdf" else ZIP) not in beginning:
            raise UnreadableFileError(f"{path.name} is not a {suffix[1:]} file by its content: check its name")
    found = read_in_process(path, column)
    require_characters(found.text, path.name)
    return found


def read_files(paths: Sequence[Path], column: str = "") -> list[TextFile]:
    """What is taken of several files, in their order; in all they may have `MAX_BYTES`. Raises as `read_file`."""
    for path in paths:
        require_file(path)
    size = sum(path.stat().st_size for path in paths)
    if len(paths) > 1 and size > MAX_BYTES:
        raise ValueError(f"{len(paths):,} files have {size:,} bytes in all: at most {MAX_BYTES:,} are read together")
    if column and not any(path.suffix.lower() in tables.SUFFIXES for path in paths):
        kinds = ", ".join(sorted(suffix[1:] for suffix in tables.SUFFIXES))
        raise ValueError(f"column must be left out unless a file is a table ({kinds}), got {column!r:.60}")
    return [read_file(path, column) for path in paths]


def _as_it_is(path: Path) -> TextFile:
    with path.open("rb") as file:
        beginning = file.read(8)
    for signature, what in NO_TEXT.items():
        if beginning.startswith(signature):
            raise UnreadableFileError(f"{path.name} is {what}")
    return TextFile(path.name, AS_IT_IS, (read_text(path),))
