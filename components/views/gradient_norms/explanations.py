"""What the norm of a layer's gradient means."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.training.gradients import gradient_norms

LAYER_GRADIENT_NORM = Explanation(
    "Gradient norm of each layer",
    "How strongly the loss depends on the weights of one part of the model: the embeddings, each block, and the final "
    "norm with the unembedding. A tied unembedding is the embedding matrix, and counts there. The squares of these "
    "norms sum to the square of the whole gradient's norm. A layer whose norm stays far below the others' hardly "
    "learns; a sudden rise can announce divergence. Measured in every step, before the gradient is clipped.",
    r"\lVert g_\text{layer} \rVert_2 = \sqrt{\sum_{j \in \text{layer}} g_j^2}, \quad "
    r"\lVert g \rVert_2^2 = \sum_\text{layer} \lVert g_\text{layer} \rVert_2^2",
    (gradient_norms,),
    "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
)
