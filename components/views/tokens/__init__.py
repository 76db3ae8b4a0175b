"""Texts as strips of tokens: coloured pieces with their ids, or shaded by how likely the model found each."""

from __future__ import annotations

from collections.abc import Callable

from components.shared.browser import BrowserComponent
from llm.tokenizers import Tokenizer

_tokens = BrowserComponent("tokens", "views/tokens/view.js")
_writing = BrowserComponent("writing", "views/writing/view.js")


def strip(tokenizer: Tokenizer, ids: list[int], key: str) -> None:
    """Each token as a coloured piece with its id beneath."""
    _tokens.mount(key=key, data={"tokens": [[token, tokenizer.token_text(token)] for token in ids]})


def writing(generation_id: str, prompt: str, waiting: bool, stop: Callable[[], None], key: str) -> None:
    """A text as it is written, token by token, with a button that stops it; a token shows what else it might have been.

    Only where something on the page is `waiting` for the end of the text is the page drawn once more then: each time
    takes some of the processor from a training under way.
    """
    _writing.mount(
        key=key,
        data={"url": f"/live/generation/{generation_id}", "prompt": prompt, "waiting": waiting},
        on_ended_change=lambda: None,
        on_stop_change=stop,
    )
