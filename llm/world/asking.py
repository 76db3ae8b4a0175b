"""Probes: minimal pairs for each skill, taken from stories that occur in no training text.

A frame marks where it asks for a skill (see `frames`). Stories are generated until enough questions have come up; then
the pairs are matched in twos, so that in one of them the first word is right and the second wrong, and in the other the
reverse, after the same last word. A model that only knows word or word-pair frequencies is therefore right in exactly
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
    "articles": "a or an, as the next word asks for it (easy: the two words decide, so a bigram model can do it)",
    "quotation_marks": "whether the speech that ends here needs its closing mark, or nobody is speaking",
    "names": "the name of the one who was just spoken to, or who is next by the sense of it",
    "objects": "the thing that the story is about, said again",
    "pronouns": "he or she, his or her: as it was with this person before",
    "agreement": "was or were, with a noun of another number in between: the doors of the barn were",
    "tenses": "bakes or baked: as the day that was named asks for it",
    "answers": "the answer to this question and not to another",
    "riddles": "what it is that the riddle means",
    "facts": "what is always so in this world, told in this story for the first time: what someone is, likes, does",
    "recall": "which of three dishes belonged to which day",
    "places": "where a thing or a person is, out of three places that were named",
    "holder_one": "who has the thing after it changed hands once",
    "holder_two": "who has the thing after it changed hands twice",
    "holder_three": "who has the thing after it changed hands three times",
    "days": "the day that comes next",
    "counting": "the number that comes next",
    "sizes": "who is the tallest or the lightest of three, from two comparisons",
    "small_sums": "the sum or the difference of two numbers below ten",
    "large_sums": "sums that go beyond ten, of numbers with one or two digits",
    "rhymes": "the word that rhymes with the line before",
}
EASY = frozenset({"articles"})  # a bigram model can do these

_START = 120  # characters: a context that begins like a story of the default text is not used
_SKIP = 1_000_003  # keeps the seeds of probes apart from those of texts
_NOUNS = 20  # a noun after an article is asked for at most as often as if there were this many
_TELLINGS = 20  # of each plot, to find the skills that it asks for


@dataclass(frozen=True)
class Probe:
    """A minimal pair: after `context`, the world can continue with `right` but not with `wrong`."""

    context: str
    right: str
    wrong: str


def probes(skill: str, seed: int = 0) -> Iterator[Probe]:
    """An endless stream of minimal pairs for one of SKILLS.

    Each second one mirrors the one before: the same two continuations, with the other one right.

    Raises:
        ValueError: the skill is unknown, or the seed is negative.
    """
    if skill not in SKILLS:
        raise ValueError(f"skill must be one of {', '.join(SKILLS)}, got {skill!r:.80}")
    if seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more, got {seed}")
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
    """The space between two words belongs to the second one, as in most tokenizers."""
    context = question.context
    if context.endswith(" "):
        return Probe(context[:-1], " " + question.right, " " + question.wrong)
    return Probe(context, question.right, question.wrong)


def _questions(skill: str, chance: Chance) -> Iterator[Question]:
    """Questions from the plots that ask for this skill, each as often as in the text."""
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
    """Ends of sentences before someone else starts to speak, and ends of stories."""
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
    """The plots that ask for a skill in one of their frames, by skill."""
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
