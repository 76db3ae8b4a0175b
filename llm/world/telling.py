"""How a plot becomes text: a `Story` holds the values of the roles and the sentences so far.

The sentences are frames (see `frames`). Every role has a source: the values that it could have had, and the roles that
were chosen together with it. From these the checker knows every sentence that a plot could have produced, and the
probes know which words are possible in a hole and which are not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeVar

from llm.world.chance import Chance, Item
from llm.world.facts import FACTS, WHEN
from llm.world.frames import Choice, Hole, joined, parse
from llm.world.names import invent
from llm.world.tables import Row, Table
from llm.world.words import ADULTS, ANIMALS, CHILDREN, PEOPLE, THINGS, Animal, Being, Person, Stranger, Thing

BeingKind = TypeVar("BeingKind", bound=Being)


@dataclass(frozen=True)
class Source:
    """Where a role's value came from: one row of `pool`, in which the role is `column` (or the row itself)."""

    draw: str  # roles of one draw share a row
    pool: Sequence[object]
    column: str = ""
    unlike: str = ""  # the role whose pronoun this one's must differ from

    @cached_property
    def key(self) -> object:
        """Equal for sources with the same possible values."""
        pool = id(self.pool) if self.column else tuple(map(str, self.pool))
        return self.draw, self.column, self.unlike, pool

    def values(self) -> list[object]:
        """The possible values of the role."""
        return [row[self.column] for row in self.pool] if self.column else list(self.pool)  # type: ignore[index]


WHEN_SOURCE = Source("when", WHEN)


@dataclass(frozen=True)
class Question:
    """A hole that tests a skill: the story before it, the right word, and the wrong one."""

    skill: str
    context: str
    right: str
    wrong: str


