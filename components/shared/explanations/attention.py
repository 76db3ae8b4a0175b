"""Figures of attention."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.attention_patterns import pattern_without_first, value_weighted_pattern
from llm.interpret.head_arithmetic import distance_scores, head_arithmetic
from llm.interpret.head_scores import pattern_scores
from llm.interpret.loss_by_position import in_context_score
from llm.layers.attention import AttentionWithEinops

EXPLANATIONS = {
    "attention": Explanation(
        "Attention pattern",
        "Row by row: how a token distributes its attention over itself and the tokens before it. A row sums to 1. A "
        "pattern shows where information can flow, not whether or how it is used: only an intervention shows that.",
        r"A_{q,k} = \frac{e^{s_{q,k}}}{\sum_{j \le q} e^{s_{q,j}}}, \quad "
        r"s_{q,k} = \frac{\text{query}_q \cdot \text{key}_k}{\sqrt{d_\text{head}}} \; (+ \text{ALiBi})",
        (AttentionWithEinops,),
        "Vaswani et al. 2017, arXiv:1706.03762",
    ),
    "previous_score": Explanation(
        "Previous-token score",
        "The fraction of its attention that a head gives to the token just before, on random tokens that are repeated "
        "once. 1: all of it.",
        r"\operatorname{mean}_{q \ge 1} A_{q,\,q-1}",
        (pattern_scores,),
    ),
    "duplicate_score": Explanation(
        "Duplicate-token score",
        "In the second copy of the random tokens: the fraction of attention on the same token in the first copy.",
        r"\operatorname{mean}_{q \ge L} A_{q,\,q-L}, \quad L \text{ tokens, repeated once}",
        (pattern_scores,),
    ),
    "induction_score": Explanation(
        "Induction score",
        "In the second copy: the fraction of attention on the token that followed the same token in the first copy, "
        "which is what it takes to continue a repetition. This needs two layers working together: a one-layer model "
        "has no induction heads.",
        r"\operatorname{mean}_{q \ge L} A_{q,\,q-L+1}",
        (pattern_scores,),
        "Olsson et al. 2022, arXiv:2209.11895",
    ),
    "first_score": Explanation(
        "First-token score",
        "The fraction of attention on the very first token. Many heads attend to it when they find nothing else.",
        r"\operatorname{mean}_{q \ge 1} A_{q,0}",
        (pattern_scores,),
    ),
    "entropy": Explanation(
        "Entropy of attention",
        "How widely a head spreads its attention, in nats. 0: always on a single token; at most ln(q + 1) for query "
        "position q: evenly over every token up to it.",
        r"\operatorname{mean}_q \Big( -\sum_k A_{q,k} \ln A_{q,k} \Big) \le \operatorname{mean}_q \ln(q + 1)",
        (pattern_scores,),
    ),
    "value_weighted": Explanation(
        "Value-weighted pattern",
        "How much each token contributes: a head can attend to a token whose value is nearly zero and take nothing "
        "from it. Each row is scaled to sum to 1 again.",
        r"A_{q,k} \, \lVert \text{value}_k \rVert \;\big/\; \sum_j A_{q,j} \, \lVert \text{value}_j \rVert",
        (value_weighted_pattern,),
        "Kobayashi et al. 2020, arXiv:2004.10102",
    ),
    "sink": Explanation(
        "Attention sinks, and hiding the first token",
        "Softmax has to put its weight somewhere. A head that finds nothing often puts it on the first token, which "
        "every position can attend to, and whose value is often small, so that little is taken from it. Hide it to "
        "see how the remaining attention is distributed. That is a view of the same pattern, not of another model.",
        r"A'_{q,k} = \frac{A_{q,k}}{1 - A_{q,0}} \quad (k \ge 1)",
        (pattern_without_first,),
        "Xiao et al. 2023, arXiv:2309.17453",
    ),
    "position_part": Explanation(
        "Content part and position part of a score",
        "Two position schemes act inside the score, so that their part can be separated. ALiBi subtracts a slope times "
        "the distance. Rotary positions rotate query and key: the content part is the score without rotation, as if "
        "the key were at the query's position, and the position part is what the rotation adds. Learned and sinusoidal "
        "positions are added to the embeddings, where they mix with content.",
        r"s_{q,k} = \text{content}_{q,k} + \text{position}_{q,k}, \quad "
        r"\text{position}_{q,k} = -m_h (q - k) \;\text{ for ALiBi}",
        (head_arithmetic, distance_scores),
        "Su et al. 2021, arXiv:2104.09864; Press et al. 2021, arXiv:2108.12409",
    ),
    "in_context": Explanation(
        "In-context learning score",
        "Loss late in the context minus loss early in it, on held-out text. Negative: the model uses what it has read.",
        r"\text{loss}[0.9 \, n_\text{ctx}] - \text{loss}[0.1 \, n_\text{ctx}]",
        (in_context_score,),
        "Olsson et al. 2022, arXiv:2209.11895",
    ),
}
