"""What the numbers of the code reader mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.trace.comparison import compare_implementations
from llm.trace.forward_pass import record_forward_pass
from llm.trace.layer_trace import trace_layer

TRACE = Explanation(
    "The trace and the comparison",
    "One forward pass of this model on this text is recorded. The selected layer is then run again on its own "
    "recorded input, in each implementation, and the tensors of every line are recorded. The differences are the "
    "largest over all elements. They come from rounding alone: a different order of additions rounds differently.",
    r"\max_i \lvert y_i - y'_i \rvert \quad \text{and} \quad \max_i \left\lvert \frac{\partial L}{\partial x_i} - "
    r"\frac{\partial L'}{\partial x_i} \right\rvert",
    (trace_layer, compare_implementations),
)

GRADIENT_OF_TENSOR = Explanation(
    "The gradient of a tensor",
    "How much the loss on this text would change if an element of the tensor were slightly larger. Where it is "
    "large, small changes of the tensor change the loss much.",
    r"\frac{\partial \text{loss}}{\partial x_i}",
    (record_forward_pass, trace_layer),
)
