"""Each layer's equation, its symbols linked to the variables of the code, with an everyday explanation beside it.

In a line of an equation `{name}` is the variable `name` of the code, and `{name|symbol}` the same written as `symbol`.
"""

from __future__ import annotations

from typing import Any

EQUATIONS: dict[str, dict[str, Any]] = {
    "Transformer": {
        "lines": ["{resid} = embedding[tokens] + positions", "{resid} ← block({resid}), once for each block",
                  "{return|logits} = {normalised|norm(resid)} · W_U"],
        "words": "Each token becomes a vector. Every block reads these vectors and adds to them, and in the end each "
                 "vector is turned into a score for every possible next token.",
        "source": "Vaswani et al. 2017; Radford et al. 2019",
    },
    "Block": {
        "lines": ["{resid} ← {resid} + {attention_out|attention(norm(resid))}",
                  "{resid} ← {resid} + {mlp_out|MLP(norm(resid))}"],
        "words": "Attention fetches from earlier positions, the MLP thinks about what was fetched. Both only add: the "
                 "residual stream passes through unharmed.",
        "source": "Xiong et al. 2020, arXiv:2002.04745",
    },
    "Attention": {
        "lines": ["{query}, {key}, {value} = resid · W_Q, resid · W_K, resid · W_V",
                  "{scores}[q, k] = {query}[q] · {key}[k] / √d_head,  −∞ where k comes after q",
                  "{pattern}[q] = softmax({scores}[q])", "{mixed}[q] = Σ_k {pattern}[q, k] · {value}[k]",
                  "{return|output}[q] = Σ_heads {mixed}[head, q] · W_O[head]"],
        "words": "Every position asks a question (query), every earlier one holds up a sign (key). Where they match, "
                 "the asker takes what that position offers (value), in shares that sum to 1.",
        "source": "Vaswani et al. 2017, arXiv:1706.03762",
    },
    "MLP": {
        "lines": ["{pre} = x · W_in + b_in", "{hidden} = f({pre})", "{return|output} = {hidden} · W_out + b_out"],
        "words": "Each position on its own: many small detectors look at the vector, those that fire write something "
                 "back.",
        "source": "Vaswani et al. 2017; GELU: arXiv:1606.08415",
    },
    "GatedMLP": {
        "lines": ["{pre} = x · W_in", "{gate} = SiLU(x · W_gate)", "{hidden} = {gate} ⊙ {pre}",
                  "{return|output} = {hidden} · W_out"],
        "words": "Like an MLP, but a second reading of the same vector, the gate, decides how much of each hidden "
                 "number passes.",
        "source": "Shazeer 2020, arXiv:2002.05202",
    },
    "LayerNorm": {
        "lines": ["{mean} = mean(x),  {variance} = mean((x − {mean})²)",
                  "{return|y} = (x − {mean}) / √({variance} + ε) · γ + β"],
        "words": "Turn the volume of every position to the same level: subtract its mean, divide by its spread.",
        "source": "Ba, Kiros & Hinton 2016, arXiv:1607.06450",
    },
    "RMSNorm": {
        "lines": ["{mean_square} = mean(x²)", "{return|y} = x / √({mean_square} + ε) · γ"],
        "words": "Turn the volume of every position to the same level, without moving its middle.",
        "source": "Zhang & Sennrich 2019, arXiv:1910.07467",
    },
    "TokenEmbedding": {
        "lines": ["{return|resid}[pos] = W_E[token[pos]] = {one_hot}[pos] · W_E"],
        "words": "Each token has a learned vector: look it up. A one-hot row times the table does the same.",
        "source": "",
    },
    "Unembedding": {
        "lines": ["{return|logits}[pos] = resid[pos] · {unembedding|W_U}"],
        "words": "Compare each position's vector with every token's: the better they point the same way, the higher "
                 "the score.",
        "source": "Press & Wolf 2017, arXiv:1608.05859",
    },
    "LearnedPositions": {
        "lines": ["{return|resid}[pos] = resid[pos] + {positions|W_pos}[pos]"],
        "words": "Add a learned vector that says: this is place number 0, 1, 2, …",
        "source": "Radford et al. 2019",
    },
    "SinusoidalPositions": {
        "lines": ["{angle}[pos, i] = {position} · 10000^(−2i/d_model)", "{waves} = sin {angle}, cos {angle}",
                  "{return|resid} = resid + {waves}"],
        "words": "Like the hands of many clocks, some fast and some slow: together they tell the place.",
        "source": "Vaswani et al. 2017, arXiv:1706.03762",
    },
    "Rotary": {
        "lines": ["{angle}[pos, i] = {position} · θ^(−2i/d_head)",
                  "({turned_x}, {turned_y}) = (x cos − y sin, y cos + x sin)"],
        "words": "Turn each pair of numbers like a clock's hand, further at later positions. Two vectors then compare "
                 "by how far apart they are.",
        "source": "Su et al. 2021, arXiv:2104.09864",
    },
    "Alibi": {
        "lines": ["{distance}[q, k] = q − k", "{return|bias}[h, q, k] = −slope_h · {distance}[q, k]"],
        "words": "The further back a token is, the more its score is lowered; each head has its own patience.",
        "source": "Press et al. 2021, arXiv:2108.12409",
    },
}  # fmt: skip
