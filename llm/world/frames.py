"""Frames: sentences with holes, and how to read them.

`{hero} put on {hero.his} hat.` has two holes for one role; `a [cold|windy] night` gives words to choose from. After a
colon stands how a number is written: `{total:pence}`, `{total:digits}`, in words without one. After a question mark
stands what may be asked there: `{holder?holder_two:giver}` asks the skill holder_two, with giver as the wrong answer;
without one, the wrong answer is another of those that could have had the role.

Frames write "a" throughout: it becomes "an" where the next word asks for it.
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
    """A place in a frame where a role's word goes."""

    role: str
    path: tuple[str, ...] = ()
    style: str = ""
    skill: str = ""
    wrong: str = ""

    def word(self, value: object) -> str:
        """What stands in the hole when the role is played by `value`."""
        for attribute in self.path:
            value = getattr(value, attribute)
        if isinstance(value, int):
            return _STYLES[self.style](value)
        return str(value)


@dataclass(frozen=True)
class Choice:
    """A place in a frame with words to choose from."""

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
    """`text` with `more` after it: a capital where a sentence starts, and "an" where the next word asks for it."""
    if not more:
        return text
    if "a" <= more[0] <= "z" and SENTENCE_ENDED.search(text):
        more = more[0].upper() + more[1:]
    more = BEFORE_VOWEL.sub(r"\1n ", more)
    if STARTS_WITH_VOWEL.match(more) and ARTICLE_AT_END.search(text):
        text = text[:-1] + "n "
    return text + more
