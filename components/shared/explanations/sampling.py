"""Figures of tokens, and of how the next one is chosen."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.sampling import apply_filters, stream
from llm.tokenizers import Tokenizer

EXPLANATIONS = {
    "tokens": Explanation(
        "Tokens",
        "A model reads neither letters nor words but tokens: pieces of text from a fixed list, each with a number. "
        "Longer pieces make shorter sequences, but a longer list.",
        r"\text{text} \to (t_1, \dots, t_n), \quad t_i \in \{0, \dots, d_\text{vocab} - 1\}",
        (Tokenizer,),
        "Sennrich et al. 2016, arXiv:1508.07909",
    ),
    "probability": Explanation(
        "Probability of a token",
        "The model gives every token of its vocabulary a score, its logit. Softmax turns logits into probabilities, "
        "which sum to 1, and the next token is drawn from them. Hover over a token to see the alternatives.",
        r"p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}",
        (stream,),
    ),
    "temperature": Explanation(
        "Temperature and the other filters",
        "Before a token is drawn, the logits can be changed: a low temperature favours the most likely tokens; top-k, "
        "top-p and min-p exclude the unlikely ones; a repetition penalty makes tokens that were used before less "
        "likely.",
        r"p \propto e^{z / T}",
        (apply_filters,),
        "Holtzman et al. 2020, arXiv:1904.09751",
    ),
}
