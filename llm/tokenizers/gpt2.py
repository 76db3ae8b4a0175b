"""GPT-2's own tokenizer: byte-level BPE with 50,000 merges, learned by its authors on 40 GB of web pages.

Radford et al. 2019, "Language models are unsupervised multitask learners". tiktoken fetches its file once (1.5 MB) and
caches it in the folder of the environment variable TIKTOKEN_CACHE_DIR. A run folder holds a copy.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str

from llm.tokenizers.base import END_OF_TEXT, Merge, NotFetchedError, Tokenizer, require_valid_unicode
from llm.tokenizers.bpe import standalone_chunks, tiktoken_array

if TYPE_CHECKING:
    import numpy as np

N_TOKENS = 50_257
TIMEOUT_SECONDS = 20.0
LONGEST_TOKEN = 256  # bytes; GPT-2's longest has 128, and a damaged file's could keep `merges` busy for hours


class Gpt2Tokenizer(Tokenizer):
    """GPT-2's merges, and after them its end-of-text token, which no text is encoded to."""

    kind = "gpt2"

    def __init__(self, tokens: list[bytes]) -> None:
        """`tokens` in the order of their ids, which is the order of merging; without end of text."""
        if not set(tokens) >= {bytes([byte]) for byte in range(256)} or len(set(tokens)) < len(tokens):
            raise ValueError("its tokens lack some byte or contain a duplicate")
        super().__init__([*tokens, END_OF_TEXT])
        self.end_of_text = self.d_vocab - 1
        self._ranks = {token: rank for rank, token in enumerate(tokens)}
        self._encoding = tiktoken.Encoding(
            name="gpt2",
            pat_str=r50k_pat_str,
            mergeable_ranks=self._ranks,
            special_tokens={},
        )

    @cached_property
    def merges(self) -> Sequence[Merge]:
        """The two parts that each token is merged from: what the tokens before it make of its bytes."""
        merges = []
        for token, new in self._ranks.items():
            parts = self._parts(token, new) if 1 < len(token) <= LONGEST_TOKEN else []
            if len(parts) == 2:
                merges.append(Merge(self._ranks[parts[0]], self._ranks[parts[1]], new))
        return merges

    def _parts(self, token: bytes, before: int) -> list[bytes]:
        """The bytes of a token, joined by the tokens with lower ids than `before`, those with the lowest first."""
        parts = [bytes([byte]) for byte in token]
        while True:
            ranks = [self._ranks.get(left + right, before) for left, right in pairwise(parts)]
            lowest = min(ranks, default=before)
            if lowest >= before:
                return parts
            index = ranks.index(lowest)
            parts[index : index + 2] = [parts[index] + parts[index + 1]]

    @classmethod
    def fetch(cls, timeout_seconds: float = TIMEOUT_SECONDS) -> Self:
        """GPT-2's tokenizer from tiktoken's folder or, the first time, the internet; else NotFetchedError."""
        encodings: list[tiktoken.Encoding] = []
        problems: list[Exception] = []

        def get() -> None:
            try:
                encodings.append(tiktoken.get_encoding("gpt2"))
            except Exception as error:  # handed to the caller below, whatever it is
                problems.append(error)

        # tiktoken downloads without a timeout, so wait for it in a separate thread
        fetching = threading.Thread(target=get, daemon=True)
        fetching.start()
        fetching.join(timeout_seconds)
        if not encodings:
            reason = type(problems[0]).__name__ if problems else f"no answer in {timeout_seconds:g} s"
            raise NotFetchedError(
                f"GPT-2's tokenizer file could not be fetched from the internet ({reason}). Connect once, or set "
                "TIKTOKEN_CACHE_DIR to tiktoken's folder from a machine that has it; or choose bpe, which needs none."
            ) from (problems[0] if problems else None)
        end_of_text = encodings[0].eot_token  # the last id
        return cls([encodings[0].decode_single_token_bytes(token) for token in range(end_of_text)])

    def encode(self, text: str) -> list[int]:
        """Ids of the text: its bytes, joined by GPT-2's merges. Any text works; "<|endoftext|>" is plain text."""
        require_valid_unicode(self.kind, text)
        return self._encoding.encode_ordinary(text)

    def encode_array(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The same ids; no Python number is made."""
        require_valid_unicode(self.kind, text)
        return tiktoken_array(self._encoding, text)

    def settings(self) -> dict[str, Any]:
        """Nothing: tokenizer.model holds it all."""
        return {}

    def model_file(self) -> bytes:
        """One line per token, base64, in the order of the ids, with the id: tiktoken's own format."""
        tokens = self._vocabulary[: self.end_of_text]
        return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens))

    @classmethod
    def restore(cls, settings: dict[str, Any], model: bytes) -> Self:
        """Build from `model_file()`."""
        tokens = []
        for rank, line in enumerate(model.splitlines()):
            encoded, _, named = line.partition(b" ")
            if named != b"%d" % rank:
                raise ValueError(f"line {rank + 1} of its tokenizer.model is not token {rank}")
            tokens.append(base64.b64decode(encoded, validate=True))  # binascii.Error is a ValueError
        return cls(tokens)


class StandaloneTokenizer:
    """GPT-2's byte-pair encoding: start from bytes, repeatedly join the neighbours that make the earliest token."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "tokenizer.model").read_bytes().splitlines()  # one token a line, in base64, in their order
        tokens = [base64.b64decode(line.split(b" ")[0]) for line in lines]
        self.ranks = {token: rank for rank, token in enumerate(tokens)}
        self.vocabulary = [*tokens, b"<|endoftext|>", b"<|mask|>"]  # the last only where the model has one

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        return [
            self.ranks[part] for start, end in standalone_chunks(text) for part in self.joined(text[start:end].encode())
        ]

    def joined(self, chunk: bytes) -> list[bytes]:
        """The parts of one chunk that are tokens."""
        parts = [chunk] if chunk in self.ranks else [bytes([byte]) for byte in chunk]
        while True:
            pairs = [self.ranks.get(left + right, math.inf) for left, right in pairwise(parts)]
            best = min(pairs, default=math.inf)
            if best == math.inf:
                return parts
            index = pairs.index(best)
            parts[index : index + 2] = [parts[index] + parts[index + 1]]

    def decode(self, ids: list[int]) -> str:
        """Text of token ids."""
        return b"".join(self.vocabulary[token] for token in ids).decode("utf-8", errors="replace")
