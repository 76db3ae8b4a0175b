"""What the effects of an intervention mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.ablation import ablate
from llm.interpret.attention_override import overridden_pattern
from llm.interpret.intervention import ablation_effects, intervention_effect

ABLATION_EFFECT = Explanation(
    "Ablation effect",
    "How much the loss rises when a head or MLP is switched off. Its output is replaced by zero, or by its mean over "
    "a batch of text: zero also removes what the part adds at every position alike, the mean only what it adds here. "
    "Ablating nothing changes nothing.",
    r"\text{output} \to r + s \cdot (\text{output} - r), \quad r \in \{0, \text{mean}\}, \quad "
    r"\text{effect} = \text{loss}_\text{altered} - \text{loss}",
    (ablate, intervention_effect, ablation_effects),
)

ATTENTION_OVERRIDE = Explanation(
    "Attention override",
    "A head's attention pattern is replaced, row by row, and everything after it is computed as usual. Whatever "
    "changes was caused by where the head attended: this is how the meaning of a pattern is tested.",
    r"A_{q,k} \to A'_{q,k}, \quad \sum_k A'_{q,k} = 1, \quad A'_{q,k} = 0 \text{ for } k > q",
    (overridden_pattern, intervention_effect),
)
