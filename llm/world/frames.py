"""Frames: sentence templates, and how to parse them.

`{hero} put on {hero.his} hat.` has two holes for one role; `a [cold|windy] night` gives words to choose from. A colon
is followed by the format of a number: `{total:pence}`, `{total:digits}`; the default is words. A question mark is
followed by the skill that the hole tests: `{holder?holder_two:giver}` tests holder_two, with giver as the wrong answer;
by default the wrong answer is another value that the role could have had.

Frames write "a" throughout: it becomes "an" if the next word needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from llm.world.words import number

_PART = re.compile(r"\{(\w+)((?:\.\w+)*)(?::(\w+))?(?:\?(\w+)(?::([\w.]+))?)?\}|\[([^\[\]]*)\]")
BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeiouAEIOU]|honest\b)")
ARTICLE_AT_END = re.compile(r"\b[Aa] $")
STARTS_WITH_VOWEL = re.compile(r"[aeiouAEIOU]|honest\b")
SENTENCE_ENDED = re.compile(r'(?:^"?|[.!?] "?|[.!?]" ")$')


@dataclass(frozen=True)
class Hole:
    """A slot of a frame for a word of a role."""

    role: str
    path: tuple[str, ...] = ()
    style: str = ""
    skill: str = ""
    wrong: str = ""

    def word(self, value: object) -> str:
        """The word in the hole if the role's value is `value`."""
        for attribute in self.path:
            value = getattr(value, attribute)
        if isinstance(value, int):
            return _STYLES[self.style](value)
        return str(value)


@dataclass(frozen=True)
class Choice:
    """A slot of a frame with words to choose from."""

    options: tuple[str, ...]


Part = str | Hole | Choice

_STYLES: dict[str, Callable[[int], str]] = {
    "": number,
    "digits": str,
    "pence": lambda value: "one penny" if value == 1 else f"{number(value)} pence",
}


@cache
def parse(frame: str) -> tuple[Part, ...]:
    """The texts, holes and choices of a frame, in order."""
    parts: list[Part] = []
    end = 0
    for match in _PART.finditer(frame):
        if match.start() > end:
            parts.append(frame[end : match.start()])
        end = match.end()
        role, path, style, skill, wrong, options = match.groups()
        if options is not None:
            parts.append(Choice(tuple(options.split("|"))))
        else:
            parts.append(Hole(role, tuple(path.split(".")[1:]), style or "", skill or "", wrong or ""))
    if end < len(frame):
        parts.append(frame[end:])
    return tuple(parts)


def joined(text: str, more: str) -> str:
    """`text` followed by `more`: with a capital at the start of a sentence, and "an" if the next word needs it."""
    if not more:
        return text
    if "a" <= more[0] <= "z" and SENTENCE_ENDED.search(text):
        more = more[0].upper() + more[1:]
    if "a " in more or "A " in more:  # far faster than the expression, for most texts
        more = BEFORE_VOWEL.sub(r"\1n ", more)
    if STARTS_WITH_VOWEL.match(more) and ARTICLE_AT_END.search(text):
        text = text[:-1] + "n "
    return text + more
