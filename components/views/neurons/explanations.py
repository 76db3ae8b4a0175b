"""What the figures of a neuron mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.max_activating_examples import max_activating_examples
from llm.interpret.neuron_effect import neuron_effect

MAX_ACTIVATING_EXAMPLES = Explanation(
    "Max-activating examples",
    "A neuron is one of the d_mlp hidden numbers of an MLP. These are the positions of the run's own text at which "
    "it is largest, at most one from each window of context. A clear theme is a hint, not a proof: most neurons "
    "respond to more than one thing.",
    r"\text{hidden}[\text{neuron}] \text{ at each token; the greatest values over all windows}",
    (max_activating_examples,),
)

NEURON_EFFECT = Explanation(
    "Direct effect of a neuron on the output",
    "What one unit of its activation adds to each token's logit directly, bypassing all later layers, up to the "
    "final norm's division by the scale of the residual stream.",
    r"W_\text{out}[\text{neuron}] \cdot \gamma \cdot W_U \quad (W_\text{out} \text{ centred, for LayerNorm only})",
    (neuron_effect,),
)
