"""What the figures of the residual stream mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.residual_stream import residual_stream

RESIDUAL_NORM = Explanation(
    "Norm of the residual stream",
    "The length of a position's vector after the embedding and after each layer. Layers add to it, so it mostly "
    "grows; what a later layer adds must be larger to matter as much.",
    r"\lVert \text{resid}_l \rVert_2",
    (residual_stream,),
)

FRACTION_WRITTEN = Explanation(
    "Fraction written by each component",
    "How much of the last vector r a component c wrote, along r itself. The fractions sum to 1 at every position; "
    "one below 0 writes against the sum. The norm of what it wrote is not a fraction: long vectors can cancel.",
    r"\text{fraction}(c) = \frac{c \cdot r}{\lVert r \rVert^2}, \quad \text{norm} = \lVert c \rVert_2",
    (residual_stream,),
)
