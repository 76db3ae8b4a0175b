"""What a token is."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.tokenizers import Tokenizer

TOKENS = Explanation(
    "Tokens",
    "A model reads neither letters nor words but tokens: pieces of text from a fixed list, each with a number. "
    "Longer pieces make shorter sequences, but a longer list.",
    r"\text{text} \to (t_1, \dots, t_n), \quad t_i \in \{0, \dots, d_\text{vocab} - 1\}",
    (Tokenizer,),
    "Sennrich et al. 2016, arXiv:1508.07909",
)
