"""Names that are invented for one story: Halmiro, Lotovin and Pibojen are in no other.

Nothing can be known of such a name in advance: to write it again, one has to look it up in the story.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence

from llm.world.chance import Chance

SYLLABLES = (
    "bel", "bin", "bo", "dan", "dor", "du", "fen", "fi", "fol", "gal", "go", "hal", "jen", "jo", "ka", "kel", "kin",
    "lan", "lo", "lum", "mar", "mel", "mi", "mon", "na", "nel", "nor", "pi", "rel", "ro", "san", "so", "tal", "ten",
    "to", "va", "vin", "vo", "win", "zel",
)  # fmt: skip
SIGN = "\u2606"  # stands for any invented name
_ANY = "|".join(SYLLABLES)
INVENTED = re.compile(rf"\b({'|'.join(map(str.capitalize, SYLLABLES))})({_ANY})({_ANY})\b")
_ATTEMPTS = 1_000  # to find a name that is not taken


def invent(chance: Chance, taken: Collection[str], beside: Collection[str]) -> str:
    """A name of three syllables that is not in `taken`, as long as there are many others.

    To be told apart, the names `beside` it begin with other letters.
    """
    bits = chance.bits
    letters = {other[0] for other in beside}
    for _ in range(_ATTEMPTS):
        chance.bits = bits  # a name that is not used does not count
        syllables = [chance.pick(SYLLABLES) for _ in range(3)]
        name = "".join(syllables).capitalize()
        if name not in taken and name[0] not in letters and _is_easy_to_say(syllables):
            break
    return name


def _is_easy_to_say(syllables: Sequence[str]) -> bool:
    """No two begin with the same letter, and no two in a row end in a consonant."""
    closed = [syllable[-1] not in "aeiou" for syllable in syllables]
    return len({syllable[0] for syllable in syllables}) == len(syllables) and not any(
        map(all, itertools.pairwise(closed))
    )


def name_number(name: re.Match[str]) -> int:
    """The number of a match of `INVENTED`, from 0."""
    number = 0
    for syllable in name.groups():
        number = number * len(SYLLABLES) + SYLLABLES.index(syllable.lower())
    return number
