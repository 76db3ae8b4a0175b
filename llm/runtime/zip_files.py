"""Zip files from outside: what is looked at before anything in them is unpacked."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO

ENCRYPTED = 0x1  # a flag of an entry
# what Python's zipfile raises for damaged files
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OverflowError, ValueError)
MAX_GROWTH, ALWAYS_TAKEN = 100, 100_000_000  # bytes unpacked: beyond the second, at most 100 times those of the archive

MOST_LISTED = 2**20  # bytes of an archive's list of entries: about 10,000 of them


def has_long_list(file: BinaryIO) -> bool:
    """Whether the list of an archive's entries is longer than any run's.

    `ZipFile` makes an object of each entry, which takes ten times the memory of the list. What it reads first says how
    long the list is.
    """
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # as ZipFile itself finds it; None: no archive
    return end is not None and end[zipfile._ECD_SIZE] > MOST_LISTED  # type: ignore[attr-defined]


def is_unusual(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is encrypted or packed in another way than zip files usually are."""
    return bool(entry.flag_bits & ENCRYPTED) or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def growth(archive: zipfile.ZipFile, entries: Iterable[zipfile.ZipInfo]) -> tuple[int, int, bool]:
    """The bytes of an archive and of these entries unpacked, as it declares them; whether these are far too many.

    No more than what is declared is ever unpacked from an entry.
    """
    packed, unpacked = archive.start_dir, sum(entry.file_size for entry in entries)  # what precedes the list of entries
    return packed, unpacked, unpacked > max(ALWAYS_TAKEN, MAX_GROWTH * packed)
