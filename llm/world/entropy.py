"""The entropy of the text: the bits per character that even a perfect model of it would need."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from llm.world import DEFAULT_SEED
from llm.world.chance import Chance
from llm.world.stories import tell_stories

TRAINING_TEXT_SHA256 = "c6212e6bf0cd6f84316779b227f88a34ade5fb0b1431c12196e4b46a4e6d9d16"  # of training.txt


@dataclass(frozen=True)
class Entropy:
    """The entropy of some stories."""

    bits_per_character: float
    standard_error: float  # of bits_per_character, at most: as if each story were drawn by itself
    stories: int
    characters: int

    @property
    def bits_per_story(self) -> float:
        """Their mean."""
        return self.bits_per_character * self.characters / self.stories


# uv run llm world --entropy 20000
MEASURED = Entropy(bits_per_character=0.07843, standard_error=0.00012, stories=20_000, characters=8_576_930)


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
    told: list[tuple[float, int]] = []  # bits and characters of each story
    counted = 0.0
    for story in itertools.islice(tell_stories(chance), stories):
        told.append((chance.bits - counted - story.hidden_bits, len(story.text) + 2))  # with the blank line
        counted = chance.bits
    characters = sum(length for _, length in told)
    ratio = sum(bits for bits, _ in told) / characters
    squares = sum((bits - ratio * length) ** 2 for bits, length in told)
    error = math.sqrt(squares * stories / max(1, stories - 1)) / characters  # of a ratio (Cochran 1977, chapter 6)
    return Entropy(ratio, error, stories, characters)


def floor(text_sha256: str | None) -> Entropy | None:
    """What is known of the entropy of the text with this hash: of training.txt, as measured on more such stories."""
    return MEASURED if text_sha256 == TRAINING_TEXT_SHA256 else None
