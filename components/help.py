"""The one way in which the app explains a figure: in everyday words, then exactly, then where it comes from."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st


class Explanation(NamedTuple):
    """What a figure means; `computed_in` names the code that computed it."""

    title: str
    words: str
    equation: str  # LaTeX
    computed_in: str
    source: str = ""


EXPLANATIONS: dict[str, Explanation] = {
    "loss": Explanation(
        "Loss",
        "How surprised the model is by the token that really comes next, on average. Lower is better; 0 would mean "
        "that it is always certain and always right.",
        r"\text{loss} = -\frac{1}{N} \sum_{i=1}^{N} \ln p(\text{token}_i \mid \text{tokens before})"
        r"\quad \text{nats per token}",
        "llm/training/trainer.py, next_token_loss",
    ),
    "baselines": Explanation(
        "The dashed lines",
        "What one reaches without any network: guessing blindly (uniform), knowing how often each token occurs "
        "(unigram), and knowing which token follows which (bigram). A model below the bigram line uses more than one "
        "token of context.",
        r"p_\text{bigram}(y \mid x) = \frac{\text{count}(x, y) + 1}{\text{count}(x) + d_\text{vocab}}",
        "llm/training/evaluation.py, baselines",
    ),
    "validation": Explanation(
        "Validation",
        "The last tenth of the text, which training never sees. When training loss goes on falling and validation loss "
        "does not, the model learns by heart. Every point is measured on the same windows of that text.",
        r"\text{validation loss} = \text{the same mean, over the fixed validation windows}",
        "llm/training/evaluation.py, evaluate",
    ),
    "bits": Explanation(
        "Bits per character",
        "The loss, counted per character of text instead of per token, so that runs with different tokenizers can be "
        "compared. A perfect text compressor built on this model would need so many bits for each character.",
        r"\frac{\sum_i -\ln p(\text{token}_i)}{\ln 2 \cdot \text{characters}}",
        "llm/training/evaluation.py, evaluate",
        "Shannon 1948, A Mathematical Theory of Communication",
    ),
    "perplexity": Explanation(
        "Perplexity and accuracy",
        "Perplexity: the model is as unsure as if it chose among that many equally likely tokens. Accuracy: how often "
        "its likeliest token is the right one.",
        r"\text{perplexity} = e^{\text{loss}}",
        "llm/training/evaluation.py, evaluate",
    ),
    "learning_rate": Explanation(
        "Learning rate",
        "How far each step moves the weights. It rises during warm-up, and falls at the end so that the model settles.",
        r"\theta \leftarrow \theta - \eta_t \cdot \frac{\hat m}{\sqrt{\hat v} + \epsilon}",
        "llm/training/optim.py, schedule; llm/training/adamw.py",
        "Loshchilov & Hutter 2019, arXiv:1711.05101",
    ),
    "gradient": Explanation(
        "Length of the gradient",
        "How strongly the loss would change with the weights, over all of them together. Spikes are steps on unusual "
        "text; longer gradients than the limit are scaled down.",
        r"\lVert g \rVert_2 = \sqrt{\sum_j g_j^2}",
        "llm/training/trainer.py",
        "Pascanu et al. 2013, arXiv:1211.5063",
    ),
    "probability": Explanation(
        "Probability of a token",
        "The model gives every token of its vocabulary a score; softmax turns scores into probabilities that sum to 1, "
        "and the next token is drawn from them. Hover over a token to see what else it might have been.",
        r"p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}",
        "llm/sampling.py",
    ),
    "temperature": Explanation(
        "Temperature and the other filters",
        "Before a token is drawn, the scores can be changed: a low temperature prefers the favourites, top-k, top-p "
        "and min-p rule out the unlikely ones, a repetition penalty weakens what stands there already.",
        r"p \propto e^{z / T}",
        "llm/sampling.py, apply_filters",
        "Holtzman et al. 2020, arXiv:1904.09751",
    ),
    "tokens": Explanation(
        "Tokens",
        "A model reads neither letters nor words but tokens: pieces of text from a fixed list, each with a number. "
        "Longer pieces make shorter sequences, but a longer list.",
        r"\text{text} \to (t_1, \dots, t_n), \quad t_i \in \{0, \dots, d_\text{vocab} - 1\}",
        "llm/tokenizers",
        "Sennrich et al. 2016, arXiv:1508.07909",
    ),
}


def explain(label: str, *names: str) -> None:
    """A button that opens the explanations of these figures."""
    with st.popover(label, icon=":material/help:", type="tertiary"):
        for name in names:
            explanation = EXPLANATIONS[name]
            st.markdown(f"**{explanation.title}.** {explanation.words}")
            st.latex(explanation.equation)
            origin = f"Computed in `{explanation.computed_in}`"
            st.caption(f"{origin} · {explanation.source}" if explanation.source else origin)
