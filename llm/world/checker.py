"""Checks which sentences of a text the world could have produced, and where a story contradicts itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm.world.grammar import Candidates, Pattern, agree, reader
from llm.world.sentences import is_ended, split_sentences, split_stories
from llm.world.telling import Source

_MOST_READINGS = 64  # interpretations of a story tracked at once; dropping one can only add a false contradiction

Readings = list[tuple[Pattern, Candidates]]


@dataclass(frozen=True)
class Sentence:
    """A complete sentence of a text, and whether the world could have produced it."""

    text: str
    well_formed: bool


@dataclass(frozen=True)
class Contradiction:
    """A sentence that the world can produce, but not after the earlier ones in its story; `story` counts from 0."""

    story: int
    sentence: str
    reason: str


@dataclass(frozen=True)
class Check:
    """The result of `check`."""

    sentences: tuple[Sentence, ...]
    contradictions: tuple[Contradiction, ...]

    @property
    def well_formed_fraction(self) -> float:
        """The fraction of complete sentences that are well-formed; 0 if there are none."""
        return sum(sentence.well_formed for sentence in self.sentences) / max(1, len(self.sentences))


def check(text: str) -> Check:
    """Check a text of stories with blank lines between them.

    A sentence is well-formed if some frame of some plot produces it, with the same being or thing in all slots of a
    role: names agree with pronouns, facts are those of the world, sums are correct. An incomplete last sentence is
    ignored. A story contradicts itself where a sentence of its plot (the plot that matches most of its sentences) needs
    another cast or other numbers than the sentences before it, or where a quotation mark is never closed.
    """
    sentences: list[Sentence] = []
    contradictions: list[Contradiction] = []
    stories = split_stories(text)
    for number, story in enumerate(stories):
        told = split_sentences(story)
        is_last = number == len(stories) - 1
        if is_last and not (is_ended(told[-1]) and text.endswith(("\n", ".", "!", "?", '"'))):
            told = told[:-1]
        readings = [reader().read(sentence) for sentence in told]
        sentences += [Sentence(text, bool(found)) for text, found in zip(told, readings, strict=True)]
        for sentence, reason in _contradictions(told, readings):
            contradictions.append(Contradiction(number, sentence, reason))
        if story.count('"') % 2 and not is_last:
            contradictions.append(Contradiction(number, told[-1], "a quotation mark is never closed"))
    return Check(tuple(sentences), tuple(contradictions))


def _contradictions(told: Sequence[str], readings: Sequence[Readings]) -> Iterator[tuple[str, str]]:
    plots = Counter(plot for found in readings for plot in {pattern.plot for pattern, _ in found})
    if not plots:
        return
    plot = min(plots, key=lambda name: (-plots[name], name))
    casts: list[tuple[Candidates, dict[str, Source]]] = [({}, {})]
    for sentence, found in zip(told, readings, strict=True):
        own = [(pattern, candidates) for pattern, candidates in found if pattern.plot == plot]
        if not own:
            continue
        merged = [both for cast in casts for pattern, candidates in own if (both := _merge(cast, pattern, candidates))]
        if merged:
            casts = _different(merged)
        else:
            yield sentence, _reason(casts[0], *own[0])


def _merge(
    cast: tuple[Candidates, dict[str, Source]], pattern: Pattern, candidates: Candidates
) -> tuple[Candidates, dict[str, Source]] | None:
    """The cast, narrowed down by one more sentence, or None if no candidate is left for a role."""
    known, sources = dict(cast[0]), cast[1] | dict(pattern.sources)
    for draw, rows in candidates.items():
        if draw in pattern.lasting:
            known[draw] = known.get(draw, -1) & rows
            if not known[draw]:
                return None
    return (known, sources) if agree(known, sources, pattern.fixed) else None


def _different(casts: list[tuple[Candidates, dict[str, Source]]]) -> list[tuple[Candidates, dict[str, Source]]]:
    unique = {tuple(sorted(known.items())): (known, sources) for known, sources in casts}
    return list(unique.values())[:_MOST_READINGS]


def _reason(cast: tuple[Candidates, dict[str, Source]], pattern: Pattern, candidates: Candidates) -> str:
    known, sources = cast[0], cast[1] | dict(pattern.sources)
    for draw, rows in candidates.items():
        if draw in pattern.lasting and not known.get(draw, -1) & rows:
            return f"{draw.replace('+', ', ')}: {_names(known[draw], sources[draw])}, not {_names(rows, sources[draw])}"
    return "no cast fits these sentences"


def _names(rows: int, source: Source) -> str:
    values = [value for row, value in enumerate(source.pool) if rows >> row & 1]
    words = dict.fromkeys(
        ", ".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value) for value in values
    )
    return " or ".join(list(words)[:3]) + (" or another" if len(words) > 3 else "")
