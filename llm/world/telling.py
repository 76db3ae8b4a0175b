"""How a plot becomes text: a `Story` holds who plays which role and the sentences told so far.

A frame is one or more whole sentences with roles in braces, `{hero} put on {hero.his} hat.`, and words to choose from
in brackets, `a [cold|windy] night`. Frames write "a" throughout: it becomes "an" where the next word asks for it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeVar

from llm.world.chance import Chance
from llm.world.words import ADULTS, ANIMALS, CHILDREN, PEOPLE, THINGS, Animal, Being, Person, Thing

BeingKind = TypeVar("BeingKind", bound=Being)

_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeiouAEIOU]|honest\b)")
_SENTENCE_START = re.compile(r'(^"?|[.!?] "?|[.!?]" ")([a-z])')

WHEN = (
    "once", "once", "one morning", "one day", "one [bright|windy|cold|misty|rainy|golden] [morning|afternoon]",
    "early [one|last] spring", "last [summer|winter|autumn]", "on [Monday|Tuesday|Wednesday|Thursday|Friday]",
    "long ago", "not long ago", "on the first day of [May|June|April]", "just before [noon|lunch|breakfast]",
)  # fmt: skip

ADULT_FACTS = (
    "{who} was [always|very|rather] {who.trait}.",
    "Everyone knew how {who.trait} {who} was.",
    "{who} worked {who.place.at}, {who.place.where}.",
    "{who} was the only {who.trade} in Pebbleby.",
)
CHILD_FACTS = (
    "{who} was a {who.trait} {who.trade}.",
    "{who} was {who.years} years old and very {who.trait}.",
    "{who} lived with {who.parent}, {who.place.at}.",
)
ANIMAL_FACTS = (
    "{who} was a {who.trait} {who.kind}.",
    "{who} liked {who.food} better than anything.",
    "{who} always slept {who.bed}.",
)


class Story:
    """One story in the making."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.roles: dict[str, object] = {}
        self._lines: list[list[str]] = [[]]
        self.roles["when"] = self.fill(chance.pick(WHEN))

    @property
    def text(self) -> str:
        """Everything told so far; verses and lists stand on lines of their own."""
        return "\n".join(" ".join(line) for line in self._lines if line)

    def set(self, **roles: object) -> None:
        """Give roles to words, numbers in words, places or beings that the plot chose itself."""
        self.roles.update(roles)

    def pick(self, items: Sequence[str]) -> str:
        """One of several texts."""
        return self.chance.pick(items)

    def person(self, role: str, unlike: str = "", pool: Sequence[Person] = PEOPLE) -> Person:
        """Cast a person who has no role yet, with another pronoun than the one in role `unlike`."""
        return self._cast(role, unlike, pool)

    def adult(self, role: str, unlike: str = "") -> Person:
        """Cast a grown-up; see `person`."""
        return self._cast(role, unlike, ADULTS)

    def child(self, role: str, unlike: str = "") -> Person:
        """Cast a child; see `person`."""
        return self._cast(role, unlike, CHILDREN)

    def animal(self, role: str, unlike: str = "", pool: Sequence[Animal] = ANIMALS) -> Animal:
        """Cast an animal; see `person`."""
        return self._cast(role, unlike, pool)

    def thing(self, role: str, pool: Sequence[Thing] = THINGS) -> Thing:
        """Cast an object that has no role yet, and choose its adjective."""
        taken = [other.noun for other in self.roles.values() if isinstance(other, Thing)]
        kind = self.chance.pick([thing for thing in pool if thing.noun not in taken])
        thing = dataclasses.replace(kind, adjective=self.chance.pick(kind.adjectives))
        self.roles[role] = thing
        return thing

    def _cast(self, role: str, unlike: str, pool: Sequence[BeingKind]) -> BeingKind:
        other = self.roles.get(unlike)
        pronoun = other.he if isinstance(other, Being) else None
        taken = list(self.roles.values())
        being = self.chance.pick([being for being in pool if being not in taken and being.he != pronoun])
        self.roles[role] = being
        return being

    def fill(self, frame: str) -> str:
        """A frame with its brackets chosen, its roles filled in, its articles and capitals right."""
        chosen = _ALTERNATIVES.sub(lambda match: self.chance.pick(match[1].split("|")), frame)
        return _tidy(chosen.format_map(self.roles))

    def say(self, *frames: str) -> None:
        """Tell one of these frames."""
        self._lines[-1].append(_capitalised(self.fill(self.chance.pick(frames))))

    def maybe(self, *frames: str) -> None:
        """Tell one of these frames, or nothing."""
        if self.chance.happens():
            self.say(*frames)

    def about(self, role: str) -> None:
        """Now and then, tell a fact that holds in the whole world about whoever plays `role`."""
        if self.chance.happens(0.35):
            being = self.roles[role]
            facts = ANIMAL_FACTS if isinstance(being, Animal) else CHILD_FACTS if being in CHILDREN else ADULT_FACTS
            self.say(*(fact.replace("{who", "{" + role) for fact in facts))

    def line(self, *frames: str) -> None:
        """Tell one of these frames on a line of its own."""
        self._lines.append([_capitalised(self.fill(self.chance.pick(frames)))])
        self._lines.append([])

    def verse(self, first: str, second: str) -> None:
        """Two rhymed lines, sung or written by someone."""
        self._lines.append([f'"{_capitalised(self.fill(first))}'])
        self._lines.append([f'{self.fill(second)}"'])
        self._lines.append([])


def _tidy(text: str) -> str:
    return _BEFORE_VOWEL.sub(r"\1n ", text)


def _capitalised(text: str) -> str:
    return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)
