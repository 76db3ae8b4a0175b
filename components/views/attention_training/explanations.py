"""What the figures of attention over training mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.loss_by_position import in_context_score

IN_CONTEXT_SCORE = Explanation(
    "In-context learning score",
    "Loss late in the context minus loss early in it, on held-out text. Negative: the model uses what it has read.",
    r"\text{loss}[0.9 \, n_\text{ctx}] - \text{loss}[0.1 \, n_\text{ctx}]",
    (in_context_score,),
    "Olsson et al. 2022, arXiv:2209.11895",
)
