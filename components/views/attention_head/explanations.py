"""What the figures of one attention head mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.attention_patterns import pattern_without_first, value_weighted_pattern
from llm.interpret.head_arithmetic import distance_scores, head_arithmetic

VALUE_WEIGHTED_PATTERN = Explanation(
    "Value-weighted pattern",
    "How much each token contributes: a head can attend to a token whose value is nearly zero and take nothing "
    "from it. Each row is scaled to sum to 1 again.",
    r"A_{q,k} \, \lVert \text{value}_k \rVert \;\big/\; \sum_j A_{q,j} \, \lVert \text{value}_j \rVert",
    (value_weighted_pattern,),
    "After Kobayashi et al. 2020, arXiv:2004.10102, who take the norm after W_O",
)

POSITION_PART = Explanation(
    "Content part and position part of a score",
    "Some position schemes act inside the score, so that their part can be separated. ALiBi subtracts a slope times "
    "the distance, a relative bias adds what it has learned for it. Rotary positions rotate query and key: the content "
    "part is the score without rotation, as if the key were at the query's position, and the position part is what "
    "the rotation adds. Learned and sinusoidal positions are added to the embeddings, where they mix with content.",
    r"s_{q,k} = \text{content}_{q,k} + \text{position}_{q,k}, \quad "
    r"\text{position}_{q,k} = -m_h (q - k) \;\text{ for ALiBi}",
    (head_arithmetic, distance_scores),
    "Su et al. 2021, arXiv:2104.09864; Press et al. 2021, arXiv:2108.12409; Raffel et al. 2020, arXiv:1910.10683",
)

ATTENTION_SINK = Explanation(
    "Attention sinks, and hiding the first token",
    "Softmax has to put its weight somewhere. A head with nothing to attend to often puts it on the first token, which "
    "every position can attend to and whose value is often small, so that little is taken from it. Hide it to "
    "see how the remaining attention is distributed. That is a view of the same pattern, not of another model.",
    r"A'_{q,k} = \frac{A_{q,k}}{1 - A_{q,0}} \quad (k \ge 1)",
    (pattern_without_first,),
    "Xiao et al. 2023, arXiv:2309.17453",
)
