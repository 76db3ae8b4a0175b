"""Names that are invented for one story: Zobula, Dankitor and Kusmobel are in no other.

Nothing can be known of such a name in advance: to write it again, one has to look it up in the story.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from llm.world.chance import Chance

SYLLABLES = (
    "bel", "bo", "bu", "dan", "dor", "fi", "gel", "gus", "ka", "ki", "kus", "la", "lo", "mer", "mi", "mo", "nor", "nu",
    "pan", "pe", "rel", "ru", "san", "so", "tim", "tor", "tus", "va", "vel", "zo",
)  # fmt: skip
SIGN = "\u2606"  # stands for any invented name
_ANY = "|".join(SYLLABLES)
INVENTED = re.compile(rf"\b({'|'.join(map(str.capitalize, SYLLABLES))})({_ANY})({_ANY})\b")
_ATTEMPTS = 1_000  # to find a name that is not taken


def invent(chance: Chance, *taken: Collection[str]) -> str:
    """A name of three syllables that is in none of `taken`, as long as there are many others."""
    bits = chance.bits
    for _ in range(_ATTEMPTS):
        chance.bits = bits  # a name that is taken does not count
        name = "".join(chance.pick(SYLLABLES) for _ in range(3)).capitalize()
        if not any(name in names for names in taken):
            break
    return name


def name_number(name: re.Match[str]) -> int:
    """The number of a match of `INVENTED`, from 0."""
    number = 0
    for syllable in name.groups():
        number = number * len(SYLLABLES) + SYLLABLES.index(syllable.lower())
    return number
