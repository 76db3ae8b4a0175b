"""Probes: minimal pairs for each skill, taken from stories that do not occur in the default text.

Frames mark the words that test a skill (see `frames`). Stories are generated until there are enough questions. These
are then matched in twos with the same last word and the same two answers, of which one is right in the first question
and the other in the second. A model that only knows word or word-pair frequencies is therefore right in exactly
one of the two.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from llm.world.chance import Chance
from llm.world.frames import Hole, parse
from llm.world.grammar import Listener
from llm.world.plots import PLOTS, Plot
from llm.world.sentences import split_stories
from llm.world.stories import draw_plot, generate
from llm.world.telling import Question, Story

SKILLS: dict[str, str] = {
    "articles": "a or an, depending on the next word",
    "quotation_marks": "a closing quotation mark, if someone is speaking",
    "names": "the name of the person who was just spoken to, or who must come next",
    "objects": "the object that the story is about, named again",
    "pronouns": "he or she, his or her: as used for this person before",
    "agreement": "was or were, with a noun of the other number in between: the doors of the barn were",
    "tenses": "bakes or baked, depending on the day that was named",
    "answers": "the answer to this question, not to another one",
    "riddles": "the solution of the riddle",
    "facts": "facts of this world that this story has not mentioned yet: what someone is, likes or does",
    "recall": "which of three dishes was eaten on which day",
    "places": "where an object or a person is, out of three places that were named",
    "holder_one": "who has the object after it changed hands once",
    "holder_two": "who has the object after it changed hands twice",
    "holder_three": "who has the object after it changed hands three times",
    "days": "the next day of the week",
    "counting": "the next number when counting",
    "sizes": "who is the tallest or the lightest of three, from two comparisons",
    "small_sums": "the sum or difference of two numbers below ten",
    "large_sums": "sums above ten, of numbers with one or two digits",
    "rhymes": "the word that rhymes with the previous line",
}
PLAIN_NAMES: dict[str, str] = {
    "articles": "a or an",
    "quotation_marks": "closing quotation marks",
    "names": "who is meant",
    "objects": "what the story is about",
    "pronouns": "he or she",
    "agreement": "was or were",
    "tenses": "bakes or baked",
    "answers": "the answer to a question",
    "riddles": "solving riddles",
    "facts": "knowing this world",
    "recall": "what was eaten when",
    "places": "where something is",
    "holder_one": "who has it, 1 change",
    "holder_two": "who has it, 2 changes",
    "holder_three": "who has it, 3 changes",
    "days": "the next day",
    "counting": "counting on",
    "sizes": "who is the tallest",
    "small_sums": "sums below ten",
    "large_sums": "larger sums",
    "rhymes": "rhymes",
}  # of SKILLS, for pages and the terminal
# Looking up the last twenty characters of the context in the default text answers most of these, as is measured by
# tests/world/test_skills.py::test_easy_skills_are_those_that_a_look_up_of_the_last_characters_solves.
EASY = frozenset({"articles", "quotation_marks", "agreement", "answers"})

_START = 120  # characters: contexts that begin like a story of the default text are not used
_SKIP = 1_000_003  # so that probes use other seeds than texts
_NOUNS = 20  # limits how often the same noun after an article is tested
_TELLINGS = 20  # stories of each plot, to find the skills that it tests


@dataclass(frozen=True)
class Probe:
    """A minimal pair: after `context`, the world can continue with `right` but not with `wrong`."""

    context: str
    right: str
    wrong: str


def probes(skill: str, seed: int = 0) -> Iterator[Probe]:
    """An endless stream of minimal pairs for one of SKILLS.

    Every second pair mirrors the one before: the same two continuations, with the other one right.

    Raises:
        ValueError: the skill is unknown, or the seed is negative.
    """
    if skill not in SKILLS:
        raise ValueError(f"skill must be one of {', '.join(SKILLS)}, got {skill!r:.80}")
    if seed < 0:
        raise ValueError(f"seed must be an integer of 0 or more, got {seed}")
    return _matched(skill, seed)


def _matched(skill: str, seed: int) -> Iterator[Probe]:
    waiting: dict[tuple[str, str, str], list[Probe]] = defaultdict(list)
    seen: set[str] = set()
    for question in _questions(skill, Chance(_SKIP * (seed + 1))):
        probe = _probe(question)
        if probe.context in seen or _is_told(probe.context):
            continue
        seen.add(probe.context)
        right, wrong, last = _key(skill, probe)
        mirrors = waiting[wrong, right, last]
        if mirrors:
            yield mirrors.pop(0)
            yield probe
        else:
            waiting[right, wrong, last].append(probe)


def _key(skill: str, probe: Probe) -> tuple[str, str, str]:
    if skill == "articles":
        return probe.right.split()[0], probe.wrong.split()[0], ""
    return probe.right, probe.wrong, re.split(r"[ \n]", probe.context)[-1]


def _probe(question: Question) -> Probe:
    """Move the space between two words to the second one, as in most tokenizers."""
    context = question.context
    if context.endswith(" "):
        return Probe(context[:-1], " " + question.right, " " + question.wrong)
    return Probe(context, question.right, question.wrong)


def _questions(skill: str, chance: Chance) -> Iterator[Question]:
    """Questions from the plots that test this skill, each plot as often as in the text."""
    plots = _plots_that_ask().get(skill, list(PLOTS))
    asked: Counter[str] = Counter()
    while True:
        plot = draw_plot(chance)
        if plot not in plots:
            continue
        story = Story(chance, asking=skill)
        plot(story)
        if skill == "articles":
            for question in _articles(story.text):
                if asked[question.right] <= asked.total() // _NOUNS:
                    asked[question.right] += 1
                    yield question
        elif skill == "quotation_marks":
            yield from _quotation_marks(story.text)
        else:
            yield from story.questions


def _articles(story: str) -> Iterator[Question]:
    for match in re.finditer(r" (an?) [a-z]+", story):
        right = match[0]
        wrong = right.replace(" an ", " a ", 1) if match[1] == "an" else right.replace(" a ", " an ", 1)
        yield Question("articles", story[: match.start()], right, wrong)


def _quotation_marks(story: str) -> Iterator[Question]:
    """Questions at ends of sentences, before someone else starts to speak or the story ends."""
    for match in re.finditer(r'\.("?)( "|$)', story):
        plain, closing = "." + (match[2] or "\n\n"), '."' + (match[2] or "\n\n")
        right, wrong = (closing, plain) if match[1] else (plain, closing)
        yield Question("quotation_marks", story[: match.start()], right, wrong)


def _is_told(context: str) -> bool:
    """Whether a story of the default text begins like this one."""
    start = context[:_START]
    nearest = bisect.bisect_left(_starts(), start)
    return nearest < len(_starts()) and _starts()[nearest].startswith(start)


@lru_cache(maxsize=1)
def _starts() -> list[str]:
    """The beginnings of the stories of the default text, sorted."""
    return sorted(story[:_START] for story in split_stories(generate()))


@lru_cache(maxsize=1)
def _plots_that_ask() -> dict[str, list[Plot]]:
    """The plots that test each skill in one of their frames, by skill."""
    plots: dict[str, list[Plot]] = defaultdict(list)
    for plot in PLOTS:
        skills: set[str] = set()
        for seed in range(_TELLINGS):
            listener = Listener(Chance(seed), plot.__name__)
            plot(listener)
            for told in listener.heard:
                skills |= {part.skill for part in parse(told.frame) if isinstance(part, Hole)}
        for skill in skills - {""}:
            plots[skill].append(plot)
    return plots


@lru_cache(maxsize=256)
def first_probes(skill: str, count: int, seed: int = 0) -> tuple[Probe, ...]:
    """The first `count` pairs of `probes`, cached."""
    return tuple(itertools.islice(probes(skill, seed), count))
