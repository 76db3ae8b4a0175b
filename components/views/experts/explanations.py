"""What the figures of the view of experts mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.expert_routing import expert_tokens, expert_weights
from llm.training.routing import routing_figures

EXPERT_WEIGHTS = Explanation(
    "Weights of a token's experts",
    "A router scores all experts for each token; the best few compute it, and what they write is added up with these "
    "weights. The other experts do nothing for this token.",
    r"\text{output} = \sum_e w_e \cdot \text{MLP}_e(x), \quad w_e = \text{softmax}(x \cdot W_\text{router})_e "
    r"\text{ for the likeliest experts, else } 0",
    (expert_weights,),
    "Shazeer et al. 2017, arXiv:1701.06538; Jiang et al. 2024, arXiv:2401.04088",
)

EXPERT_TOKENS = Explanation(
    "Tokens that an expert gets more often",
    "In the beginning of the run's own text: how many more times a token went to the expert than it would if the "
    "expert took all tokens alike. The percentage says which part of the token's occurrences went there.",
    r"\text{excess}(v, e) = n(v, e) - n(v) \cdot \text{load}_e",
    (expert_tokens,),
)

LOAD = Explanation(
    "Load and router entropy",
    "Load: the fraction of all choices that fall on an expert, in each training batch; equal loads are 1 / experts. "
    "Entropy: how undecided the router is about a token; at most ln experts, if all are equally likely.",
    r"f_e = \frac{\text{choices of } e}{\text{tokens} \cdot k}, \quad H = -\sum_e p_e \ln p_e",
    (routing_figures,),
    "Fedus et al. 2021, arXiv:2101.03961; Muennighoff et al. 2024, arXiv:2409.02060",
)
