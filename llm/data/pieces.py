"""A large file in pieces: byte ranges of a few megabytes that can be read, decoded and tokenised on their own.

A piece ends after a line break, or if there is none in it, before a character. So no token crosses the end of a piece,
and the pieces' texts end to end are the file's text.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from llm.runtime.text import decode_utf8

PIECE_BYTES = 4 * 2**20  # at most: what a worker holds at a time


class Piece(NamedTuple):
    """Bytes `start` to `end` of a file and, of their text, the characters `first` to `last`."""

    path: str
    start: int
    end: int
    first: int = 0
    last: int | None = None


def piece_ends(path: Path, piece_bytes: int = PIECE_BYTES) -> list[int]:
    """Where the pieces of a file end, in bytes."""
    ends: list[int] = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while (start := ends[-1] if ends else 0) < size:
            end = min(start + piece_bytes, size)
            if end < size:
                file.seek(start)
                end = start + _cut(file.read(piece_bytes))
            ends.append(end)
    return ends


def read_bytes(piece: Piece) -> bytes:
    """The bytes of a piece."""
    with Path(piece.path).open("rb") as file:
        file.seek(piece.start)
        return file.read(piece.end - piece.start)


def decode(piece: Piece, content: bytes) -> str:
    """The text of a piece, with every line break a single newline. Raises ValueError if the bytes are not UTF-8."""
    if piece.start == 0:  # the byte order mark, and the mistake of another encoding, are at the beginning of a file
        text = decode_utf8(content, piece.path)
    else:
        try:
            text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{piece.path} is not UTF-8 text: byte {content[error.start]:#04x} at offset "
                f"{piece.start + error.start} is invalid. Save it as UTF-8 and try again"
            ) from None
    return text[piece.first : piece.last]


def read_text(piece: Piece) -> str:
    """The text of a piece. Raises as `decode`."""
    return decode(piece, read_bytes(piece))


def _cut(content: bytes) -> int:
    """Where to end a piece that begins with this content."""
    line_break = content.rfind(b"\n")
    if line_break >= 0:
        return line_break + 1
    end = len(content) - 1
    # not inside a character, whose further bytes are 10xxxxxx, nor between a carriage return and its newline
    while end > len(content) - 8 and (content[end] & 0b1100_0000 == 0b1000_0000 or content[end - 1] == ord("\r")):
        end -= 1
    return max(1, end)
