"""The entropy of the text: the bits per character that even a perfect model of it would need."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from llm.world import DEFAULT_SEED
from llm.world.chance import Chance
from llm.world.stories import tell_stories


@dataclass(frozen=True)
class Entropy:
    """The entropy of some stories."""

    bits_per_character: float
    bits_per_story: float
    stories: int
    characters: int


def entropy(stories: int = 5000, seed: int = DEFAULT_SEED) -> Entropy:
    """Bits per character: Σ −log2 p over the choices that are visible in the text, divided by its characters.

    Every choice of the generator has a known probability, so −log2 p of the choices is known exactly, for the plot,
    the frames, the cast, the numbers. Choices with the same visible result are counted as one (an adjective
    that is never used costs nothing). The text is more probable than counted if other choices also lead to it (a person
    who is cast and never named), and if a version was discarded for being too similar to an earlier one. So the figure
    is an upper bound of the entropy of the text, up to the sampling error of `stories` stories. A model that sees only
    n_ctx tokens may not reach it; a model that has memorised its training text can be below it only on that text.
    """
    if stories < 1:
        raise ValueError(f"stories must be at least 1, got {stories}")
    chance = Chance(seed)
    hidden, characters = 0.0, 0
    for story in itertools.islice(tell_stories(chance), stories):
        hidden += story.hidden_bits
        characters += len(story.text) + 2  # with the blank line
    bits = chance.bits - hidden
    return Entropy(bits / characters, bits / stories, stories, characters)
