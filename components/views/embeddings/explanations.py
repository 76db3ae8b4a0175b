"""What the figures of the embeddings mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.nearest_tokens import nearest_tokens
from llm.interpret.neighbour_kinds import neighbour_kinds
from llm.interpret.positions import distance_curves, position_cosines
from llm.interpret.principal_components import embedding_map

EMBEDDING_MAP = Explanation(
    "Map of the embeddings, and explained variance",
    "Each token of the vocabulary is a vector of d_model numbers. The map shows them along the directions in which "
    "they vary most, the principal components. Explained variance is the fraction of all variance along an axis. "
    "What the axes leave out is invisible here, so two tokens that are close on the map need not be similar.",
    r"\begin{array}{c} (W_E - \overline{W_E}) \, V, \quad V: \text{leading eigenvectors of the covariance} \\ "
    r"\text{explained}_i = \lambda_i \,\big/\, \sum_j \lambda_j \end{array}",
    (embedding_map,),
    "Pearson 1901",
)

COSINE = Explanation(
    "Cosine of two embeddings",
    "How similar two directions are: 1 the same, 0 at right angles, −1 opposite. It uses all d_model numbers.",
    r"\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}",
    (nearest_tokens, neighbour_kinds, position_cosines),
)

DISTANCE_CURVES = Explanation(
    "What distance alone does to a score",
    "Models with rotary positions, ALiBi or a relative bias have no position vectors: a score depends on the distance "
    "between query and key. Rotary: a curve for each pair of numbers that is rotated together. ALiBi: the penalty of "
    "each head. Relative bias: what each head of each layer has learned.",
    r"\text{rotary: } \cos(d \, \omega_i), \; \omega_i = \theta^{-2i / d_\text{rotary}} \text{ unless scaled} \qquad "
    r"\text{ALiBi: } -m_h \, d",
    (distance_curves,),
    "Su et al. 2021, arXiv:2104.09864; Press et al. 2021, arXiv:2108.12409; Raffel et al. 2020, arXiv:1910.10683",
)
