"""Text → token ids → batches of windows.

The text is split once, by characters: the first 90 % for training, the last 10 % for validation, at a line break if one
is near. Each part is tokenised separately, so that no token and no window crosses the split. A window is a view into
the ids, n_ctx inputs and the same shifted by one as targets; the text is never copied per window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from llm.runtime.text import decode_utf8
from llm.tokenizers import Tokenizer

TRAIN_FRACTION = 0.9
GOLDEN_RATIO = (1 + math.sqrt(5)) / 2
DATA_ORDER = "window k starts at the fraction (u + k · golden ratio) mod 1 of the training part, u drawn from the seed"


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, without a byte order mark and with every line break a single newline.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a folder, empty, or not UTF-8.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the path of a text file")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}: check the path")
    return decode_text(path.read_bytes(), str(path))


def decode_text(content: bytes, name: str) -> str:
    """The text in the bytes of a file called `name`; see `read_text`."""
    text = decode_utf8(content, name)
    if not text.strip():
        raise ValueError(f"{name} is empty: training needs a text of at least a few thousand characters")
    return text


def split_text(text: str) -> tuple[str, str]:
    """Training and validation part, about 90 % and 10 %, split after a line break if there is one just before."""
    cut = int(len(text) * TRAIN_FRACTION)
    line_break = text.rfind("\n", cut - len(text) // 100, cut)
    if line_break >= 0:
        cut = line_break + 1
    return text[:cut], text[cut:]


@dataclass(frozen=True)
class TextData:
    """Token ids of both parts of a text, and windows into them.

    `train` and `validation` are int32 [tokens] on the CPU.
    """

    train: Int[Tensor, " tokens"]
    validation: Int[Tensor, " tokens"]
    n_ctx: int
    validation_characters: int

    @classmethod
    def from_text(cls, text: str, tokenizer: Tokenizer, n_ctx: int) -> TextData:
        """Split and tokenise.

        Raises:
            ValueError: one of the parts is shorter than one window.
        """
        parts = split_text(text)
        train, validation = (torch.tensor(tokenizer.encode(part), dtype=torch.int32) for part in parts)
        for name, ids in (("training", train), ("validation", validation)):
            if len(ids) < n_ctx + 1:
                raise ValueError(
                    f"The text is too short: its {name} part has {len(ids)} tokens, and a window of n_ctx={n_ctx} "
                    f"needs {n_ctx + 1}. Use a longer text or a smaller n_ctx"
                )
        return cls(train, validation, n_ctx, len(parts[1]))

    def batch(
        self, batch_size: int, number: int, seed: int, device: torch.device
    ) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
        """Windows of the training part for batch `number` (from 0) of a run; the targets are the next tokens.

        Window k starts at the fraction (u + k · golden ratio) mod 1 of the text, with u from the seed. Each start falls
        into one of the widest gaps between the earlier ones (Weyl 1916), so every passage is read about equally often.
        With random starts, a third of the text would still be unread after as many tokens as it has.
        """
        offset = torch.rand((), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        window = torch.arange(number * batch_size, (number + 1) * batch_size, dtype=torch.float64)  # [batch]
        fractions = (offset + window * GOLDEN_RATIO) % 1  # [batch]
        return self._windows(self.train, (fractions * (len(self.train) - self.n_ctx)).long(), device)

    def evaluation_windows(
        self, count: int, device: torch.device | None = None
    ) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
        """The fixed validation windows: of all windows end to end, `count` evenly spaced ones.

        All of them if there are fewer. The same set at every evaluation of every model with this n_ctx.
        """
        available = (len(self.validation) - 1) // self.n_ctx
        chosen = torch.linspace(0, available - 1, min(count, available), dtype=torch.float64)  # [batch]
        return self._windows(self.validation, chosen.round().long() * self.n_ctx, device or torch.device("cpu"))

    def _windows(
        self, ids: Int[Tensor, " tokens"], starts: Int[Tensor, " batch"], device: torch.device
    ) -> tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]:
        windows = ids.unfold(0, self.n_ctx + 1, 1)[starts].long()  # [batch, pos + 1], picked from overlapping views
        if device.type == "cuda":
            windows = windows.pin_memory().to(device, non_blocking=True)
        else:
            windows = windows.to(device)
        return windows[:, :-1], windows[:, 1:]
