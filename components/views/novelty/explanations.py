"""Copied, recombined or new."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.data.matches import copied_from, matches, mean_share
from llm.data.suffix_array import suffix_array

MATCHES = Explanation(
    "Matches in the training text",
    "A character's match is the longest stretch of the generated text that contains it and stands, character for "
    "character, in the training text. The share in matches of at least n characters is compared with that of held-out "
    "text of the same length, which nobody copied. Every text shares short pieces with another in its language, and in "
    "a text that repeats its phrases long ones too: a part counts as copied only if its match has 50 characters and is "
    "longer than those of 95% of held-out text, and as new if its match has fewer than 8. Only exact matches count: a "
    "passage copied with every tenth word changed looks recombined.",
    r"\mathrm{match}(c) = \max_{a \le c < b,\ x_{a:b} \in \mathrm{training}} (b - a)",
    (matches, mean_share, copied_from, suffix_array),
    "Manber & Myers 1993; McCoy et al. 2023, arXiv:2111.09509",
)
