"""Texts as strips of tokens: coloured pieces with their ids, or shaded by how likely the model found each."""

from __future__ import annotations

from components.browser import browser_component
from llm.tokenizers import Tokenizer

_tokens = browser_component("tokens")
_writing = browser_component("writing")


def strip(tokenizer: Tokenizer, ids: list[int], key: str) -> None:
    """Each token as a coloured piece with its id beneath."""
    _tokens(key=key, data={"tokens": [[token, tokenizer.token_text(token)] for token in ids]})


def writing(generation_id: str, prompt: str, active: bool, key: str) -> None:
    """A text as it is written, token by token; hovering over one shows what else it might have been.

    Where the page was drawn with the text still `active`, it is drawn once more when the text has ended.
    """
    _writing(
        key=key,
        data={"url": f"/live/generation/{generation_id}", "prompt": prompt, "active": active},
        on_ended_change=lambda: None,
    )
