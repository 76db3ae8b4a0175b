"""The equation of each layer of this model, and of the training code, with a plain explanation beside it.

Equations have only the terms that the model has (a bias, a norm of the keys, added positions). In an equation `{name}`
is the variable `name` of the code, and `{name|symbol}` is the same variable written as `symbol`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llm.config import ModelConfig
from llm.layers import kind_of, mlp
from llm.layers.mask import REGISTRY as MASKS
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.norm import NormEntry
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.position import PositionEntry
from llm.layers.query_key_norm import REGISTRY as QUERY_KEY_NORMS
from llm.layers.query_key_norm import QueryKeyNormEntry
from llm.layers.sublayers import REGISTRY as SUBLAYERS
from llm.training import schedule
from llm.training.optimizers import REGISTRY as OPTIMIZERS

Equation = dict[str, Any]  # lines, words, source


def equations(config: ModelConfig) -> dict[str, Equation]:
    """The equations, by the kind of layer or the title of a piece of training code."""
    return {
        "Transformer": _model(config),
        "Block": _block(config),
        "Attention": _attention(config),
        "GatedMLP" if ACTIVATIONS[config.activation].gated else "MLP": asdict(mlp.equation(config)),
        "TokenEmbedding": _embedding(config),
        "Unembedding": _unembedding(config),
        **{kind_of(norm.classes("einops")): asdict(norm.equation(config)) for norm in _norms()},
        **{kind_of(scheme.classes("einops")): asdict(scheme.equation(config)) for scheme in _position_layers()},
        **(
            {"MixtureOfExperts": asdict(mlp.experts_equation(config)), "Router": asdict(mlp.router_equation(config))}
            if config.n_experts
            else {}
        ),
        **TRAINING,
        **{step.title: asdict(step.equation) for entry in OPTIMIZERS.values() for step in entry.steps},
        **{schedule.title(name): asdict(schedule.equation(name)) for name in schedule.REGISTRY},
    }


def titles() -> dict[str, str]:
    """The name of each kind of layer on the map of the code."""
    return {
        "Transformer": "The model",
        "TokenEmbedding": "Embedding",
        "Unembedding": "Unembedding",
        "Block": "Block",
        "Attention": "Attention",
        "MLP": "MLP",
        "GatedMLP": "Gated MLP",
        "MixtureOfExperts": "Experts",
        "Router": "Router",
        **{kind_of(norm.classes("einops")): norm.label for norm in NORMS.values()},
        **{kind_of(norm.classes("einops")): norm.title for norm in QUERY_KEY_NORMS.values()},
        **{kind_of(scheme.classes("einops")): scheme.title for scheme in _position_layers()},
    }


def _norms() -> list[NormEntry | QueryKeyNormEntry]:
    """The norms of the residual stream, and those of queries and keys."""
    return [*NORMS.values(), *QUERY_KEY_NORMS.values()]


def _position_layers() -> list[PositionEntry]:
    """The position schemes that have a layer of their own."""
    return [scheme for scheme in POSITIONS.values() if scheme.acts_on != "nothing"]


def _told(lines: list[str], words: str, source: str = "") -> Equation:
    return {"lines": lines, "words": words, "source": source}


def _bias(config: ModelConfig, name: str) -> str:
    return f" + {name}" if config.bias else ""


def _unembedding_matrix(config: ModelConfig) -> str:
    return "W_Eᵀ" if config.tie_embeddings else "W_U"


def _model(config: ModelConfig) -> Equation:
    scheme = POSITIONS[config.positional]
    added = f" + {scheme.term}" if scheme.acts_on == "residual stream" else ""
    scale = " · √d_model" if config.scale_embeddings else ""
    read = "resid" if NORM_POSITIONS[config.norm_position].stream else "norm(resid)"
    logits = f"{{normalised|{read}}} · {_unembedding_matrix(config)}"
    if config.final_softcap is not None:
        logits = f"cap · tanh({logits} / cap)"
    words = (
        "Each token becomes a vector. Every block reads these vectors and adds to them, and at the end each vector is "
        "turned into a score for every possible next token."
    )
    if scheme.acts_by_distance:
        words += f" Order enters inside attention: the position scheme {scheme.help}."
    elif scheme.acts_on == "nothing":
        words += " Nothing encodes the order, except that no position reads a later one."
    return _told(
        [f"{{resid}} = W_E[tokens]{scale}{added}", "{resid} ← block({resid}),  once for each block",
         f"{{return|logits}} = {logits}"],
        words, "Vaswani et al. 2017; Radford et al. 2019",
    )  # fmt: skip


def _block(config: ModelConfig) -> Equation:
    norms, sublayers = NORM_POSITIONS[config.norm_position], SUBLAYERS[config.sublayers]
    attention, mlp = (norms.added(name, sublayers.one_norm) for name in ("attention", "MLP"))
    attention, mlp = f"{{attention_out|{attention}}}", f"{{mlp_out|{mlp}}}"
    changes = [f"{attention} + {mlp}"] if sublayers.parallel else [attention, mlp]
    sums = [f"{{resid}} + {change}" for change in changes]
    lines = [f"{{resid}} ← {f'norm({total})' if norms.stream else total}" for total in sums]
    if norms.stream:
        lines[-1] = lines[-1].replace("{resid}", "{return|resid}", 1)
    if norms.reads and sublayers.one_norm:
        lines.insert(0, "{read} = norm({resid})")
    sources = "; ".join(filter(None, [norms.source, sublayers.source]))
    return _told(lines, f"{sublayers.words} {norms.words}", sources)


def _attention(config: ModelConfig) -> Equation:
    grouped = config.n_kv_heads < config.n_heads
    lines = [
        "{query}, {key}, {value} = "
        + ", ".join(f"resid · W_{letter}{f' + b_{letter}' * config.has_qkv_bias}" for letter in "QKV"),
    ]
    words = (
        "Every position asks a question (query), every earlier one holds up a sign (key). Where they match, the asker "
        "takes what that position offers (value), in fractions that sum to 1."
    )
    sources = ["Vaswani et al. 2017, arXiv:1706.03762"]
    if config.qk_norm:
        over = QUERY_KEY_NORMS[config.qk_norm_over]
        lines.append("{query}, {key} ← norm({query}), norm({key})")
        words += f" {over.words}"
        sources.append(over.source)
    scheme = POSITIONS[config.positional]
    if scheme.acts_on == "queries and keys":
        lines.append(scheme.term)
    if grouped:
        size = config.group
        lines.append(f"{{key}}[h], {{value}}[h] ← {{key}}[⌊h / {size}⌋], {{value}}[⌊h / {size}⌋]")
        words += f" Groups of {size} heads share one key and one value, which makes the cache smaller."
        sources.append("Ainslie et al. 2023, arXiv:2305.13245" if config.n_kv_heads > 1
                       else "Shazeer 2019, arXiv:1911.02150")  # fmt: skip
    mask = MASKS[config.mask]
    words += mask.words(config)
    sources += [mask.source] * bool(mask.source)
    bias = scheme.term if scheme.acts_on == "scores" else ""
    score = "{query}[h, q] · {key}[h, k] / √d_head"
    if config.attention_softcap is not None:
        cap = f"{config.attention_softcap:g}"
        score = f"{cap} · tanh({score} / {cap})"
        words += f" No match counts for more than {cap}; small ones hardly change."
        sources.append("Gemma Team 2024, arXiv:2408.00118")
    lines += [
        f"{{hidden}}[q, k] = {mask.condition(config)}",
        f"{{scores}}[h, q, k] = {score}{bias},  −∞ where {{hidden}}[q, k]",
        "{pattern}[h, q] = softmax({scores}[h, q])",
        "{mixed}[h, q] = Σ_k {pattern}[h, q, k] · {value}[h, k]",
        f"{{return|output}}[q] = Σ_h {{mixed}}[h, q] · W_O[h]{_bias(config, 'b_O')}",
    ]
    return _told(lines, words, "; ".join(sources))


def _embedding(config: ModelConfig) -> Equation:
    scale = " · √d_model" if config.scale_embeddings else ""
    enlarged = " All are enlarged by the same factor." if config.scale_embeddings else ""
    return _told(
        [f"{{return|resid}}[pos] = W_E[token[pos]]{scale} = {{one_hot}}[pos] · W_E{scale}"],
        f"Each token has a learned vector: look it up. Multiplying a one-hot row by the table does the same.{enlarged}",
        "Vaswani et al. 2017, arXiv:1706.03762" if config.scale_embeddings else "",
    )


def _unembedding(config: ModelConfig) -> Equation:
    matrix = _unembedding_matrix(config)
    words = "Compare each position's vector with one of every token: the closer their directions, the higher the score."
    lines, sources = [f"{{return|logits}}[pos] = resid[pos] · {{unembedding|{matrix}}}"], []
    if config.tie_embeddings:
        words += " The vectors are those of the embedding."
        sources.append("Press & Wolf 2017, arXiv:1608.05859")
    if config.final_softcap is not None:
        cap = f"{config.final_softcap:g}"
        lines = [lines[0].replace("return|", ""), f"{{return|logits}} = {cap} · tanh({{logits}} / {cap})"]
        words += f" No score is let beyond ±{cap}; small ones hardly change."
        sources.append("Gemma Team 2024, arXiv:2408.00118")
    return _told(lines, words, "; ".join(sources))


TRAINING = {
    "Sampling filters": _told(
        ["{penalised|z} ← {selected|z} / penalty where z > 0,  z · penalty below,  for tokens that are in the text",
         "{logits|z} ← (z − max z) / temperature", "{likeliest} = the k greatest z",
         "{before} = Σ of the probabilities {descending} before a token;  it stays while {before} < p",
         "{probabilities} = softmax(z);  a token stays from {least|min_p · max} on"],
        "The model's scores are made sharper or flatter, and unlikely tokens excluded (−∞), before one is drawn. Each "
        "filter reads the output of the one before it.",
        "Keskar et al. 2019; Ackley et al. 1985; Fan et al. 2018; Holtzman et al. 2020; Nguyen et al. 2024",
    ),
    "Data windows": _told(
        ["{fractions}[b] = ({offset} + {window}[b] · golden ratio) mod 1",
         "{windows}[b] = tokens[s … s + n_ctx],  s = ⌊{fractions}[b] · (train − n_ctx)⌋",
         "inputs = {windows}[:, :−1],  targets = {windows}[:, 1:]"],
        "Cut windows out of the text, each far from the last. At every position of a window, the target is the next "
        "token.",
    ),
    "Masked tokens": _told(
        ["{chosen}[b, pos] = whether {order}[b, pos] is among the smallest 15%",
         "{inputs} = the mask token where {chosen} and {kind} < 0.8,  {random} where {chosen} and 0.8 ≤ {kind} < 0.9,  "
         "else {windows}",
         "targets = {windows} where {chosen},  none elsewhere"],
        "Hide some of the tokens. The model sees what comes before and after, and learns to fill them in. Some chosen "
        "tokens are replaced by a random one or stay, so that it must also judge what it reads.",
        "Devlin et al. 2018, arXiv:1810.04805",
    ),
    "BPE merges": _told(
        ["{pair} = the two neighbours that occur together most often,  {count} times",
         "{merge}: {pair} → a new token;  again, until the vocabulary is full"],
        "Start from single bytes. Repeatedly, the most frequent pair becomes one token, so that "
        "frequent words end up as one.",
        "Sennrich, Haddow & Birch 2016, arXiv:1508.07909",
    ),
    "Loss": _told(
        ["p = softmax(logits)", "{return|loss} = −mean over all positions of ln p[the true next token]"],
        "How surprised the model is by what comes next. A model that knows nothing gives every token 1 / d_vocab: "
        "a loss of ln d_vocab. A model that is always certain and right has a loss of 0.",
    ),
}  # fmt: skip
