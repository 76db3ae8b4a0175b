"""From text to batches: sources → tokens → windows → batches.

The public names below are imported when first used: what only tokenises needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm.data.passages import Passages
    from llm.data.split import Parts, Split, SplitText, split_text, train_tokenizer
    from llm.data.text import decode_text, read_text
    from llm.data.windows import DATA_ORDER, TextData

_MODULES = {
    "DATA_ORDER": "llm.data.windows",
    "Parts": "llm.data.split",
    "Passages": "llm.data.passages",
    "Split": "llm.data.split",
    "SplitText": "llm.data.split",
    "TextData": "llm.data.windows",
    "decode_text": "llm.data.text",
    "read_text": "llm.data.text",
    "split_text": "llm.data.split",
    "train_tokenizer": "llm.data.split",
}

__all__ = [
    "DATA_ORDER",
    "Parts",
    "Passages",
    "Split",
    "SplitText",
    "TextData",
    "decode_text",
    "read_text",
    "split_text",
    "train_tokenizer",
]


def __getattr__(name: str) -> Any:
    """One of the names above."""
    if name not in _MODULES:
        raise AttributeError(f"module 'llm.data' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
