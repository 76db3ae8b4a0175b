"""Arrays for the browser: the names, types and shapes of all, then their bytes; frontend/packing.js reads it.

Layout: the length of the header in bytes (uint32, little-endian); the header, JSON of [{"name", "dtype", "shape"}],
padded with spaces; the arrays in that order, row by row, little-endian. Every array starts at a multiple of 8 bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from numpy.typing import NDArray

DTYPES = ("uint8", "int32", "float32", "float64")
ALIGNMENT = 8


def pack(arrays: Mapping[str, NDArray]) -> bytes:
    """Pack arrays under their names. Raises ValueError for a dtype that frontend/packing.js cannot read."""
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"{name}: dtype must be one of {', '.join(DTYPES)}, got {array.dtype.name}")
    header = json.dumps(
        [{"name": name, "dtype": array.dtype.name, "shape": array.shape} for name, array in arrays.items()]
    ).encode()
    header += b" " * (-(4 + len(header)) % ALIGNMENT)
    parts = [struct.pack("<I", len(header)), header]
    for array in arrays.values():
        content = array.astype(array.dtype.newbyteorder("<")).tobytes()
        parts += [content, bytes(-len(content) % ALIGNMENT)]
    return b"".join(parts)
