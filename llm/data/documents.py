"""The documents of a window, as training tells them apart: by the end-of-text token before each but the first.

Where a run asks for separate documents, a position attends to its own document only. The end-of-text token belongs to
the document that follows it: what comes first there is then predicted from this token alone, and no prediction depends
on another document. Positions go on counting through the window: how far apart two tokens of a document are is what
rotations and biases depend on, and learned positions have all been seen in training, wherever documents begin.
"""

from __future__ import annotations

from jaxtyping import Int
from torch import Tensor

from llm.config import TrainingConfig
from llm.tokenizers import Tokenizer


def document_boundary(tokenizer: Tokenizer, config: TrainingConfig) -> int | None:
    """The token at which a document begins, if documents are to be separate, else None.

    Raises:
        ValueError: they are, and the tokenizer has no such token.
    """
    if config.separate_documents and tokenizer.end_of_text is None:
        raise ValueError(
            f"separate_documents must be off with this {tokenizer.kind} tokenizer, which has no token between documents"
        )
    return tokenizer.end_of_text if config.separate_documents else None


def documents_in(windows: Int[Tensor, "batch pos"], boundary: int | None) -> Int[Tensor, "batch pos"] | None:
    """The number of each position's document in its window; None without a boundary.

    Also None if no window of the CPU has one: attention needs no mask then, and is faster. Where windows are on a GPU,
    that is not looked at, since it would wait for it.
    """
    if boundary is None:
        return None
    begins = windows == boundary  # [batch, pos]
    return begins.cumsum(dim=1) if windows.device.type != "cpu" or begins.any() else None  # [batch, pos]
