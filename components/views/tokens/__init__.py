"""A text as a strip of tokens: coloured pieces with their ids."""

from __future__ import annotations

from components.shared.browser import BrowserComponent
from llm.tokenizers import Tokenizer

_tokens = BrowserComponent("tokens", "views/tokens/view.js")


def strip(tokenizer: Tokenizer, ids: list[int], key: str) -> None:
    """Each token as a coloured piece with its id below it."""
    _tokens.mount(key=key, data={"tokens": [[token, tokenizer.token_text(token)] for token in ids]})
