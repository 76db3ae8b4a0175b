"""The text of the story world: one seed, one text, the same on every machine."""

from __future__ import annotations

from llm.world.chance import Chance
from llm.world.plots import PLOTS
from llm.world.telling import Story

DEFAULT_SEED = 1
DEFAULT_SIZE = 1_200_000

_PLOTS_BEFORE_A_REPEAT = 8  # a plot rests this many stories, so that neighbours differ


def generate(seed: int = DEFAULT_SEED, size: int = DEFAULT_SIZE) -> str:
    """Stories separated by a blank line: as many as fit into `size` bytes, and always at least one.

    A larger size continues the text of a smaller one. Raises ValueError for a negative seed or a size below 1.
    """
    if seed < 0:
        raise ValueError(f"seed={seed} is not possible: it must be a whole number of 0 or more")
    if size < 1:
        raise ValueError(f"size={size} is not possible: it must be at least 1 byte")
    chance = Chance(seed)
    stories: list[str] = []
    recent: list[int] = []
    length = 0
    while True:
        rested = [index for index in range(len(PLOTS)) if index not in recent]
        index = chance.pick(rested)
        recent = [*recent, index][-_PLOTS_BEFORE_A_REPEAT:]
        story = Story(chance)
        PLOTS[index](story)
        length += len(story.text) + (2 if stories else 1)  # a blank line between stories, a line break at the end
        if stories and length > size:
            break
        stories.append(story.text)
    return "\n\n".join(stories) + "\n"
