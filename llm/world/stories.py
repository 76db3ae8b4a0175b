"""The text of the story world: a seed gives the same text on every machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from llm.world import DEFAULT_SEED, DEFAULT_SIZE, STRANGERS_SIZE
from llm.world.chance import Chance
from llm.world.plots import FAVOURITES, PLOTS, WITH_ROWS, WITH_STRANGERS, Plot
from llm.world.telling import Story

_PLOTS_BEFORE_A_REPEAT = 6  # stories before a plot may be repeated, so that neighbouring stories differ
_REMEMBERED = 60  # stories within which no two of the same plot have more than half of their frames in common
_ATTEMPTS = 100  # to tell such a story; a plot with few alternatives may fail
_NAMES_BEFORE_A_REPEAT = 20_000  # of 27,000
_LOOKED_UP_PROBABILITY = 0.6  # of a story with strangers or a row of words, in a text that has them
_ROW_PROBABILITY = 2 / 3  # of such a story having a row of words
_LOOKED_UP_BEFORE_A_REPEAT = 2  # of four plots each
_FAVOURITES_PROBABILITY = 0.955  # of a frequent plot; the others are rare, and stay difficult longer


def generate(seed: int = DEFAULT_SEED, size: int | None = None, strangers: bool = False) -> str:
    """Stories separated by a blank line: as many as fit into `size` bytes, and always at least one.

    With `strangers`, a fifth of them are about people whose names are in no other story, and two fifths have a row of
    words that is said again, as in strangers.txt. A larger size continues the text of a smaller one; None: that of
    training.txt or strangers.txt. Raises ValueError for a negative seed or a size below 1.
    """
    if seed < 0:
        raise ValueError(f"seed must be an integer of 0 or more, got {seed}")
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1 byte, got {size}")
    size = size if size is not None else STRANGERS_SIZE if strangers else DEFAULT_SIZE
    told: list[str] = []
    length = 0
    for story in tell_stories(Chance(seed), strangers):
        length += len(story.text) + (2 if told else 1)  # a blank line between stories, a line break at the end
        if told and length > size:
            break
        told.append(story.text)
    return "\n\n".join(told) + "\n"


def draw_plot(chance: Chance, without: Sequence[Plot] = ()) -> Plot:
    """A random plot, with the frequencies of the text, except those in `without`."""
    plots = FAVOURITES if chance.happens(_FAVOURITES_PROBABILITY) else PLOTS[len(FAVOURITES) :]
    return chance.pick([plot for plot in plots if plot not in without] if without else plots)


def tell_stories(chance: Chance, strangers: bool = False) -> Iterator[Story]:
    """An endless stream of stories, each with a different plot than those shortly before it, and with varied frames.

    A stranger's name is in one story only, until most names have been used.
    """
    recent: list[tuple[Plot, set[str]]] = []
    names: set[str] = set()  # of earlier stories
    while True:
        told = [plot for plot, _ in recent[-_PLOTS_BEFORE_A_REPEAT:]]
        if strangers and chance.happens(_LOOKED_UP_PROBABILITY):
            looked_up = WITH_ROWS if chance.happens(_ROW_PROBABILITY) else WITH_STRANGERS
            plot = chance.pick([plot for plot in looked_up if plot not in told[-_LOOKED_UP_BEFORE_A_REPEAT:]])
        else:
            plot = draw_plot(chance, told)
        story = _tell_anew(plot, chance, [frames for other, frames in recent if other is plot], names)
        if len(names) > _NAMES_BEFORE_A_REPEAT:
            names.clear()
        names |= story.names
        recent = [*recent, (plot, story.frames)][-_REMEMBERED:]
        yield story


def _tell_anew(plot: Plot, chance: Chance, before: Sequence[set[str]], names: Collection[str]) -> Story:
    """A story that has at most half of its frames in common with each earlier one of the same plot."""
    bits = chance.bits
    for _ in range(_ATTEMPTS):
        chance.bits = bits  # a discarded story does not count
        story = Story(chance, taken=names)
        plot(story)
        if all(2 * len(story.frames & other) <= (len(story.frames) + len(other)) / 2 for other in before):
            break
    return story
