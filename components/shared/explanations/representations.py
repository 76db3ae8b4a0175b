"""Figures of embeddings, neurons and the residual stream."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.direct_logit_attribution import direct_logit_attribution
from llm.interpret.embeddings import distance_curves, embedding_map, nearest_tokens, position_cosines
from llm.interpret.logit_lens import logit_lens
from llm.interpret.max_activating_examples import max_activating_examples
from llm.interpret.neighbour_kinds import neighbour_kinds
from llm.interpret.neuron_effect import neuron_effect
from llm.interpret.residual_stream import residual_stream

EXPLANATIONS = {
    "embedding_map": Explanation(
        "Map of the embeddings, and explained variance",
        "Each token of the vocabulary is a vector of d_model numbers. The map shows them along the directions in which "
        "they vary most, the principal components. Explained variance is the fraction of all variance along an axis. "
        "What the axes leave out is invisible here, so two tokens that are close on the map need not be similar.",
        r"(W_E - \overline{W_E}) \, V, \quad V: \text{leading eigenvectors of the covariance}, \quad "
        r"\text{explained}_i = \lambda_i \,\big/\, \sum_j \lambda_j",
        (embedding_map,),
        "Pearson 1901",
    ),
    "cosine": Explanation(
        "Cosine of two embeddings",
        "How similar two directions are: 1 the same, 0 at right angles, −1 opposite. It uses all d_model numbers.",
        r"\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}",
        (nearest_tokens, neighbour_kinds, position_cosines),
    ),
    "distance": Explanation(
        "What distance alone does to a score",
        "Models with rotary positions or ALiBi have no position vectors: a score depends on the distance between query "
        "and key. Rotary: a curve for each pair of numbers that is rotated together. ALiBi: the penalty of each head.",
        r"\text{rotary: } \cos\!\big(d \, \theta^{-2i / d_\text{head}}\big) \qquad \text{ALiBi: } -m_h \, d",
        (distance_curves,),
        "Su et al. 2021, arXiv:2104.09864; Press et al. 2021, arXiv:2108.12409",
    ),
    "neuron": Explanation(
        "Max-activating examples",
        "A neuron is one of the d_mlp hidden numbers of an MLP. These are the positions of the run's own text at which "
        "it is largest, at most one from each window of context. A clear theme is a hint, not a proof: most neurons "
        "respond to more than one thing.",
        r"\text{hidden}[\text{neuron}] \text{ at each token; the greatest values over all windows}",
        (max_activating_examples,),
    ),
    "neuron_effect": Explanation(
        "Direct effect of a neuron on the output",
        "What one unit of its activation adds to each token's logit directly, bypassing all later layers, up to the "
        "final norm's division by the scale of the residual stream.",
        r"W_\text{out}[\text{neuron}] \cdot \gamma \cdot W_U \quad (W_\text{out} \text{ centred, for LayerNorm only})",
        (neuron_effect,),
    ),
    "lens": Explanation(
        "Logit lens",
        "What the model would predict if it stopped after a layer: that layer's vector, read as if it were the last. "
        "The norm's statistics are recomputed at each layer, so that the last row is the model's own output.",
        r"\text{lens}_l = \text{unembed}(\text{final\_norm}(\text{resid after layer } l))",
        (logit_lens,),
        "nostalgebraist 2020, interpreting GPT: the logit lens",
    ),
    "lens_truth": Explanation(
        "Probability and rank of the true next token",
        "The token that comes next in the text: how likely it is according to a layer, and its rank among all tokens. "
        "Rank 1: it is the layer's prediction.",
        r"\text{rank} = 1 + \#\{\, v : \text{lens}_l[v] > \text{lens}_l[\text{true}] \,\}",
        (logit_lens,),
    ),
    "direct_attribution": Explanation(
        "Direct logit attribution",
        "The last vector is a sum of what the embeddings, every head, every MLP and the biases wrote, and a logit "
        "difference is linear in it once the final norm's scale is frozen from the real run. So the contribution of "
        "each component is a number, and together they are exactly the difference. Direct means: not through later "
        "layers.",
        r"\text{contribution}(c) = \Big( \frac{c - \operatorname{mean} c \text{ (LayerNorm only)}}"
        r"{\sigma_\text{final}} \cdot \gamma \Big) \cdot (W_U[:, y] - W_U[:, y'])",
        (direct_logit_attribution,),
        "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
    ),
    "residual_norm": Explanation(
        "Norm of the residual stream",
        "The length of a position's vector after the embedding and after each layer. Layers add to it, so it mostly "
        "grows; what a later layer adds must be larger to matter as much.",
        r"\lVert \text{resid}_l \rVert_2",
        (residual_stream,),
    ),
    "residual_fraction": Explanation(
        "Fraction written by each component",
        "How much of the last vector r a component c wrote, along r itself. The fractions sum to 1 at every position; "
        "one below 0 writes against the sum. The norm of what it wrote is not a fraction: long vectors can cancel.",
        r"\text{fraction}(c) = \frac{c \cdot r}{\lVert r \rVert^2}, \quad \text{norm} = \lVert c \rVert_2",
        (residual_stream,),
    ),
}
