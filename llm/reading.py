"""How a model reads growing texts: a window of each, of which keys and values are kept.

For the next token of a text the model needs its logits after the last one. The first tokens of a window are read by the
model itself, each following one by its `DecodeStep`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from llm.decoding import DecodeStep, decode_step
from llm.layers.cache import KeyValueCache
from llm.model import Transformer
from llm.runtime.evaluation_mode import evaluating

MAX_LOGITS = 2**26  # numbers, of several windows that the model reads at once


class NonFiniteLogitsError(ValueError):
    """The model's logits contain NaN or infinity: its weights diverged."""

    def __init__(self) -> None:
        super().__init__("The model's logits contain NaN or infinity, so no token can be drawn: its weights diverged")


def window_start(length: int, n_ctx: int) -> int:
    """The index of the first of `length` tokens that the model still reads.

    A text of at most n_ctx tokens is read completely. Each time it would grow longer, the oldest half of a window is
    dropped and the rest is read again from position 0: positions stay in the range seen in training, whatever the
    scheme, and at least half a window of context remains. (Dropping one token at a time would mean reading the whole
    window again for every token, because all positions shift, and keys and values with them.)
    """
    half = (n_ctx + 1) // 2
    return -(-max(0, length - n_ctx) // half) * half


class Reader:
    """Computes logits for a growing text, of which the model reads the part from `window_start` on.

    The model reads the first tokens of each window; the following ones are read by its `DecodeStep`, if it has one.
    """

    def __init__(self, model: Transformer, use_cache: bool, length: int | None = None) -> None:
        """`length`: the most tokens that the text will have, if that is known."""
        n_ctx = model.config.n_ctx
        self.model = model
        self.use_cache = use_cache
        self.length = n_ctx if length is None else min(length, n_ctx)
        self.start = 0
        self.cached = 0  # positions of the window whose keys and values are kept
        self.cache = KeyValueCache(model.config)
        self.step: DecodeStep | None = None
        self.step_wanted = use_cache

    @torch.no_grad()
    def next_logits(self, tokens: list[int]) -> Float[Tensor, " d_vocab"]:
        """Logits for the token after `tokens`, on the CPU in float64. Since the last call `tokens` has only grown."""
        start = window_start(len(tokens), self.model.config.n_ctx)
        if self.step is not None and self.step.stale:
            # something trains the model, which reads the text itself from now on
            self.step, self.step_wanted, self.cached = None, False, 0
        one_is_new = len(tokens) == self.start + self.cached + 1
        if start != self.start or not self.use_cache or not one_is_new:
            self.start, self.cached = start, 0
        unread = tokens[start + self.cached :]
        step = self._step() if self.cached else None
        if step is None:
            logits = self._ask_model(unread)  # [d_vocab]
        else:
            logits = step(unread, [self.cached])[0]  # [d_vocab]
        self.cached += len(unread)
        return _finite(logits)

    def _step(self) -> DecodeStep | None:
        """The step, which has taken over what the model has cached; None: it cannot read this model's text."""
        if self.step_wanted and self.step is None:
            self.step = decode_step(self.model, 1, self.length)
            self.step_wanted = self.step is not None
        if self.step is not None and self.cached == self.cache.length:
            self.step.load(self.cache, [0])
        return self.step

    def _ask_model(self, unread: list[int]) -> Float[Tensor, " d_vocab"]:
        if self.cached == 0:
            self.cache = KeyValueCache(self.model.config)
        with evaluating(self.model):
            tokens = torch.tensor([unread], device=self.model.embed.W_E.device)  # [1, pos]
            logits: Tensor = self.model(tokens, self.cache if self.use_cache else None)[0, -1]  # [d_vocab]
            return logits


class BatchReader:
    """The same for several texts, each in a row of a decode step: one step reads the newest token of all of them.

    It takes the time of the rows up to the last one in use, so texts should be in the first rows.
    """

    def __init__(self, model: Transformer, step: DecodeStep) -> None:
        self.model, self.step = model, step
        self.starts, self.cached = [0] * step.batch_size, [0] * step.batch_size  # of each row, as in `Reader`
        self._steps = {step.batch_size: step}  # by their number of rows

    def begin(self, row: int) -> None:
        """From now on there is another text in this row."""
        self.cached[row] = 0

    def move(self, source: int, target: int) -> None:
        """From now on the text in row `source` is in row `target`."""
        self.step.move(source, target)
        self.starts[target], self.cached[target] = self.starts[source], self.cached[source]

    def forget(self, row: int) -> None:
        """Remove what was computed for the text in this row, of which some is NaN or infinite."""
        self.step.forget(row)
        self.cached[row] = 0

    @torch.no_grad()
    def next_logits(self, texts: Mapping[int, list[int]]) -> Float[Tensor, "text d_vocab"]:
        """Logits for the token after each text, given by its row; each has grown by one token, or begun, since.

        On the CPU in float64. Those of one text may contain NaN or infinity.
        """
        n_ctx = self.model.config.n_ctx
        starts = {row: window_start(len(tokens), n_ctx) for row, tokens in texts.items()}
        fresh = [row for row in texts if self.cached[row] == 0 or starts[row] != self.starts[row]]
        windows = {row: texts[row][starts[row] :] for row in texts}
        logits = self.step.embedding.new_empty(self.step.batch_size, self.model.config.d_vocab)  # [row, d_vocab]
        if len(fresh) < len(texts):
            going = texts.keys() - set(fresh)
            count = max(going) + 1
            # a row that does not go on reads any token at position 0, which nothing needs any more
            newest = [windows[row][-1] if row in going else 0 for row in range(count)]
            positions = [len(windows[row]) - 1 if row in going else 0 for row in range(count)]
            logits[:count] = self._step(count)(newest, positions)  # [row, d_vocab]
        for rows in self._at_once(fresh, {row: len(windows[row]) for row in fresh}):
            logits[rows] = self._read(rows, [windows[row] for row in rows])
        for row, window in windows.items():
            self.starts[row], self.cached[row] = starts[row], len(window)
        return logits[list(texts)].cpu().double()

    def _step(self, count: int) -> DecodeStep:
        """The step of the first `count` rows."""
        if count not in self._steps:
            self._steps[count] = self.step.narrowed(count)
        return self._steps[count]

    def _at_once(self, rows: Sequence[int], lengths: Mapping[int, int]) -> Iterator[list[int]]:
        """These rows in groups whose logits fit into memory, windows of similar length together."""
        group: list[int] = []
        for row in sorted(rows, key=lambda row: lengths[row]):
            if group and (len(group) + 1) * lengths[row] * self.model.config.d_vocab > MAX_LOGITS:
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _read(self, rows: Sequence[int], windows: Sequence[list[int]]) -> Float[Tensor, "row d_vocab"]:
        """The model reads whole windows, padded at their end, where no token of theirs attends."""
        longest = max(map(len, windows))
        padded = [[*window, *[0] * (longest - len(window))] for window in windows]
        cache = KeyValueCache(self.model.config)
        with evaluating(self.model):
            logits: Tensor = self.model(torch.tensor(padded, device=self.step.embedding.device), cache)
        self.step.load(cache, rows)
        last = torch.tensor([len(window) - 1 for window in windows], device=logits.device)  # [row]
        return logits[torch.arange(len(rows), device=logits.device), last]  # [row, d_vocab]


def _finite(logits: Float[Tensor, " d_vocab"]) -> Float[Tensor, " d_vocab"]:
    """The logits on the CPU in float64. Raises NonFiniteLogitsError."""
    if not logits.isfinite().all():
        raise NonFiniteLogitsError
    return logits.cpu().double()
