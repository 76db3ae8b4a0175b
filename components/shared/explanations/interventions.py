"""Figures of interventions: what changes if a part of the model is changed."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.ablation import ablate
from llm.interpret.activation_patching import activation_patching, logit_difference
from llm.interpret.attention_override import overridden_pattern
from llm.interpret.intervention import ablation_effects, intervention_effect

EXPLANATIONS = {
    "ablation": Explanation(
        "Ablation effect",
        "What gets worse when a head or an MLP is switched off. Its output is replaced by zero, or by its mean over a "
        "batch of text: zero also removes what the part adds everywhere, the mean only what it adds here in "
        "particular. Ablating nothing changes nothing.",
        r"\text{output} \to r + s \cdot (\text{output} - r), \quad r \in \{0, \text{mean}\}, \quad "
        r"\text{effect} = \text{loss}_\text{altered} - \text{loss}",
        (ablate, intervention_effect, ablation_effects),
    ),
    "attention_override": Explanation(
        "Attention override",
        "A head's attention pattern is replaced, row by row, and everything after it is computed as usual. Whatever "
        "changes was caused by where the head attended: this is how the meaning of a pattern is tested.",
        r"A_{q,k} \to A'_{q,k}, \quad \sum_k A'_{q,k} = 1, \quad A'_{q,k} = 0 \text{ for } k > q",
        (overridden_pattern, intervention_effect),
    ),
    "patching": Explanation(
        "Activation patching",
        "Two prompts differ in one word and ask for different answers. One activation of the clean run is copied into "
        "the corrupted run. 0: nothing of the answer returned; 1: all of it, so this activation carried what told the "
        "prompts apart. Values below 0 or above 1 are possible, since parts do not act independently.",
        r"\frac{LD_\text{patched} - LD_\text{corrupt}}{LD_\text{clean} - LD_\text{corrupt}}, \quad "
        r"LD = \text{logit}[y] - \text{logit}[y'] \text{ after the last position}",
        (activation_patching,),
        "Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262",
    ),
    "logit": Explanation(
        "Logit difference",
        "A logit is a token's score before softmax. The difference of two logits says how much more likely one token "
        "is than the other, whatever the rest of the vocabulary does.",
        r"z_y - z_{y'} = \ln \frac{p_y}{p_{y'}}",
        (logit_difference,),
    ),
}
