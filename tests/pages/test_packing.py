"""Arrays for the browser: their header describes them."""

import json
import struct

import numpy as np
import pytest

from components.shared.packing import pack


def test_the_header_names_every_array_and_each_starts_at_a_multiple_of_eight():
    arrays = {"a": np.arange(5, dtype="uint8"), "b": np.float32([[1, 2, 3]])}
    content = pack(arrays)
    (length,) = struct.unpack_from("<I", content)
    assert json.loads(content[4 : 4 + length]) == [
        {"name": "a", "dtype": "uint8", "shape": [5]},
        {"name": "b", "dtype": "float32", "shape": [1, 3]},
    ]
    assert (4 + length) % 8 == 0
    assert np.frombuffer(content, "<f4", 3, 4 + length + 8).tolist() == [1, 2, 3]


def test_columns_are_sent_row_by_row():
    content = pack({"a": np.float32([[1, 2], [3, 4]]).T})
    assert np.frombuffer(content[-16:], "<f4").tolist() == [1, 3, 2, 4]


def test_a_type_that_the_browser_does_not_read_is_an_error():
    with pytest.raises(ValueError, match=r"weights: dtype must be one of uint8, .*, got float16"):
        pack({"weights": np.zeros(2, "float16")})
