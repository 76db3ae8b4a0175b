"""What the figures of direct logit attribution mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.activation_patching import logit_difference
from llm.interpret.direct_logit_attribution import direct_logit_attribution

DIRECT_LOGIT_ATTRIBUTION = Explanation(
    "Direct logit attribution",
    "The last vector is a sum of what the embeddings, every head, every MLP and the biases wrote, and a logit "
    "difference is linear in it once the scales of the norms on the way are frozen from the real run: the final "
    "norm's, and those of norms of what attention writes, through which each head's part goes. So the contribution of "
    "each component is a number, and together they are exactly the difference. Direct means: not through later layers.",
    r"\text{contribution}(c) = \Big( \frac{c - \operatorname{mean} c \text{ (LayerNorm only)}}"
    r"{\sigma_\text{final}} \cdot \gamma \Big) \cdot (W_U[:, y] - W_U[:, y'])",
    (direct_logit_attribution,),
    "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
)

LOGIT_DIFFERENCE = Explanation(
    "Logit difference",
    "A logit is a token's score before softmax. The difference of two logits says how much more likely one token "
    "is than the other, whatever the rest of the vocabulary does.",
    r"z_y - z_{y'} = \ln \frac{p_y}{p_{y'}}",
    (logit_difference,),
)
