"""Explanations of figures that several views and pages show."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.copying import copying_scores
from llm.interpret.head_scores import pattern_scores
from llm.layers.attention import AttentionWithEinops
from llm.loss import next_token_loss
from llm.sampling import stream

LOSS = Explanation(
    "Loss",
    "How surprised the model is, on average, by the token that comes next. Lower is better; 0 would mean that it "
    "is always certain and always right.",
    r"\text{loss} = -\frac{1}{N} \sum_{i=1}^{N} \ln p(\text{token}_i \mid \text{tokens before})"
    r"\quad \text{nats per token}",
    (next_token_loss,),
)

PROBABILITY = Explanation(
    "Probability of a token",
    "The model gives every token of its vocabulary a score, its logit. Softmax turns logits into probabilities, "
    "which sum to 1, and the next token is drawn from them. Hover over a token to see the alternatives.",
    r"p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}",
    (stream,),
)

ATTENTION_PATTERN = Explanation(
    "Attention pattern",
    "Row by row: how a token distributes its attention over itself and the tokens before it. A row sums to 1. A "
    "pattern shows where information can flow, not whether or how it is used: only an intervention shows that.",
    r"A_{q,k} = \frac{e^{s_{q,k}}}{\sum_{j \le q} e^{s_{q,j}}}, \quad "
    r"s_{q,k} = \frac{\text{query}_q \cdot \text{key}_k}{\sqrt{d_\text{head}}} \; (+ \text{ALiBi})",
    (AttentionWithEinops,),
    "Vaswani et al. 2017, arXiv:1706.03762",
)

PREVIOUS_TOKEN_SCORE = Explanation(
    "Previous-token score",
    "The fraction of its attention that a head gives to the token just before, on random tokens that are repeated "
    "once. 1: all of it.",
    r"\operatorname{mean}_{q \ge 1} A_{q,\,q-1}",
    (pattern_scores,),
)

DUPLICATE_TOKEN_SCORE = Explanation(
    "Duplicate-token score",
    "In the second copy of the random tokens: the fraction of attention on the same token in the first copy.",
    r"\operatorname{mean}_{q \ge L} A_{q,\,q-L}, \quad L \text{ tokens, repeated once}",
    (pattern_scores,),
)

INDUCTION_SCORE = Explanation(
    "Induction score",
    "In the second copy: the fraction of attention on the token that followed the same token in the first copy, "
    "which is what it takes to continue a repetition. This needs two layers working together: a one-layer model "
    "has no induction heads. No token is drawn twice, so a perfect head scores 1; the parts have different lengths, so "
    "a head that always looks the same distance back scores low.",
    r"\operatorname{mean}_{q \ge L} A_{q,\,q-L+1}",
    (pattern_scores,),
    "Olsson et al. 2022, arXiv:2209.11895",
)

COPYING_SCORE = Explanation(
    "Copying score",
    "On held-out text: where a token occurs again and the same token follows as the last time, the fraction of "
    "attention on that following token. It is what an induction head does, measured on text instead of random tokens.",
    r"\operatorname{mean}_q A_{q,\,p+1}, \quad \text{token}_p = \text{token}_q,\ "
    r"\text{token}_{p+1} = \text{token}_{q+1},\ p < q - 3 \text{ the latest}",
    (copying_scores,),
)

FIRST_TOKEN_SCORE = Explanation(
    "First-token score",
    "The fraction of attention on the very first token. Many heads attend to it when they find nothing else.",
    r"\operatorname{mean}_{q \ge 1} A_{q,0}",
    (pattern_scores,),
)

ENTROPY = Explanation(
    "Entropy of attention",
    "How widely a head spreads its attention, in nats. 0: always on a single token; at most ln(q + 1) for query "
    "position q: evenly over every token up to it.",
    r"\operatorname{mean}_q \Big( -\sum_k A_{q,k} \ln A_{q,k} \Big) \le \operatorname{mean}_q \ln(q + 1)",
    (pattern_scores,),
)

HEAD_SCORES = (
    PREVIOUS_TOKEN_SCORE,
    DUPLICATE_TOKEN_SCORE,
    INDUCTION_SCORE,
    COPYING_SCORE,
    FIRST_TOKEN_SCORE,
    ENTROPY,
)
