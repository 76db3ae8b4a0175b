"""Contrasts: two texts of the world that differ in one element, and must continue differently because of it.

They are made from the ends of probes (see `asking`) that contain a single clue, by replacing it: a name by one with the
other pronoun, "Long ago" by "These days".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from llm.world.asking import Probe, first_probes
from llm.world.checker import check
from llm.world.sentences import split_sentences
from llm.world.words import ADULTS, ANIMALS, CHILDREN

_GROUPS = (ADULTS, CHILDREN, ANIMALS)  # a name is replaced by another of the same group
_BEINGS = {being.name: (being, group) for group in _GROUPS for being in group}
_NAMES = re.compile(rf"\b({'|'.join(_BEINGS)})\b")
_TITLES = "|".join([person.trade for person in ADULTS] + [animal.kind for animal in ANIMALS])
_OTHER_CLUES = re.compile(rf"\b(he|she|him|her|his|himself|herself|boy|girl|the ({_TITLES}))\b", re.IGNORECASE)
_PROBES = 60  # probes of each skill that are searched


@dataclass(frozen=True)
class Contrast:
    """`clean` continues with `right`, `corrupt` with `wrong`."""

    clean: str
    corrupt: str
    right: str
    wrong: str


def contrasts(skill: str) -> Iterator[Contrast]:
    """The contrasts of one of CONTRASTS, without duplicates.

    Raises:
        ValueError: an unknown skill.
    """
    if skill not in CONTRASTS:
        raise ValueError(f"skill must be one of {', '.join(CONTRASTS)}, got {skill!r:.80}")
    seen = set()
    for one in CONTRASTS[skill](first_probes(skill, _PROBES)):
        if one not in seen:
            seen.add(one)
            yield one


def _by_name(probes: tuple[Probe, ...]) -> Iterator[Contrast]:
    """From the last two sentences: their only name, replaced by each name of its group with the other pronoun."""
    for probe in probes:
        end = " ".join(split_sentences(probe.context)[-2:])
        names = set(_NAMES.findall(end))
        if len(names) != 1 or _OTHER_CLUES.search(end):
            continue
        being, group = _BEINGS[names.pop()]
        for other in group:
            exchanged = _NAMES.sub(other.name, end)
            if other.he != being.he and all(sentence.well_formed for sentence in check(exchanged).sentences):
                yield Contrast(end, exchanged, probe.right, probe.wrong)


def _by_time(probes: tuple[Probe, ...]) -> Iterator[Contrast]:
    """Pairs of probes about one person: what they did long ago, and what they do now."""
    ends = [(split_sentences(probe.context)[-1], probe) for probe in probes]
    for (end, probe), (other_end, other) in itertools.permutations(ends, 2):
        mirrored = (probe.right, probe.wrong) == (other.wrong, other.right)
        if mirrored and all(one.count(", ") == 1 for one in (end, other_end)) and _person(end) == _person(other_end):
            yield Contrast(end, other_end, probe.right, probe.wrong)


def _person(end: str) -> str:
    return end.partition(", ")[2]


CONTRASTS = {"pronouns": _by_name, "tenses": _by_time}
