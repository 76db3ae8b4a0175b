"""Zip files from outside: what is looked at before anything in them is unpacked."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable

ENCRYPTED = 0x1  # a flag of an entry
# what Python's zipfile raises for damaged files
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, ValueError)
MAX_GROWTH, ALWAYS_TAKEN = 100, 100_000_000  # bytes unpacked: beyond the second, at most 100 times those of the archive


def is_unusual(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is encrypted or packed in another way than zip files usually are."""
    return bool(entry.flag_bits & ENCRYPTED) or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def growth(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]) -> tuple[int, int, bool]:
    """The bytes of an archive and of these entries unpacked, as it declares them; whether these are far too many.

    No more than what is declared is ever unpacked from an entry.
    """
    packed, unpacked = archive.start_dir, sum(entry.file_size for entry in entries)  # what precedes the list of entries
    return packed, unpacked, unpacked > max(ALWAYS_TAKEN, MAX_GROWTH * packed)
