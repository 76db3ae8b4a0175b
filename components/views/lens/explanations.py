"""What the figures of the logit lens mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.logit_lens import logit_lens

LOGIT_LENS = Explanation(
    "Logit lens",
    "What the model would predict if it stopped after a layer: that layer's vector, read as if it were the last. "
    "The norm's statistics are recomputed at each layer, so that the last row is the model's own output.",
    r"\text{lens}_l = \text{unembed}(\text{final norm}(\text{resid after layer } l))",
    (logit_lens,),
    "nostalgebraist 2020, interpreting GPT: the logit lens",
)

TRUE_TOKEN = Explanation(
    "Probability and rank of the true next token",
    "The token that comes next in the text: how likely it is according to a layer, and its rank among all tokens. "
    "Rank 1: it is the layer's prediction.",
    r"\text{rank} = 1 + \#\{\, v : \text{lens}_l[v] > \text{lens}_l[\text{true}] \,\}",
    (logit_lens,),
)
