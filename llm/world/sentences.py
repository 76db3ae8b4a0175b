"""Splitting text into stories and sentences, the same way for frames and for text that a model generates."""

from __future__ import annotations

import re

from llm.world.frames import BEFORE_VOWEL

_STORY_BREAK = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE_BREAK = re.compile(r'(?:(?<=[.!?])|(?<=[.!?]")) (?![a-z\ue000-\uefff])')
_ENDED = re.compile(r'[.!?]"?$')
_AN = re.compile(r"\b([Aa])n (?=[aeiouAEIOU]|honest\b)")


def split_stories(text: str) -> list[str]:
    """The parts of a text between blank lines."""
    return [story for story in _STORY_BREAK.split(text.strip("\n")) if story.strip()]


def split_sentences(story: str) -> list[str]:
    """The sentences of a story; a line break counts as a space.

    A full stop, a question or an exclamation mark ends one, unless a small letter follows: `"Why?" he asked.` is one.
    Each part of a longer speech is one too, and keeps the quotation mark that stands at its side.
    """
    return _SENTENCE_BREAK.split(story.replace("\n", " "))


def is_ended(sentence: str) -> bool:
    """Whether a sentence has its closing mark."""
    return bool(_ENDED.search(sentence))


def without_articles(sentence: str) -> str | None:
    """The sentence with "a" for every "an", as frames have it, or None if one of them is wrong."""
    return None if BEFORE_VOWEL.search(sentence) else _AN.sub(r"\1 ", sentence)
