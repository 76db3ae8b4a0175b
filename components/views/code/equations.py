"""The equation of each layer of this model, and of the training code, with an everyday explanation beside it.

What a model lacks (a bias, a norm of the keys, positions that are added) its equations lack too. In a line of an
equation `{name}` is the variable `name` of the code, and `{name|symbol}` the same written as `symbol`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llm.config import ModelConfig
from llm.training import schedule
from llm.training.optimizers import REGISTRY as OPTIMIZERS

Equation = dict[str, Any]  # lines, words, source


def equations(config: ModelConfig) -> dict[str, Equation]:
    """By the kind of a layer, or the title of a piece of training code."""
    return {
        "Transformer": _model(config),
        "Block": _block(config),
        "Attention": _attention(config),
        "MLP": _mlp(config),
        "GatedMLP": _gated_mlp(config),
        "LayerNorm": _layer_norm(config),
        "Unembedding": _unembedding(config),
        **FIXED,
        **TRAINING,
        **{step.title: asdict(step.equation) for entry in OPTIMIZERS.values() for step in entry.steps},
        **{schedule.title(name): asdict(schedule.equation(name)) for name in schedule.REGISTRY},
    }


def _told(lines: list[str], words: str, source: str = "") -> Equation:
    return {"lines": lines, "words": words, "source": source}


def _bias(config: ModelConfig, name: str) -> str:
    return f" + {name}" if config.bias else ""


def _unembedding_matrix(config: ModelConfig) -> str:
    return "W_Eᵀ" if config.tie_embeddings else "W_U"


def _model(config: ModelConfig) -> Equation:
    added = {"learned": " + W_pos", "sinusoidal": " + waves"}.get(config.positional, "")
    read = "norm(resid)" if config.norm_position == "pre" else "resid"
    words = (
        "Each token becomes a vector. Every block reads these vectors and adds to them, and in the end each vector is "
        "turned into a score for every possible next token."
    )
    if not added:
        words += {
            "rope": " Order is told inside attention, by turning queries and keys.",
            "alibi": " Order is told inside attention, by lowering the scores of what is far back.",
        }.get(config.positional, " Nothing tells it the order but that nobody sees what comes later.")
    return _told(
        [f"{{resid}} = W_E[tokens]{added}", "{resid} ← block({resid}),  once for each block",
         f"{{return|logits}} = {{normalised|{read}}} · {_unembedding_matrix(config)}"],
        words, "Vaswani et al. 2017; Radford et al. 2019",
    )  # fmt: skip


def _block(config: ModelConfig) -> Equation:
    if config.norm_position == "pre":
        return _told(
            ["{resid} ← {resid} + {attention_out|attention(norm(resid))}",
             "{resid} ← {resid} + {mlp_out|MLP(norm(resid))}"],
            "Attention fetches from earlier positions, the MLP thinks about what was fetched. Both only add: the "
            "residual stream passes through unharmed.",
            "Xiong et al. 2020, arXiv:2002.04745",
        )  # fmt: skip
    return _told(
        ["{resid} ← norm({resid} + {attention_out|attention(resid)})",
         "{return|resid} ← norm({resid} + {mlp_out|MLP(resid)})"],
        "Attention fetches from earlier positions, the MLP thinks about what was fetched. After each addition the "
        "whole residual stream is brought back to a steady scale.",
        "Vaswani et al. 2017, arXiv:1706.03762",
    )  # fmt: skip


def _attention(config: ModelConfig) -> Equation:
    grouped = config.n_kv_heads < config.n_heads
    lines = [
        "{query}, {key}, {value} = " + ", ".join(f"resid · W_{one}{_bias(config, f'b_{one}')}" for one in "QKV"),
    ]
    words = (
        "Every position asks a question (query), every earlier one holds up a sign (key). Where they match, the asker "
        "takes what that position offers (value), in shares that sum to 1."
    )
    sources = ["Vaswani et al. 2017, arXiv:1706.03762"]
    if config.qk_norm:
        lines.append("{query}, {key} ← norm({query}), norm({key})")
        words += " Questions and signs are brought to one length first, so that only their direction counts."
        sources.append("Henry et al. 2020, arXiv:2010.04245")
    if config.positional == "rope":
        lines.append("{query}, {key} ← each turned by the angles of its position")
    if grouped:
        size = config.n_heads // config.n_kv_heads
        lines.append(f"{{key}}[h], {{value}}[h] ← {{key}}[⌊h / {size}⌋], {{value}}[⌊h / {size}⌋]")
        words += f" Groups of {size} heads share one sign and one offer, which makes them cheaper to remember."
        sources.append("Ainslie et al. 2023, arXiv:2305.13245" if config.n_kv_heads > 1
                       else "Shazeer 2019, arXiv:1911.02150")  # fmt: skip
    farther = " − slope_h · (q − k)" if config.positional == "alibi" else ""
    lines += [
        f"{{scores}}[h, q, k] = {{query}}[h, q] · {{key}}[h, k] / √d_head{farther},  −∞ where k comes after q",
        "{pattern}[h, q] = softmax({scores}[h, q])",
        "{mixed}[h, q] = Σ_k {pattern}[h, q, k] · {value}[h, k]",
        f"{{return|output}}[q] = Σ_h {{mixed}}[h, q] · W_O[h]{_bias(config, 'b_O')}",
    ]
    return _told(lines, words, "; ".join(sources))


def _mlp(config: ModelConfig) -> Equation:
    gelu = config.activation == "gelu"
    return _told(
        [f"{{pre}} = x · W_in{_bias(config, 'b_in')}",
         "{hidden} = {pre} ⊙ Φ({pre})" if gelu else "{hidden} = max({pre}, 0)",
         f"{{return|output}} = {{hidden}} · W_out{_bias(config, 'b_out')}"],
        "Each position on its own: many small detectors look at the vector, those that fire write something back. "
        + ("GELU lets a number through by its Φ, the share of a normal distribution that lies below it." if gelu
           else "ReLU lets a number through if it is above 0."),
        "Vaswani et al. 2017" + ("; GELU: Hendrycks & Gimpel 2016, arXiv:1606.08415" if gelu else ""),
    )  # fmt: skip


def _gated_mlp(config: ModelConfig) -> Equation:
    return _told(
        [f"{{pre}} = x · W_in{_bias(config, 'b_in')}", f"{{gate}} = SiLU(x · W_gate{_bias(config, 'b_gate')})",
         "{hidden} = {gate} ⊙ {pre}", f"{{return|output}} = {{hidden}} · W_out{_bias(config, 'b_out')}"],
        "Like an MLP, but a second reading of the same vector, the gate, decides how much of each hidden number "
        "passes. SiLU(z) = z · σ(z).",
        "Shazeer 2020, arXiv:2002.05202",
    )  # fmt: skip


def _layer_norm(config: ModelConfig) -> Equation:
    return _told(
        ["{mean} = mean(x),  {variance} = mean((x − {mean})²)",
         f"{{return|y}} = (x − {{mean}}) / √({{variance}} + ε) · γ{_bias(config, 'β')}"],
        "Turn the volume of every position to the same level: subtract its mean, divide by its spread.",
        "Ba, Kiros & Hinton 2016, arXiv:1607.06450",
    )  # fmt: skip


def _unembedding(config: ModelConfig) -> Equation:
    matrix = _unembedding_matrix(config)
    tied = " The vectors are the very ones of the embedding." if config.tie_embeddings else ""
    return _told(
        [f"{{return|logits}}[pos] = resid[pos] · {{unembedding|{matrix}}}"],
        "Compare each position's vector with one of every token: the better they point the same way, the higher the "
        "score." + tied,
        "Press & Wolf 2017, arXiv:1608.05859" if config.tie_embeddings else "",
    )  # fmt: skip


FIXED = {
    "RMSNorm": _told(
        ["{mean_square} = mean(x²)", "{return|y} = x / √({mean_square} + ε) · γ"],
        "Turn the volume of every position to the same level, without moving its middle.",
        "Zhang & Sennrich 2019, arXiv:1910.07467",
    ),
    "TokenEmbedding": _told(
        ["{return|resid}[pos] = W_E[token[pos]] = {one_hot}[pos] · W_E"],
        "Each token has a learned vector: look it up. A one-hot row times the table does the same.",
    ),
    "LearnedPositions": _told(
        ["{return|resid}[pos] = resid[pos] + {positions|W_pos}[pos]"],
        "Add a learned vector that says: this is place number 0, 1, 2, …", "Radford et al. 2019",
    ),
    "SinusoidalPositions": _told(
        ["{angle}[pos, i] = {position} · 10000^(−2i/d_model)", "{waves} = sin {angle}, cos {angle}",
         "{return|resid} = resid + {waves}"],
        "Like the hands of many clocks, some fast and some slow: together they tell the place.",
        "Vaswani et al. 2017, arXiv:1706.03762",
    ),
    "Rotary": _told(
        ["{angle}[pos, i] = {position} · θ^(−2i/d_head)",
         "({turned_x}, {turned_y}) = ({x} cos {angle} − {y} sin {angle}, {y} cos {angle} + {x} sin {angle})"],
        "Turn each pair of numbers like a clock's hand, further at later positions. Two vectors then compare by how "
        "far apart they are.",
        "Su et al. 2021, arXiv:2104.09864",
    ),
    "Alibi": _told(
        ["{distance}[q, k] = q − k", "{return|bias}[h, q, k] = −slope_h · {distance}[q, k]"],
        "The further back a token is, the more its score is lowered; each head has its own patience.",
        "Press et al. 2021, arXiv:2108.12409",
    ),
}  # fmt: skip

TRAINING = {
    "Sampling filters": _told(
        ["{penalised|z} ← {scores|z} / penalty where z > 0,  z · penalty below,  for tokens that stand in the text",
         "{logits|z} ← (z − max z) / temperature", "{likeliest} = the k greatest z",
         "{before} = Σ of the probabilities {falling} before a token;  it stays while {before} < p",
         "{probabilities} = softmax(z);  a token stays from {least|min_p · max} on"],
        "The model's scores are made sharper or flatter, and unlikely tokens ruled out (−∞), before one is drawn. Each "
        "filter reads what the one before it left.",
        "Keskar et al. 2019; Ackley et al. 1985; Fan et al. 2018; Holtzman et al. 2020; Nguyen et al. 2024",
    ),
    "Data windows": _told(
        ["{shares}[b] = ({begin} + {window}[b] · golden ratio) mod 1",
         "{windows}[b] = tokens[s … s + n_ctx],  s = ⌊{shares}[b] · (train − n_ctx)⌋",
         "inputs = {windows}[:, :−1],  targets = {windows}[:, 1:]"],
        "Cut pieces out of the text, each far from the last. At every place of a piece, the next token is the answer "
        "that the model should give.",
    ),
    "BPE merges": _told(
        ["{pair} = the two neighbours that occur together most often,  {count} times",
         "{merge}: {pair} → a new token;  again, until the vocabulary is full"],
        "Begin with single bytes. Again and again, the pair that is seen most often becomes one token, so that "
        "frequent words end up as one.",
        "Sennrich, Haddow & Birch 2016, arXiv:1508.07909",
    ),
    "Loss": _told(
        ["p = softmax(logits)", "{return|loss} = −mean over all positions of ln p[the token that really follows]"],
        "How surprised the model is by what comes next. One that knows nothing gives every token 1 / d_vocab, a loss "
        "of ln d_vocab; one that always knows has 0.",
    ),
}  # fmt: skip
