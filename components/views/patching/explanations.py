"""What the effect of a patch means."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.activation_patching import activation_patching

ACTIVATION_PATCHING = Explanation(
    "Activation patching",
    "Two prompts differ in one word and have different answers. One activation of the clean run is copied into "
    "the corrupted run. 0: nothing of the answer returned; 1: all of it, so this activation carried what told the "
    "prompts apart. Values below 0 or above 1 are possible, since parts do not act independently.",
    r"\frac{LD_\text{patched} - LD_\text{corrupt}}{LD_\text{clean} - LD_\text{corrupt}}, \quad "
    r"LD = \text{logit}[y] - \text{logit}[y'] \text{ after the last position}",
    (activation_patching,),
    "Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262",
)
