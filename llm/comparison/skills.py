"""What runs can do: the story world's skills, run beside run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llm.comparison.run import ComparedRun
from llm.world.asking import EASY, PLAIN_NAMES, SKILLS
from llm.world.skills import interval, looks_like_guessing, standard_error


class Score(NamedTuple):
    """A run's accuracy on the pairs of one skill, as last measured."""

    accuracy: float
    standard_error: float
    low: float  # of its 95% interval
    high: float
    pairs: int
    step: int
    guessing: bool  # whether guessing could give it


class SkillRow(NamedTuple):
    """A skill, and how each run does; None where a run has not been tested."""

    skill: str
    name: str
    help: str
    easy: bool  # a look-up of the last characters solves it
    scores: tuple[Score | None, ...]


def skill_grid(runs: Sequence[ComparedRun]) -> list[SkillRow]:
    """A row for each skill that any of the runs was tested on."""
    tested = {skill for run in runs for skill in run.skills}
    ordered = [skill for skill in SKILLS if skill in tested] + sorted(tested - SKILLS.keys())
    return [
        SkillRow(skill, PLAIN_NAMES.get(skill, skill), SKILLS.get(skill, ""), skill in EASY,
                 tuple(_score(run, skill) for run in runs))
        for skill in ordered
    ]  # fmt: skip


def _score(run: ComparedRun, skill: str) -> Score | None:
    accuracy, pairs = run.skills.get(skill), run.config.training.skill_pairs
    if accuracy is None or run.skills_step is None:
        return None
    error = standard_error(accuracy, pairs)
    return Score(
        accuracy, error, *interval(accuracy, pairs), pairs, run.skills_step, looks_like_guessing(accuracy, pairs)
    )
