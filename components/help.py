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
    "trace": Explanation(
        "The trace and the comparison",
        "One forward pass of this model on this text is recorded. The layer that you look at is then run again on its "
        "very input, in each implementation, while every line's tensors are kept. The differences are the largest over "
        "all numbers; they come from rounding alone, since additions in another order round differently.",
        r"\max_i \lvert y_i - y'_i \rvert \quad \text{and} \quad \max_i \left\lvert \frac{\partial L}{\partial x_i} - "
        r"\frac{\partial L'}{\partial x_i} \right\rvert",
        "llm/interpret/linetrace.py, trace_layer and compare",
    ),
    "gradient_of_tensor": Explanation(
        "The gradient of a tensor",
        "How much the loss on this text would change if a number inside the model were a little larger. Where "
        "it is large, learning has something to say.",
        r"\frac{\partial \text{loss}}{\partial x_i}",
        "llm/interpret/linetrace.py, record_pass and trace_layer",
    ),
    "attention": Explanation(
        "Attention pattern",
        "Row by row: how a token shares out its attention among itself and the tokens before it. A row sums to 1. A "
        "pattern says where information may flow; that it is used, only an intervention can show.",
        r"A_{q,k} = \frac{e^{s_{q,k}}}{\sum_{j \le q} e^{s_{q,j}}}, \quad "
        r"s_{q,k} = \frac{\text{query}_q \cdot \text{key}_k}{\sqrt{d_\text{head}}} \; (+ \text{ALiBi})",
        "llm/layers/attention.py",
        "Vaswani et al. 2017, arXiv:1706.03762",
    ),
    "previous_score": Explanation(
        "Previous-token score",
        "How much of its attention a head gives to the token just before, on random tokens that come twice. 1: all.",
        r"\operatorname{mean}_{q \ge 1} A_{q,\,q-1}",
        "llm/interpret/heads.py, pattern_scores",
    ),
    "duplicate_score": Explanation(
        "Duplicate-token score",
        "In the second copy of the random tokens: how much attention goes to the same token's first occurrence.",
        r"\operatorname{mean}_{q \ge L} A_{q,\,q-L}, \quad L \text{ tokens, repeated twice}",
        "llm/interpret/heads.py, pattern_scores",
    ),
    "induction_score": Explanation(
        "Induction score",
        "In the second copy: how much attention goes to the token that came after the same token last time, which is "
        "what is needed to continue a repetition. It takes two layers working together: a one-layer model has none.",
        r"\operatorname{mean}_{q \ge L} A_{q,\,q-L+1}",
        "llm/interpret/heads.py, pattern_scores",
        "Olsson et al. 2022, arXiv:2209.11895",
    ),
    "first_score": Explanation(
        "First-token score",
        "How much attention goes to the very first token. Many heads rest there when they find nothing to do.",
        r"\operatorname{mean}_{q \ge 1} A_{q,0}",
        "llm/interpret/heads.py, pattern_scores",
    ),
    "entropy": Explanation(
        "Entropy of attention",
        "How widely a head spreads its attention, in nats. 0: always on a single token; at most ln(q + 1) for query "
        "position q: evenly over all that it may see.",
        r"\operatorname{mean}_q \Big( -\sum_k A_{q,k} \ln A_{q,k} \Big) \le \operatorname{mean}_q \ln(q + 1)",
        "llm/interpret/heads.py, pattern_scores",
    ),
    "value_weighted": Explanation(
        "Value-weighted pattern",
        "How much each token really contributes: a head can look at a token whose value is nearly zero and take "
        "nothing from it. Each row is scaled to sum to 1 again.",
        r"A_{q,k} \, \lVert \text{value}_k \rVert \;\big/\; \sum_j A_{q,j} \, \lVert \text{value}_j \rVert",
        "llm/interpret/views.py, head_view",
        "Kobayashi et al. 2020, arXiv:2004.10102",
    ),
    "sink": Explanation(
        "Attention sinks, and hiding the first token",
        "Softmax has to put its weight somewhere. A head that finds nothing often puts it on the first token, which "
        "every position can see, and whose value is often small, so that little is taken from it. Hide it to see how "
        "the rest is shared out. That is a view of the same pattern, not of another model.",
        r"A'_{q,k} = \frac{A_{q,k}}{1 - A_{q,0}} \quad (k \ge 1)",
        "llm/interpret/views.py, without_first",
        "Xiao et al. 2023, arXiv:2309.17453",
    ),
    "position_part": Explanation(
        "Content's part and position's part of a score",
        "Two schemes act inside the score, so their part can be told apart. ALiBi subtracts a slope times the "
        "distance. Rotary positions turn query and key: content's part is the score with both unturned, as if the key "
        "stood where the query stands, and position's part is what turning adds. Learned and sinusoidal positions are "
        "added to the embeddings, where they mix with content.",
        r"s_{q,k} = \text{content}_{q,k} + \text{position}_{q,k}, \quad "
        r"\text{position}_{q,k} = -m_h (q - k) \;\text{ for ALiBi}",
        "llm/interpret/views.py, head_view and distance_scores",
        "Su et al. 2021, arXiv:2104.09864; Press et al. 2021, arXiv:2108.12409",
    ),
    "in_context": Explanation(
        "In-context learning score",
        "Loss late in the context minus loss early in it, on held-out text. Negative: the model uses what it has read.",
        r"\text{loss}[0.9 \, n_\text{ctx}] - \text{loss}[0.1 \, n_\text{ctx}]",
        "llm/interpret/positions.py, in_context_score",
        "Olsson et al. 2022, arXiv:2209.11895",
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
