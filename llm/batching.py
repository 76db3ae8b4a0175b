"""Texts that grow: one by itself, or many that a model continues together.

In a batch each text has its own random numbers, filters and stop strings. It joins between two steps and leaves between
two steps, and the others do not notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from llm.config import SamplingConfig
from llm.decoding import decode_step
from llm.filters import apply_filters
from llm.layers.mask import require_causal
from llm.model import Transformer
from llm.reading import BatchReader, NonFiniteLogitsError, Reader
from llm.stop_strings import StopStrings
from llm.tokenizers import TextDecoder, Tokenizer


class GrowingText:
    """A text that is being generated: its tokens, its random numbers, and what of it can be shown."""

    def __init__(self, tokenizer: Tokenizer, tokens: Sequence[int], config: SamplingConfig) -> None:
        """`tokens`: those of the prompt, at least one."""
        self.tokens = list(tokens)
        self.config = config
        self.new = ""
        self.remaining = config.max_new_tokens
        self.generator = torch.Generator()
        if config.seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(config.seed)
        self._decoder, self._stops = TextDecoder(tokenizer), StopStrings(config.stop)

    @property
    def stopped(self) -> bool:
        """Whether the text ended before a stop string."""
        return self._stops.stopped

    @property
    def finished(self) -> bool:
        """Whether the text has all its tokens, or ended before a stop string."""
        return self.remaining == 0 or self.stopped

    def push(self, token: int) -> str:
        """Add a token; returns the new text that can be shown."""
        self.tokens.append(token)
        self.remaining -= 1
        text = self._stops.push(self._decoder.push(token))
        if self.remaining == 0:
            text += self._stops.push(self._decoder.flush()) + self._stops.flush()
        self.new += text
        return text


class Grown(NamedTuple):
    """What a step of a batch did to one of its texts."""

    text: GrowingText
    token: int
    shown: str  # the new text that can be shown
    logits: Float[Tensor, " d_vocab"]  # the model's own


class TextBatch:
    """Up to `size` texts that a model continues together: text `row` is in this row of the decode step.

    A text gets the tokens that it would get alone. (Sums are rounded otherwise for several texts than for one, by less
    than a millionth in float32; where that moves a random number across the end of a token's probability, the texts
    differ from there on.) A model that has no `DecodeStep` reads one text after the other.
    """

    def __init__(self, model: Transformer, size: int, length: int) -> None:
        """`length`: the most tokens that a text will have. Raises ValueError if the model cannot write text."""
        require_causal(model.config, "write text")
        self.model, self.size, self.length = model, size, length
        self.texts: list[GrowingText] = []
        step = decode_step(model, size, min(length, model.config.n_ctx))
        self._together = None if step is None else BatchReader(model, step)
        self._readers: list[Reader] = []  # of each text, if they are not read together

    def add(self, text: GrowingText) -> None:
        """Take in a text that is not finished, if there are fewer than `size`."""
        assert len(self.texts) < self.size and not text.finished
        self.texts.append(text)
        if self._together is not None:
            self._together.begin(len(self.texts) - 1)
        else:
            self._readers.append(Reader(self.model, True, self.length))

    def remove(self, text: GrowingText) -> None:
        """Let a text go; the last one takes its row."""
        row, last = self.texts.index(text), len(self.texts) - 1
        self.texts[row] = self.texts[last]
        self.texts.pop()
        if self._together is None:
            self._readers[row] = self._readers[last]
            self._readers.pop()
        elif row != last:
            self._together.move(last, row)

    def step(self) -> tuple[list[Grown], list[GrowingText]]:
        """Add a token to each text; returns what was added, and the texts whose logits contain NaN or infinity.

        These and the finished ones have left the batch.
        """
        logits = self._logits()  # [text, d_vocab]
        finite = logits.isfinite().all(dim=-1).tolist()
        going = [row for row in range(len(self.texts)) if finite[row]]
        broken = [text for row, text in enumerate(self.texts) if not finite[row]]
        grown = self._grow([self.texts[row] for row in going], logits[going]) if going else []
        for row in reversed(range(len(self.texts))):
            if not finite[row] and self._together is not None:
                self._together.forget(row)
            if not finite[row] or self.texts[row].finished:
                self.remove(self.texts[row])
        return grown, broken

    def _logits(self) -> Float[Tensor, "text d_vocab"]:
        if self._together is not None:
            return self._together.next_logits({row: text.tokens for row, text in enumerate(self.texts)})
        return torch.stack([self._alone(*pair) for pair in zip(self._readers, self.texts, strict=True)])

    def _alone(self, reader: Reader, text: GrowingText) -> Float[Tensor, " d_vocab"]:
        try:
            return reader.next_logits(text.tokens)
        except NonFiniteLogitsError:
            return torch.full((self.model.config.d_vocab,), torch.nan, dtype=torch.float64)

    def _grow(self, texts: list[GrowingText], logits: Float[Tensor, "text d_vocab"]) -> list[Grown]:
        tokens = draw_each(_filtered(texts, logits).softmax(dim=-1), [text.generator for text in texts])
        return [
            Grown(text, token, text.push(token), own) for text, token, own in zip(texts, tokens, logits, strict=True)
        ]


def _filtered(texts: Sequence[GrowingText], logits: Float[Tensor, "text d_vocab"]) -> Float[Tensor, "text d_vocab"]:
    """The logits of each text after its own filters; texts with equal filters are filtered together."""
    filtered = torch.empty_like(logits)
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, text in enumerate(texts):
        config = text.config
        alone = index if config.repetition_penalty != 1 else None  # the one filter that depends on the text
        filters = (config.repetition_penalty, config.temperature, config.top_k, config.top_p, config.min_p)
        groups.setdefault((alone, *filters), []).append(index)
    for indices in groups.values():
        text = texts[indices[0]]
        filtered[indices] = apply_filters(logits[indices], text.tokens, text.config)
    return filtered


def draw_each(probabilities: Float[Tensor, "batch d_vocab"], generators: Sequence[torch.Generator]) -> list[int]:
    """Draw a token id from each row, with one random number from its own generator (see `llm.sampling.draw`)."""
    ends = probabilities.double().cumsum(dim=-1)  # [batch, d_vocab]
    numbers = [torch.rand((), dtype=torch.float64, generator=generator) for generator in generators]
    points = torch.stack(numbers).unsqueeze(1) * ends[:, -1:]  # [batch, 1]
    # right: a token of probability 0 has no point
    tokens: list[int] = torch.searchsorted(ends, points, right=True).flatten().tolist()
    return tokens


def first_tokens(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The tokens that a text starts with: the prompt's, or for an empty one a line break, or token 0."""
    if prompt:
        return tokenizer.encode(prompt)
    try:
        return tokenizer.encode("\n") or [0]
    except ValueError:  # a text without line breaks
        return [0]
