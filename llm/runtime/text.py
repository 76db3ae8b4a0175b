"""Text from outside, decoded and normalised (byte order marks, line breaks, wrong encodings), and text for display."""

from __future__ import annotations

import codecs
import json
import os
from typing import Any

SAMPLE_BYTES = 2**16  # read to recognise an encoding


def decode_utf8(content: bytes, name: str) -> str:
    """Decode UTF-8 and normalise. Raises ValueError, naming the source `name`, if the bytes are not UTF-8."""
    if encoding := _wide_encoding(content):
        raise ValueError(f"{name} is not UTF-8 text but {encoding}: save it as UTF-8 and try again")
    try:
        return normalize_text(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8 text: byte {content[error.start]:#04x} at offset {error.start} is invalid. "
            "Save it as UTF-8 and try again"
        ) from None


def normalize_text(text: str) -> str:
    """The text without a byte order mark, and with every line break a single newline."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def parse_json(content: bytes | str) -> Any:
    r"""The value in JSON from outside, all of its texts valid Unicode.

    JSON can name half of a surrogate pair, as in "\ud800", which no file, page or terminal can show: it is replaced.

    Raises:
        ValueError: it is not JSON in UTF-8.
        RecursionError: it is nested too deeply.
    """
    text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    value = json.loads(text)
    if "\\ud" in text or "\\uD" in text:
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def readable_name(name: str) -> str:
    r"""A file name as valid Unicode text: bytes that are not UTF-8 are written as \xe9."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def with_error(value: float, standard_error: float | None, digits: int = 3) -> str:
    """A measured value with its standard error, if it has one: 0.534 ± 0.012."""
    return f"{value:.{digits}f}" + ("" if standard_error is None else f" ± {standard_error:.{digits}f}")


def count(number: int, one: str, several: str = "") -> str:
    """A number of things in words: 1 page, 2 pages."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def duration(seconds: float) -> str:
    """A length of time in words, with two digits or so: 0.12 s, 45 s, 3 min, 2 h 10 min, 3 days."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h" + (f" {minutes} min" if minutes and hours < 10 else "")
    return f"{hours / 24:,.0f} days"


def _wide_encoding(content: bytes) -> str | None:
    """UTF-16 or UTF-32, if the bytes look like text in one of them, else None.

    Without a byte order mark they are recognised by their zero bytes, which UTF-8 text hardly contains. In UTF-32 the
    two high bytes of a character are 0 (up to 3 for an emoji). In UTF-16 the high byte has far fewer values than the
    low one; in Latin text it is always 0.
    """
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    if b"\0" not in content:
        return None
    start = content[:SAMPLE_BYTES]
    quarters = [set(start[position::4]) for position in range(4)]
    if len(start) >= 16 and any(
        quarters[outer] == {0} and max(quarters[inner]) < 4 for outer, inner in ((0, 1), (3, 2))
    ):
        return "UTF-32"
    script, character = sorted((quarters[0] | quarters[2], quarters[1] | quarters[3]), key=len)
    return "UTF-16" if script == {0} or (len(start) >= 64 and 2 * len(script) <= len(character)) else None