class Story:
    """A story being told, in which nobody has a name of `taken`. With `asking`, it collects this skill's questions."""

    def __init__(self, chance: Chance, asking: str = "", taken: Collection[str] = ()) -> None:
        self.chance = chance
        self.names: set[str] = set()  # invented for this story
        self.roles: dict[str, object] = {}
        self.sources: dict[str, Source] = {"when": WHEN_SOURCE}
        self.redrawn: set[str] = set()  # draws made more than once, so not fixed for the whole story
        self.questions: list[Question] = []
        self.frames: set[str] = set()  # the frames told so far
        self._asking = asking
        self._taken = taken
        self._chosen: dict[str, tuple[Sequence[object], object]] = {}  # draw → the options and the choice
        self._told: dict[str, list[tuple[Hole, str]]] = {}  # draw → the holes that it filled, with their columns
        self._lines: list[list[str]] = [[]]

    @property
    def text(self) -> str:
        """The text so far; verses and lists are on separate lines."""
        return "\n".join(" ".join(line) for line in self._lines if line)

    @property
    def hidden_bits(self) -> float:
        """The information of the choices that is not visible: Σ log2 (choices that fill the holes alike)."""
        bits = 0.0
        for draw, (pool, chosen) in self._chosen.items():
            holes = self._told.get(draw, [])
            words = _words_told(holes, chosen)
            bits += math.log2(sum(_words_told(holes, other) == words for other in pool))
        return bits

    def put(self, role: str, value: object, pool: Sequence[object] = ()) -> None:
        """Give a role a value that the plot chose itself, from a pool or as the only option."""
        self._note(role, value, Source(role, pool or (value,)))

    def choose(self, role: str, *options: object) -> None:
        """Give a role one of these words, or places, or beings."""
        self.put(role, self.chance.pick(options), options)
        self._chosen[role] = (options, self.roles[role])

    def several(self, roles: str, options: Sequence[object]) -> None:
        """Give each of these roles (separated by spaces) a different one of these options."""
        names = roles.split()
        for role, option in zip(names, self.chance.several(options, len(names)), strict=True):
            self.put(role, option, options)

    def draw(self, rows: Table, tag: str = "") -> Row:
        """Choose a row: each column becomes a role, with `tag` appended to its name."""
        row = self.chance.pick(rows)
        self.put_row(row, rows, tag)
        self._chosen["+".join(row) + tag] = (rows, row)
        return row

    def put_row(self, row: Row, rows: Table, tag: str = "") -> None:
        """The roles of a row that the plot chose itself."""
        draw = "+".join(row) + tag
        for column, value in row.items():
            self._note(column + tag, value, Source(draw, rows, column))

    def person(self, role: str, unlike: str = "", pool: Sequence[Person] = PEOPLE) -> Person:
        """Cast a person without a role, with a different pronoun than the person in role `unlike`."""
        return self._cast(role, unlike, pool)

    def adult(self, role: str, unlike: str = "") -> Person:
        """Cast an adult; see `person`."""
        return self._cast(role, unlike, ADULTS)

    def child(self, role: str, unlike: str = "") -> Person:
        """Cast a child; see `person`."""
        return self._cast(role, unlike, CHILDREN)

    def stranger(self, role: str) -> None:
        """Cast someone with a name that is invented for this story."""
        name = invent(self.chance, self._taken, self.names)
        self.names.add(name)
        self._note(role, Stranger(name), Source(role, (Stranger(),)))

    def animal(self, role: str, unlike: str = "", pool: Sequence[Animal] = ANIMALS) -> Animal:
        """Cast an animal; see `person`."""
        return self._cast(role, unlike, pool)

    def thing(self, role: str, pool: Sequence[Thing] = THINGS) -> Thing:
        """Cast an object without a role, and choose its adjective."""
        taken = [other.noun for other in self.roles.values() if isinstance(other, Thing)]
        kind = self._one_of([thing for thing in pool if thing.noun not in taken])
        thing = dataclasses.replace(kind, adjective=self.chance.pick(kind.adjectives))
        self.put(role, thing, _with_adjectives(tuple(pool)))
        self._chosen[role] = (_with_adjectives((kind,)), thing)
        return thing

    def _cast(self, role: str, unlike: str, pool: Sequence[BeingKind]) -> BeingKind:
        other = self.roles.get(unlike)
        pronoun = other.he if isinstance(other, Being) else None
        taken = list(self.roles.values())
        being = self._one_of([being for being in pool if being not in taken and being.he != pronoun])
        self._note(role, being, Source(role, pool, unlike=unlike))
        return being

    def _one_of(self, items: Sequence[Item]) -> Item:
        """Choose one, the first most often, like the main characters of a village; for probes, all equally often."""
        return self.chance.pick(items) if self._asking else self.chance.favour(items)

    def _note(self, role: str, value: object, source: Source) -> None:
        if role in self.roles:
            self.redrawn.add(source.draw)
        self.roles[role] = value
        self.sources[role] = source

    def say(self, *frames: str) -> None:
        """Tell one of these frames, the first most often."""
        self._tell(frames, own_line=False)

    def maybe(self, *frames: str) -> None:
        """Tell one of these frames, or nothing."""
        if self.chance.happens():
            self.say(*frames)

    def in_any_order(self, *parts: Callable[[Story], None]) -> None:
        """Tell these parts of a plot in random order."""
        for part in self.chance.several(parts, len(parts)):
            part(self)

    def about(self, role: str) -> None:
        """Now and then, tell a fact of the world about the being in `role`."""
        if self._asking == "facts" or self.chance.happens(0.08):
            being = self.roles[role]
            kind = "animal" if isinstance(being, Animal) else "child" if being in CHILDREN else "adult"
            self.say(*(fact.replace("who", role) for fact in FACTS[kind]))

    def line(self, *frames: str) -> None:
        """Tell one of these frames on a separate line."""
        self._tell(frames, own_line=True)

    def verse(self, rhymes: Table, tag: str = "") -> None:
        """Choose two rhymed lines that were not told before: columns first and second of a table."""
        told = self.roles.values()
        fresh = [row for row in rhymes if row["first"] not in told and row["second"] not in told]
        self.put_row(self.chance.pick(fresh), rhymes, tag)
        self.line(f'"{{first{tag}}}\n{{second{tag}}}"')

    def _tell(self, frames: Sequence[str], own_line: bool) -> None:
        before = self.text + ("\n" if own_line or not self._lines[-1] else " ") if self._asking else ""
        frame = self.chance.favour(frames, evenly=2)
        self.frames.add(frame)
        told = self._filled(frame, before.lstrip())
        if own_line:
            self._lines += [[told], []]
        else:
            self._lines[-1].append(told)

    def _filled(self, frame: str, before: str) -> str:
        text = ""
        parts = parse(frame)
        for index, part in enumerate(parts):
            if isinstance(part, str):
                text = joined(text, part)
            elif isinstance(part, Choice):
                text = joined(text, self.chance.favour(part.options))
            else:
                source = self.sources[part.role]
                self._told.setdefault(source.draw, []).append((part, source.column))
                after = joined(text, part.word(self._value(part.role)))
                if part.skill and part.skill == self._asking:
                    following = parts[index + 1] if index + 1 < len(parts) else ""
                    self._ask(part, before, text, following if isinstance(following, str) else "")
                text = after
        return text

    def _value(self, role: str) -> object:
        if role == "when" and role not in self.roles:
            self.choose("when", *WHEN)
        return self.roles[role]

    def _ask(self, hole: Hole, before: str, text: str, following: str) -> None:
        """Record this hole's question; the following mark ends the word, so that "six" is not half of "sixteen"."""
        right = hole.word(self.roles[hole.role])
        if hole.wrong:
            role, *path = hole.wrong.split(".")
            wrong = Hole(role, tuple(path) or hole.path, hole.style).word(self.roles[role])
        else:
            wrong = self._another(hole, right)
        if wrong == right or joined(text, wrong)[: len(text)] != joined(text, right)[: len(text)]:
            return
        mark = following[:1] if following[:1] in ",.!?" else ""
        start = len(text)
        question = Question(
            hole.skill, before + text, joined(text, right)[start:] + mark, joined(text, wrong)[start:] + mark
        )
        self.questions.append(question)

    def _another(self, hole: Hole, right: str) -> str:
        """The wrong word for a right one: words are paired, so that each is right as often as wrong."""
        words = words_of(hole, tuple(self.sources[hole.role].values()))
        place = words.index(right) ^ 1
        return words[place] if place < len(words) else right


def _words_told(holes: Sequence[tuple[Hole, str]], row: object) -> list[str]:
    return [hole.word(row[column] if column else row) for hole, column in holes]  # type: ignore[index]


@cache
def words_of(hole: Hole, values: tuple[object, ...]) -> list[str]:
    """The distinct words that these values give in a hole, in order."""
    return list(dict.fromkeys(word for word in map(hole.word, values) if word))


@cache
def _with_adjectives(pool: tuple[Thing, ...]) -> tuple[Thing, ...]:
    return tuple(dataclasses.replace(kind, adjective=adjective) for kind in pool for adjective in kind.adjectives)
