"""Token ids → batches of windows.

Each part of a text is tokenised separately, so that no token and no window crosses the split. A window is a view into
the ids, n_ctx inputs and the same shifted by one as targets; the text is never copied per window.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from llm.data.masking import Masking
from llm.data.passages import Passages, evenly_spaced
from llm.data.split import Parts, split_text
from llm.tokenizers import Tokenizer

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2
DATA_ORDER = "window k starts at the fraction (u + k · golden ratio) mod 1 of the training part, u drawn from the seed"


@dataclass(frozen=True)
class TextData:
    """The tokens that a model is trained on (on the CPU), windows into them, and the text for validation."""

    train: Int[Tensor, " tokens"]
    validation: Passages
    n_ctx: int
    count_limit: int | None = None  # of `counted`
    check: Callable[[Tensor], None] | None = None  # called with the tokens of each batch that was read
    masking: Masking | None = None  # of batches, whose targets are then the masked tokens; None: the next tokens

    @property
    def counted(self) -> Int[Tensor, " counted"]:
        """The training tokens on which figures are computed that count them: all, or the beginning of a large text."""
        return self.train[: self.count_limit]

    @classmethod
    def from_text(cls, text: str, tokenizer: Tokenizer, n_ctx: int) -> TextData:
        """Split and tokenise. Raises ValueError as `from_parts`."""
        return cls.from_parts(split_text(text), tokenizer, n_ctx)

    @classmethod
    def from_parts(cls, parts: Parts, tokenizer: Tokenizer, n_ctx: int) -> TextData:
        """Tokenise.

        Raises:
            ValueError: the training part is shorter than a window, or the validation part than two characters.
        """
        train = torch.from_numpy(tokenizer.encode_array(parts.train))
        validation = Passages.from_text(parts.validation, tokenizer)
        data = cls(train, validation, n_ctx)
        data.require_long_enough()
        return data

    def require_long_enough(self) -> None:
        """Raise ValueError if the training part is shorter than a window, or validation has nothing to predict."""
        needed_tokens = (
            ("training", len(self.train), self.n_ctx + 1),
            ("validation", len(self.validation.tokens), 2),
        )
        for name, tokens, needed in needed_tokens:
            if tokens < needed:
                raise ValueError(
                    f"The text is too short: its {name} part has {tokens} tokens, and with n_ctx={self.n_ctx} it needs "
                    f"{needed}. Use a longer text or a smaller n_ctx"
                )
        if not len(self.validation):  # one character can be several tokens
            raise ValueError("The text is too short: its validation part has one character, and it needs two")

    def batch(
        self, batch_size: int, number: int, seed: int, device: torch.device
    ) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
        """Windows of the training part for batch `number` (from 0) of a run, and the targets: usually the next tokens.

        Window k starts at the fraction (u + k · golden ratio) mod 1 of the text, with u from the seed. Each start falls
        into one of the widest gaps between the earlier ones (Weyl 1916), so every passage is read about equally often.
        With random starts, a third of the text would still be unread after as many tokens as it has.
        """
        offset = torch.rand((), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        window = torch.arange(number * batch_size, (number + 1) * batch_size, dtype=torch.float64)  # [batch]
        fractions = (offset + window * GOLDEN_RATIO) % 1  # [batch]
        windows = self._windows(self.train, (fractions * (len(self.train) - self.n_ctx)).long(), self.n_ctx)
        if self.masking is None:
            return _inputs_and_next(_sent(windows, device))
        inputs, targets = self.masking.hide(windows[:, :-1], window.long().tolist(), seed)
        return _sent(inputs, device), _sent(targets, device)

    def evaluation_windows(
        self, count: int, device: torch.device | None = None
    ) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
        """Windows of the validation part to analyse a model on: of all windows end to end, `count` evenly spaced ones.

        All of them if there are fewer; a part shorter than n_ctx is one shorter window.
        """
        length = min(self.n_ctx, len(self.validation.tokens) - 1)
        available = (len(self.validation.tokens) - 1) // length
        starts = evenly_spaced(available, count) * length  # [batch]
        windows = self._windows(self.validation.tokens, starts, length)
        return _inputs_and_next(_sent(windows, device or torch.device("cpu")))

    def _windows(
        self, ids: Int[Tensor, " tokens"], starts: Int[Tensor, " batch"], length: int
    ) -> Int[Tensor, "batch pos_and_one"]:
        windows = ids.unfold(0, length + 1, 1)[starts].long()  # [batch, pos + 1], from views
        if self.check is not None:
            self.check(windows)
        return windows


def _inputs_and_next(
    windows: Int[Tensor, "batch pos_and_one"],
) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
    return windows[:, :-1], windows[:, 1:]


def _sent(tokens: Int[Tensor, "*axes"], device: torch.device) -> Int[Tensor, "*axes"]:
    """These on the device, which does not wait for them."""
    return tokens.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tokens.to(device)
