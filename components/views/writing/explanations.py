"""How a token is chosen."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.filters import filter_stages

SAMPLING_FILTERS = Explanation(
    "Temperature and the other filters",
    "Before a token is drawn, the logits can be changed: a low temperature favours the most likely tokens; top-k, "
    "top-p and min-p exclude the unlikely ones; a repetition penalty makes tokens that were used before less "
    "likely.",
    r"p \propto e^{z / T}",
    (filter_stages,),
    "Holtzman et al. 2020, arXiv:1904.09751",
)
