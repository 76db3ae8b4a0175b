"""Every sentence that the plots can produce: their frames, split into sentences, with the possible words of each hole.

It is derived from the plots themselves. A `Listener` is a story that records every frame offered to it, chosen or not,
and the sources of its roles; each plot is run with listeners until no new frame appears. The candidates for a role are
the bits of an integer, one per row of its source, so that "she" keeps only women and "the mill" keeps only Tom.
A stranger can have any invented name: its candidates are bits, too, one per name.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import NamedTuple

from llm.world.chance import Chance
from llm.world.frames import Choice, Hole, Part, joined, parse
from llm.world.names import INVENTED, SIGN, name_number
from llm.world.plots import ALL_PLOTS
from llm.world.sentences import split_sentences, without_articles
from llm.world.telling import Source, Story
from llm.world.words import WORD, Being, Stranger, Thing

_SENTENCE_MARK = re.compile(r"[.?!]")
_QUIET_TELLINGS = 40  # a plot is complete when this many runs bring no new frame

Candidates = dict[str, int]  # draw → one bit for each row that is still possible


class Heard(NamedTuple):
    """A frame, in its plot, with the sources of its roles."""

    plot: str
    frame: str
    sources: tuple[tuple[str, Source], ...]
    fixed: tuple[str, ...]  # names that this story gave to roles


class Listener(Story):
    """A story that records the frames it is offered."""

    def __init__(self, chance: Chance, plot: str) -> None:
        super().__init__(chance)
        self._plot = plot
        self.heard: list[Heard] = []

    def _tell(self, frames: Sequence[str], own_line: bool) -> None:
        fixed = tuple(str(source.pool[0]) for source in self.sources.values() if _is_fixed(source))
        for frame in frames:
            roles = dict.fromkeys(part.role for part in parse(frame) if isinstance(part, Hole))
            sources = tuple((role, self.sources[role]) for role in roles)
            self.heard.append(Heard(self._plot, frame, sources, fixed))
        super()._tell(frames, own_line)


@dataclass(frozen=True)
class Slot:
    """A hole of a pattern: its possible words, and the candidates that each word leaves."""

    draw: str
    words: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Pattern:
    """A sentence of a frame: texts and slots, and the constraints between its draws."""

    plot: str
    parts: tuple[str | Slot, ...]
    start: tuple[tuple[str, int], ...]  # candidates before reading
    sources: tuple[tuple[str, Source], ...] = field(compare=False)  # of each draw
    fixed: tuple[str, ...]
    lasting: frozenset[str] = field(compare=False)  # draws that are fixed for the whole story

    def read(self, sentence: str) -> Iterator[Candidates]:
        """Each way in which this pattern matches the sentence."""
        for found in _read(self.parts, 0, sentence, 0, dict(self.start)):
            if agree(found, dict(self.sources), self.fixed):
                yield found


def _read(parts: Sequence[str | Slot], index: int, text: str, place: int, found: Candidates) -> Iterator[Candidates]:
    while index < len(parts) and isinstance(part := parts[index], str):
        if not text.startswith(part, place):
            return
        place += len(part)
        index += 1
    if index == len(parts):
        if place == len(text):
            yield found
        return
    slot = parts[index]
    assert isinstance(slot, Slot)
    before = found.get(slot.draw, -1)
    for word, candidates in slot.words:
        end = place + len(word)
        if word == SIGN:
            name = INVENTED.match(text, place)
            if name is None:
                continue
            candidates, end = 1 << name_number(name), name.end()
        elif not text.startswith(word, place):
            continue
        if before & candidates:
            yield from _read(parts, index + 1, text, end, {**found, slot.draw: before & candidates})


def agree(found: Candidates, sources: dict[str, Source], fixed: Sequence[str]) -> bool:
    """Whether a cast is possible: nobody plays two roles, and pronouns differ where the plot requires it."""
    strangers = [bit for draw, bit in found.items() if draw in sources and _is_stranger(sources[draw])]
    if len(set(strangers)) < len(strangers):
        return False
    known: dict[str, list[Being | Thing]] = {}
    for draw, candidates in found.items():
        source = sources.get(draw)
        if source is not None and not source.column and isinstance(source.pool[0], (Being, Thing)):
            known[draw] = [value for row, value in enumerate(source.pool) if candidates >> row & 1]  # type: ignore
    taken = set(fixed)
    for draw, values in known.items():
        name = str(values[0])
        if all(str(value) == name for value in values) and not _is_fixed(sources[draw]):
            if name in taken:
                return False
            taken.add(name)
        others = known.get(sources[draw].unlike, [])
        if others and len({being.he for being in [*values, *others]}) == 1:  # type: ignore[union-attr]
            return False
    return True


def _is_stranger(source: Source) -> bool:
    return not source.column and isinstance(source.pool[0], Stranger)


def _is_fixed(source: Source) -> bool:
    return len(source.pool) == 1 and isinstance(source.pool[0], Being)


@lru_cache(maxsize=1)
def grammar() -> tuple[Pattern, ...]:
    """Every sentence that the plots can produce, as patterns."""
    patterns: dict[Pattern, None] = {}
    for plot in ALL_PLOTS:
        heard: dict[object, Heard] = {}
        redrawn: set[str] = set()
        quiet = 0
        for seed in itertools.count():
            listener = Listener(Chance(seed), plot.__name__)
            plot(listener)
            redrawn |= listener.redrawn
            before = len(heard)
            heard.update((_key(told), told) for told in listener.heard)
            quiet = quiet + 1 if len(heard) == before else 0
            if quiet == _QUIET_TELLINGS:
                break
        for told in heard.values():
            patterns.update(dict.fromkeys(_patterns(told, redrawn)))
    return tuple(patterns)


def _key(heard: Heard) -> object:
    return heard.frame, tuple((role, source.key) for role, source in heard.sources), heard.fixed


def _patterns(heard: Heard, redrawn: set[str]) -> Iterator[Pattern]:
    sources = dict(heard.sources)
    for parts, start in _unfolded(parse(heard.frame), sources):
        slots: list[Slot] = []
        text = ""
        for part in parts:
            if isinstance(part, str):
                text = joined(text, part)
                continue
            slot = _slot(part, sources, capital=joined(text, "x").endswith("X"), tag=len(slots))
            capitals = {word[0].isupper() or word == SIGN for word, _ in slot.words}
            sign = chr((0xF000 if capitals == {True} else 0xE000) + len(slots))
            slots.append(slot)
            text += sign
        for sentence in split_sentences(text):
            plain = without_articles(sentence)
            assert plain is not None, sentence
            own = tuple(_cut(plain, slots))
            draws = {part.draw for part in own if isinstance(part, Slot)} | set(start)
            yield Pattern(
                heard.plot,
                own,
                tuple(start.items()),
                tuple((source.draw, source) for source in sources.values() if source.draw in draws),
                heard.fixed,
                frozenset(source.draw for source in sources.values() if source.draw not in redrawn),
            )


def _cut(text: str, slots: list[Slot]) -> Iterator[str | Slot]:
    literal = ""
    for sign in text:
        if 0xE000 <= ord(sign) <= 0xF8FF:
            if literal:
                yield literal
            literal = ""
            yield slots[ord(sign) & 0xFFF]
        else:
            literal += sign
    if literal:
        yield literal


def _unfolded(parts: Sequence[Part], sources: dict[str, Source]) -> Iterator[tuple[tuple[Part, ...], Candidates]]:
    """The frame with each word that contains whole sentences expanded, and the row that it leaves."""
    for part in parts:
        if isinstance(part, Hole):
            source = sources[part.role]
            values = source.values()
            if isinstance(values[0], str) and any(_SENTENCE_MARK.search(part.word(value)) for value in values):
                for row in range(len(values)):
                    rest = [
                        other.word(sources[other.role].values()[row])
                        if isinstance(other, Hole) and sources[other.role].draw == source.draw
                        else other
                        for other in parts
                    ]
                    yield from ((more, {**start, source.draw: 1 << row}) for more, start in _unfolded(rest, sources))
                return
    yield tuple(parts), {}


def _slot(part: Hole | Choice, sources: dict[str, Source], capital: bool, tag: int) -> Slot:
    if isinstance(part, Choice):
        return Slot(f"choice {tag}", _words(part.options, capital))
    source = sources[part.role]
    return Slot(source.draw, _words(tuple(part.word(value) for value in source.values()), capital))


@cache
def _words(words: tuple[str, ...], capital: bool) -> tuple[tuple[str, int], ...]:
    candidates: dict[str, int] = defaultdict(int)
    for row, word in enumerate(words):
        if not word:
            continue  # no such fact: an adult has no age
        word = word[0].upper() + word[1:] if capital else word
        plain = without_articles(word)
        candidates[plain if plain is not None else word] |= 1 << row
    return tuple(candidates.items())


class Reader:
    """Finds the patterns that match a sentence, by the rarest word that each of them always contains."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        words = [
            {word for part in pattern.parts if isinstance(part, str) for word in _whole_words(part)}
            for pattern in patterns
        ]
        counts = Counter(itertools.chain.from_iterable(words))
        self._by_word: dict[str, list[Pattern]] = defaultdict(list)
        for pattern, own in zip(patterns, words, strict=True):
            self._by_word[min(own, key=lambda word: (counts[word], word)) if own else ""].append(pattern)

    def read(self, sentence: str) -> list[tuple[Pattern, Candidates]]:
        """Every pattern that matches this sentence, with the candidates that it leaves for the roles."""
        plain = without_articles(sentence)
        if plain is None:
            return []
        words = dict.fromkeys(["", *WORD.findall(plain)])
        return [
            (pattern, found)
            for word in words
            for pattern in self._by_word.get(word, ())
            for found in pattern.read(plain)
        ]


def _whole_words(literal: str) -> list[str]:
    """The words of a text that are not cut off by a slot at its ends."""
    return [match[0] for match in WORD.finditer(literal) if match.start() > 0 and match.end() < len(literal)]


@lru_cache(maxsize=1)
def reader() -> Reader:
    """The reader of all plots, built when first needed."""
    return Reader(grammar())
