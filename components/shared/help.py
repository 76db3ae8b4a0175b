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
        "llm/loss.py, next_token_loss",
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
        "llm/training/schedule.py, learning_rate_multiplier; llm/training/optimizers/adamw.py, adamw_step",
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
        "llm/trace/layers.py, trace_layer and compare",
    ),
    "gradient_of_tensor": Explanation(
        "The gradient of a tensor",
        "How much the loss on this text would change if a number inside the model were a little larger. Where "
        "it is large, learning has something to say.",
        r"\frac{\partial \text{loss}}{\partial x_i}",
        "llm/trace/layers.py, record_pass and trace_layer",
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
    "ablation": Explanation(
        "Ablation effect",
        "What goes wrong when a head or an MLP is switched off. Its output is replaced by zero, or by its mean over "
        "a batch of text: zero also takes away what the part always adds, the mean only what it adds just here. "
        "Ablating nothing changes nothing.",
        r"\text{output} \to r + s \cdot (\text{output} - r), \quad r \in \{0, \text{mean}\}, \quad "
        r"\text{effect} = \text{loss}_\text{altered} - \text{loss}",
        "llm/interpret/ablation.py, ablate and effect; llm/interpret/intervening.py, react and each_alone",
    ),
    "edited_pattern": Explanation(
        "A gaze that is steered",
        "A head's attention pattern is replaced, row by row, and everything after it is computed as ever. What changes "
        "then was caused by where the head looked: this is how a pattern is put to the test.",
        r"A_{q,k} \to A'_{q,k}, \quad \sum_k A'_{q,k} = 1, \quad A'_{q,k} = 0 \text{ for } k > q",
        "llm/interpret/ablation.py, edit_pattern; llm/interpret/intervening.py, edited_pattern",
    ),
    "patching": Explanation(
        "Activation patching",
        "Two prompts that differ in one place, and ask for different answers. One activation of the clean run is put "
        "into the corrupted run. 0: nothing of the answer came back; 1: all of it, so that this very place carried "
        "what told the prompts apart. Below 0 or above 1 can happen, since the parts do not act alone.",
        r"\frac{LD_\text{patched} - LD_\text{corrupt}}{LD_\text{clean} - LD_\text{corrupt}}, \quad "
        r"LD = \text{logit}[y] - \text{logit}[y'] \text{ after the last position}",
        "llm/interpret/patching.py, patch",
        "Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262",
    ),
    "embedding_map": Explanation(
        "Map of the embeddings, and explained variance",
        "Each token of the vocabulary is a vector of d_model numbers. The map shows them from where they spread most: "
        "principal components. Explained variance is the share of all spread that an axis shows; what the axes leave "
        "out is invisible here, so near on the map need not be near.",
        r"(W_E - \overline{W_E}) \, V, \quad V: \text{leading eigenvectors of the covariance}, \quad "
        r"\text{explained}_i = \lambda_i \,\big/\, \sum_j \lambda_j",
        "llm/interpret/embeddings.py, embedding_map",
        "Pearson 1901",
    ),
    "cosine": Explanation(
        "Cosine of two embeddings",
        "How alike two directions are: 1 the same, 0 at right angles, −1 opposite. It uses all d_model numbers.",
        r"\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}",
        "llm/interpret/embeddings.py, nearest and position_cosines",
    ),
    "distance": Explanation(
        "What distance alone does to a score",
        "Models with rotary positions or ALiBi have no position vectors: a score depends on how far apart query and "
        "key stand. Rotary: a curve for each pair of numbers that is turned together. ALiBi: the penalty of each head.",
        r"\text{rotary: } \cos\!\big(d \, \theta^{-2i / d_\text{head}}\big) \qquad \text{ALiBi: } -m_h \, d",
        "llm/interpret/embeddings.py, distance_curves",
        "Su et al. 2021, arXiv:2104.09864; Press et al. 2021, arXiv:2108.12409",
    ),
    "neuron": Explanation(
        "What excites a neuron",
        "A neuron is one of the d_mlp hidden numbers of an MLP. These are the places of the run's own text where it is "
        "largest, at most one from each window of context. A clear theme is a hint, not a proof: most neurons "
        "answer to more than one thing.",
        r"\text{hidden}[\text{neuron}] \text{ at each token; the greatest values over all windows}",
        "llm/interpret/neurons.py, excitations",
    ),
    "neuron_effect": Explanation(
        "Direct effect of a neuron on the output",
        "What one unit of its activity adds to each token's logit by the straight way, past all later layers, up to "
        "the final norm's division by the size of the residual stream.",
        r"W_\text{out}[\text{neuron}] \cdot \gamma \cdot W_U \quad (W_\text{out} \text{ centred, for LayerNorm only})",
        "llm/interpret/neurons.py, neuron_effect",
    ),
    "lens": Explanation(
        "Logit lens",
        "What the model would say if it stopped after a layer: that layer's vector, read as if it were the last. The "
        "norm's statistics are computed anew at each layer, so that the last row is the model's own output.",
        r"\text{lens}_l = \text{unembed}(\text{final\_norm}(\text{resid after layer } l))",
        "llm/interpret/logit_lens.py, lens",
        "nostalgebraist 2020, interpreting GPT: the logit lens",
    ),
    "lens_truth": Explanation(
        "Probability and rank of the true next token",
        "The token that really stands next in the text: how likely a layer finds it, and how many tokens it would "
        "rather say. Rank 1: it is the guess.",
        r"\text{rank} = 1 + \#\{\, v : \text{lens}_l[v] > \text{lens}_l[\text{true}] \,\}",
        "llm/interpret/logit_lens.py, lens",
    ),
    "logit": Explanation(
        "Logit difference",
        "A logit is a token's score before softmax. The difference of two of them says how much likelier the one token "
        "is than the other, whatever the rest of the vocabulary does.",
        r"z_y - z_{y'} = \ln \frac{p_y}{p_{y'}}",
        "llm/model.py",
    ),
    "direct_attribution": Explanation(
        "Direct logit attribution",
        "The last vector is a sum of what the embeddings, every head, every MLP and the biases wrote, and a logit "
        "difference is linear in it once the final norm's scale is frozen from the real run. So each part's push "
        "is a number, and together they are the difference, exactly. Direct means: not by way of later layers.",
        r"\text{push}(c) = \Big( \frac{c - \operatorname{mean} c \text{ (LayerNorm only)}}{\sigma_\text{final}} "
        r"\cdot \gamma \Big) \cdot (W_U[:, y] - W_U[:, y'])",
        "llm/interpret/direct_attribution.py, attribution",
        "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
    ),
    "residual_size": Explanation(
        "Size of the residual stream",
        "The length of a position's vector after the embedding and after each layer. Layers add to it, so it mostly "
        "grows; what a later layer adds must be larger to matter as much.",
        r"\lVert \text{resid}_l \rVert_2",
        "llm/interpret/residual.py, residual_stream",
    ),
    "residual_share": Explanation(
        "Share written by each part",
        "How much of the last vector r a part c wrote along r itself. Shares sum to 1 at every position; one below 0 "
        "writes against the sum. The length of what it wrote is no share: long vectors may cancel.",
        r"\text{share}(c) = \frac{c \cdot r}{\lVert r \rVert^2}, \quad \text{length} = \lVert c \rVert_2",
        "llm/interpret/residual.py, residual_stream",
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
