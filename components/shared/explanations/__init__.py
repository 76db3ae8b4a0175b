"""The explanations of all figures, by the names under which pages ask for them."""

from components.shared.explanations import attention, code, interventions, representations, sampling, training

EXPLANATIONS = {
    **training.EXPLANATIONS,
    **sampling.EXPLANATIONS,
    **code.EXPLANATIONS,
    **attention.EXPLANATIONS,
    **interventions.EXPLANATIONS,
    **representations.EXPLANATIONS,
}
