"""The token cache of a large text: its token ids on disk, mapped into memory and never read whole.

    checkpoints/tokens/3f2a…/    named after the text's content, the kind of tokenizer and its requested size
      tokenizer.json …           the tokenizer
      pieces.jsonl               a line for each tokenised piece: its part, its tokens and their hash
      train.tokens …             the ids of each part, one after the other
      cache.json                 written last: what the others hold, so a cache without it is not complete

Everything that training and the pages need is decoded from the ids: a run needs no other copy of its text.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from llm.data.passages import Passages
from llm.data.split import PARTS, PartName
from llm.data.windows import TextData
from llm.runtime.regular_files import is_folder, open_regular, read_regular
from llm.tokenizers import Tokenizer, load_tokenizer
from llm.tokenizers.base import MODEL_FILE, SETTINGS_FILE

FOLDER = "tokens"  # beside the runs
FORMAT = 1
MAX_JSON_BYTES = 10_000_000
MEASURED_CHARACTERS = 500_000  # of validation and test text: the beginning of the part
COUNTED_TOKENS = 1_000_000  # of the training part, where figures are counted: its beginning
VERIFIED_BYTES = 2**24  # that are hashed at a time


class TokenCacheError(ValueError):
    """A token cache is gone, not complete, damaged or another one."""


@dataclass(frozen=True)
class TokenCache:
    """A complete token cache. `ids` are read-only views of its files."""

    path: Path
    about: dict[str, Any]  # cache.json
    tokenizer: Tokenizer
    ids: dict[PartName, np.ndarray[Any, Any]]

    @classmethod
    def open(cls, path: Path, sha256: str | None = None) -> TokenCache:
        """Check and map a cache; `sha256` is the hash of the tokens that it must have.

        Raises TokenCacheError: it is gone, another one, or a file in it has another length, format or kind.
        """
        try:
            about = _read_about(path)
            tokenizer = load_tokenizer(path)
            if sha256 is not None and about["sha256"] != sha256:
                raise ValueError("it holds the tokens of another text or tokenizer")
            if tokenizer_hash(path) != about["tokenizer"]:
                raise ValueError("its tokenizer is not the one that made its tokens")
            dtype = dtype_of(tokenizer)
            split = about.get("split")
            no_test = isinstance(split, dict) and split.get("test_fraction") == 0
            ids = {
                part: _mapped(path / f"{part}.tokens", dtype, about["tokens"][part], no_test and part == "test")
                for part in PARTS
            }
        except FileNotFoundError as error:
            raise TokenCacheError(f"The token cache {path} is gone or not complete: it has no {_name(error)}") from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise TokenCacheError(f"The token cache {path} cannot be used: {error}. {REMEDY}") from None
        return cls(path, about, tokenizer, ids)

    def data(self, n_ctx: int) -> TextData:
        """The tokens to train on. Raises ValueError if there are too few for a window."""
        train = _tensor(self.ids["train"])
        data = TextData(train, self.passages("validation"), n_ctx, COUNTED_TOKENS, self._check_read)
        data.require_long_enough()
        self._check_read(data.counted)
        return data

    @property
    def several_documents(self) -> bool:
        """Whether it has more than one: each of its files is one."""
        return len(self.about["files"]) > 1

    def train_tokens(self) -> Int[Tensor, " counted"]:
        """Those training tokens on which figures are computed that count them: the first `COUNTED_TOKENS`."""
        counted = _tensor(self.ids["train"])[:COUNTED_TOKENS]
        self._check_read(counted)
        return counted

    def beginning(self, characters: int) -> str:
        """The beginning of the text."""
        return self.excerpt("train", characters)

    def passages(self, part: PartName) -> Passages:
        """The beginning of a part, to measure on: `MEASURED_CHARACTERS`, or all of it."""
        return Passages.from_documents(self.documents(part, MEASURED_CHARACTERS), self.tokenizer)

    def excerpt(self, part: PartName, characters: int = MEASURED_CHARACTERS) -> str:
        """So many characters from the beginning of a part, or all of it."""
        return "".join(self.documents(part, characters))

    def documents(self, part: PartName, characters: int) -> list[str]:
        """The documents of such an excerpt; the first and the last one may be cut."""
        ids = np.array(self.ids[part][: 4 * characters])  # the longest character in UTF-8 has four bytes
        self._check(ids)
        self.release()
        texts, left = [], characters
        end_of_text = [] if self.tokenizer.end_of_text is None else (ids == self.tokenizer.end_of_text).nonzero()[0]
        for document in np.split(ids, end_of_text):
            document = document[document != self.tokenizer.end_of_text]
            begun = np.cumsum(np.array(self.tokenizer.characters_per_token)[document])  # [token]
            # one token more: the last character may end in it
            text = self.tokenizer.decode(document[: np.searchsorted(begun, left + 1) + 1].tolist())[:left]
            texts += [text] if text else []
            left -= len(text)
        return texts

    def verify(self) -> None:
        """Compare all tokens with the hashes of their pieces. Raises TokenCacheError."""
        digests = []
        at = dict.fromkeys(PARTS, 0)
        for piece in read_pieces(self.path):
            part, end = piece["part"], at[piece["part"]] + piece["tokens"]
            digest = hashlib.sha256()
            ids, itemsize = self.ids[part], self.ids[part].itemsize
            bounds = [*range(at[part], end, VERIFIED_BYTES // itemsize), end]
            for first, last in pairwise(bounds):
                digest.update(ids[first:last].tobytes())
            self.release()
            digests.append(digest.hexdigest())
            at[part] = end
        if tokens_hash(digests) != self.about["sha256"]:
            raise TokenCacheError(f"The token cache {self.path} cannot be used: its tokens were changed. {REMEDY}")

    def release(self) -> None:
        """Let go of the pages of the files that were read: they stay in the system's cache, but not in this process."""
        for ids in self.ids.values():
            mapping = getattr(ids, "_mmap", None)
            if mapping is not None and hasattr(mapping, "madvise") and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
                mapping.madvise(mmap.MADV_DONTNEED)

    def _check_read(self, tokens: Int[Tensor, "*any"]) -> None:
        """Check tokens that were read, and let go of their pages: training would else map the whole file in time."""
        self._check(tokens.numpy())
        self.release()

    def _check(self, ids: np.ndarray[Any, Any]) -> None:
        if ids.size and not (ids.min() >= 0 and ids.max() < self.tokenizer.d_vocab):
            raise TokenCacheError(
                f"The token cache {self.path} cannot be used: it has the token id {ids.max()}, and its tokenizer's "
                f"end at {self.tokenizer.d_vocab - 1}. {REMEDY}"
            )


