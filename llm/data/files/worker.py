"""`python -m llm.data.files.worker`: a process that reads one file, within bounds.

Its arguments: the file, and the bytes of memory and seconds of computing that it may use. Its input: the column of a
table. It prints a JSON object: what was taken, or the error. What a hostile file does to it ends with this process.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm.data.files.tables import SUFFIXES, read_table
from llm.data.files.text_file import TextFile, UnreadableFileError
from llm.data.text import decode_text


def read(path: Path, column: str) -> TextFile:
    """What is taken of the file. Raises UnreadableFileError, or whatever the library raises for a damaged file."""
    content, suffix = path.read_bytes(), path.suffix.lower()
    if suffix in SUFFIXES:
        return read_table(decode_text(content, path.name), path.name, suffix, column)
    if suffix == ".pdf":
        from llm.data.files.pdf import read_pdf

        return read_pdf(content, path.name)
    if suffix == ".docx":
        from llm.data.files.packed import read_docx

        return read_docx(content, path.name)
    if suffix == ".epub":
        from llm.data.files.packed import read_epub

        return read_epub(content, path.name)
    from llm.data.files.markup import read_html

    return read_html(content, path.name)


def answer(path: Path, column: str) -> dict[str, Any]:
    """What the process prints."""
    try:
        return asdict(read(path, column))
    except UnreadableFileError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"{path.name} needs too much memory to be read: save its text as a .txt file"}
    except Exception as error:  # of a library, for a damaged file
        reason = " ".join(str(error).split())[:120]
        return {"error": f"{path.name} is damaged and cannot be read ({type(error).__name__}: {reason})"}


def main() -> None:
    """Set the bounds, read the file, print the answer."""
    path, memory, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with suppress(ImportError, ValueError, OSError):  # Windows has no such bounds
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    sys.stdout.buffer.write(json.dumps(answer(path, sys.stdin.buffer.read().decode())).encode())


if __name__ == "__main__":
    main()
