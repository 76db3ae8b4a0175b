"""Why one pair is merged before another."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.tokenizers.replay import replay_encoding, replay_training

MERGES = Explanation(
    "Merges",
    "Training starts from single bytes. It counts all pairs of neighbours, makes the most frequent one a new token, "
    "and counts again. Encoding applies these merges to a text in the order in which they were learned; how often a "
    "pair occurs in that text does not matter. Merges never cross the bounds of words, numbers and punctuation.",
    r"(a, b)^{*} = \mathrm{argmax}_{(a, b)}\ \mathrm{count}(a, b), \qquad a\,b \to ab",
    (replay_encoding, replay_training),
    "Sennrich et al. 2016, arXiv:1508.07909",
)