REMEDY = "Delete this folder: the next training on the same files makes it again"


def dtype_of(tokenizer: Tokenizer) -> str:
    """The smallest number format, of those that torch computes with, that holds every id."""
    return "uint8" if tokenizer.d_vocab <= 2**8 else "<i2" if tokenizer.d_vocab <= 2**15 else "<i4"


def tokenizer_hash(folder: Path) -> str:
    """A hash of the saved tokenizer in a folder."""
    contents = (read_regular(folder / name) for name in (SETTINGS_FILE, MODEL_FILE) if (folder / name).is_file())
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def tokens_hash(digests: list[str]) -> str:
    """The hash of all tokens, from those of the pieces."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def read_pieces(folder: Path) -> list[dict[str, Any]]:
    """The complete lines of pieces.jsonl; a kill can cut off the last one."""
    try:
        content = read_regular(folder / "pieces.jsonl")
    except FileNotFoundError:
        return []
    pieces = []
    for line in content.split(b"\n")[:-1]:
        piece = json.loads(line)
        kinds = {"part": str, "tokens": int, "sha256": str}
        if not isinstance(piece, dict) or {name: type(value) for name, value in piece.items()} != kinds:
            raise ValueError("a line of its pieces.jsonl is damaged")
        pieces.append(piece)
    return pieces


def _read_about(path: Path) -> dict[str, Any]:
    if os.path.lexists(path) and not is_folder(path):
        raise ValueError("it is not a folder")
    about = json.loads(read_regular(path / "cache.json", MAX_JSON_BYTES))
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ValueError(f"its cache.json is not of format {FORMAT}")
    return about


def _mapped(path: Path, dtype: str, count: Any, may_be_empty: bool) -> np.ndarray[Any, Any]:
    """The ids in a file, without reading them."""
    if type(count) is not int or count < 0:
        raise ValueError(f"the number of tokens of its {path.name} is damaged")
    with open_regular(path) as file:
        size, expected = os.fstat(file.fileno()).st_size, count * np.dtype(dtype).itemsize
        if size != expected:
            raise ValueError(f"its {path.name} has {size:,} bytes, and {count:,} tokens take {expected:,}")
        if not count and may_be_empty:  # and nothing can be mapped
            return np.empty(0, dtype)
        if not count:
            raise ValueError(f"its {path.name} has no tokens: the text is too short")
        return np.memmap(file, dtype=dtype, mode="r", shape=(count,))


def _tensor(ids: np.ndarray[Any, Any]) -> Int[Tensor, " tokens"]:
    """A tensor that is a view of the file; nobody writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(ids)


def _name(error: OSError) -> str:
    return Path(os.fsdecode(error.filename)).name if error.filename else SETTINGS_FILE
