"""A text that is small enough to be in memory and in the run folder, with the same methods as a token cache."""

from __future__ import annotations

from dataclasses import dataclass

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
        return TextData.from_parts(self.parts, self.tokenizer, n_ctx)

    def passages(self, part: PartName) -> Passages:
        """A part, to measure on."""
        return Passages.from_text(self.excerpt(part), self.tokenizer)

    def train_tokens(self) -> Int[Tensor, " tokens"]:
        """The tokens of the training part."""
        return torch.from_numpy(self.tokenizer.encode_array(self.parts.train))

    def beginning(self, characters: int) -> str:
        """The beginning of the text."""
        return self.text[:characters]

    def excerpt(self, part: PartName, characters: int | None = None) -> str:
        """So many characters from the beginning of a part, or all of it."""
        return self.parts[PARTS.index(part)][:characters]


Corpus = WholeText | TokenCache  # what a run trains on
