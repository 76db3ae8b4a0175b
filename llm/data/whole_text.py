"""A text that is small enough to be in memory and in the run folder, with the same methods as a token cache."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from llm.data.passages import Passages
from llm.data.split import PARTS, PartName, Parts, SplitText
from llm.data.token_cache import TokenCache
from llm.data.windows import TextData
from llm.tokenizers import Tokenizer


@dataclass(frozen=True)
class WholeText:
    """A text in parts and its tokenizer."""

    whole: SplitText
    tokenizer: Tokenizer

    @property
    def text(self) -> str:
        """All of it."""
        return self.whole.text

    @property
    def parts(self) -> Parts:
        """Its parts."""
        return self.whole.parts

    def data(self, n_ctx: int) -> TextData:
        """Tokenise. Raises ValueError as `TextData.from_parts`."""
        data = TextData(self.train_tokens(), self.passages("validation"), n_ctx)
        data.require_long_enough()
        return data

    def passages(self, part: PartName) -> Passages:
        """A part, to measure on."""
        return Passages.from_documents(self.documents(part), self.tokenizer)

    def train_tokens(self) -> Int[Tensor, " tokens"]:
        """The tokens of the training part, with the end-of-text token between two documents, if there is one."""
        between = [] if self.tokenizer.end_of_text is None else [self.tokenizer.end_of_text]
        ids = [self.tokenizer.encode_array(document) for document in self.documents("train")]
        joined = [part for document in ids[1:] for part in (np.array(between, dtype=np.int32), document)]
        return torch.from_numpy(np.concatenate([ids[0], *joined]))

    @property
    def several_documents(self) -> bool:
        """Whether it is known to have more than one."""
        return len(self.whole.documents) > 1

    def documents(self, part: PartName) -> list[str]:
        """The documents of a part; the first and the last one may be cut."""
        ends = [0, self.whole.train_end, self.whole.validation_end, len(self.text)]
        first, last = ends[PARTS.index(part) : PARTS.index(part) + 2]
        inner = [begin for begin in self.whole.documents if first < begin < last]
        return [self.text[begin:end] for begin, end in pairwise([first, *inner, last])]

    def beginning(self, characters: int) -> str:
        """The beginning of the text."""
        return self.text[:characters]

    def excerpt(self, part: PartName, characters: int | None = None) -> str:
        """So many characters from the beginning of a part, or all of it."""
        return self.parts[PARTS.index(part)][:characters]


Corpus = WholeText | TokenCache  # what a run trains on
