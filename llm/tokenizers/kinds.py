"""What kind of text a token is: the start of a word, a piece of one, a number, punctuation, a space or a byte."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["word start", "inner piece", "letter", "number", "punctuation", "space", "byte"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def token_kind(token: bytes) -> Kind:
    """The kind of one token.

    A word starts with a space before it, or with a capital letter. An inner piece has letters, whatever else it has. A
    single letter is a kind of its own. "byte" is an incomplete character, or a control character. All else is
    punctuation: any character that is neither letter, number nor space.
    """
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return "byte"
    if not text or all(ord(sign) < 32 and not sign.isspace() for sign in text):
        return "byte"
    if text.isspace():
        return "space"
    word = text.lstrip()
    if any(sign.isalpha() for sign in word):
        if len(text) == 1:
            return "letter"
        return "word start" if word[0].isalpha() and (word != text or word[0].isupper()) else "inner piece"
    return "number" if any(sign.isdigit() for sign in word) else "punctuation"
