"""The entropy of the text: the bits per character that even a perfect model of it would need."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from llm.world.chance import Chance
from llm.world.stories import DEFAULT_SEED, tell_stories


@dataclass(frozen=True)
class Entropy:
    """The entropy of some stories."""

    bits_per_character: float
    bits_per_story: float
    stories: int
    characters: int


def entropy(stories: int = 5000, seed: int = DEFAULT_SEED) -> Entropy:
    """Mean of −log2 p over the choices that can be seen in the text, summed per story and divided by its characters.

    Every choice of the generator has a known probability, so −log2 p of the choices is known exactly, for the plot,
    the frames, the cast, the numbers. Choices that other rows of a table would have filled alike are counted as one
    (an adjective that is never told costs nothing). The text is likelier than counted where choices lead to it in some
    other way (a person who is cast and never named), and where a telling was thrown away for being too much like one
    before: the figure bounds the entropy of the text from above, up to the sampling error of `stories` stories. A model
    that sees only n_ctx tokens can fall short of it for want of memory, and one that has learned its training text by
    heart can only seem to beat it there.
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
