"""A picture of a model's parts, from tokens to the next token: what each is, its size, and why one would choose it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import streamlit as st

from llm.config import ModelConfig
from llm.costs import parameter_count
from llm.layers.mask import REGISTRY as MASKS
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.query_key_norm import REGISTRY as QUERY_KEY_NORMS
from llm.layers.sublayers import REGISTRY as SUBLAYERS

EMBEDDING_WHY = "A vector to learn for each token of the vocabulary."
SCALE_WHY = (
    "Enlarged, because a table that also scores tokens is kept small (Vaswani et al. 2017, arXiv:1706.03762; Gemma: "
    "Gemma Team 2024, arXiv:2403.08295)."
)
SOFTCAP_WHY = "The cap keeps logits from growing without bound (Gemma 2: Gemma Team 2024, arXiv:2408.00118)."
ATTENTION_WHY = "Lets each position read from {} (Vaswani et al. 2017, arXiv:1706.03762)."
GROUPED_WHY = "Fewer keys and values to keep while writing (Ainslie et al. 2023, arXiv:2305.13245)."
SCORE_CAP_WHY = "A cap on scores keeps them from growing without bound (Gemma 2: Gemma Team 2024, arXiv:2408.00118)."
QKV_BIAS_WHY = "Biases in queries, keys and values alone (Qwen2: Yang et al. 2024, arXiv:2407.10671)."
EXPERTS_WHY = (
    "Many MLPs, of which a router picks a few for each token: more parameters for the same work (Shazeer et al. 2017, "
    "arXiv:1701.06538; Mixtral: Jiang et al. 2024, arXiv:2401.04088)."
)
SHARED_WHY = "Shared experts compute every token (DeepSeekMoE: Dai et al. 2024, arXiv:2401.06066)."
CAPACITY_WHY = "A capacity keeps any expert's work in a batch small (Switch: Fedus et al. 2021, arXiv:2101.03961)."
TIED_WHY = "The embedding, transposed: fewer parameters (Press & Wolf 2017, arXiv:1608.05859)."
UNTIED_WHY = "A matrix of its own: what a token means and what predicts it may differ."

STYLE = """<style>
.llm-architecture { container-type: inline-size; font-size: 0.875rem; line-height: 1.4; }
.llm-architecture, .llm-block { display: grid; gap: 0.4rem; }
.llm-block { padding-left: 0.8rem; border-left: 3px solid var(--llm-accent); }
.llm-part { display: grid; grid-template-columns: 17rem 1fr; gap: 0.2rem 1rem; align-items: center; }
.llm-block .llm-part { grid-template-columns: 16rem 1fr; }
.llm-box { border: 1px solid var(--llm-line); border-radius: 0.5rem; background: var(--llm-panel);
  padding: 0.3rem 0.6rem; }
.llm-quiet { color: var(--llm-quiet); font-size: 0.8rem; }
@container (max-width: 40rem) { .llm-part, .llm-block .llm-part { grid-template-columns: 1fr; } }
</style>"""


@dataclass(frozen=True)
class Part:
    """One part of the picture; `parameters` are those of one of its kind, in one block."""

    title: str
    sizes: str
    why: str
    parameters: int


def architecture(config: ModelConfig) -> tuple[list[Part], list[Part], list[Part]]:
    """The parts before the blocks, those of each block, and those after them, in the order of the forward pass."""
    count, positions = parameter_count(config), POSITIONS[config.positional]
    width, tokens = f"{config.d_model:,}", f"{config.d_vocab:,}"
    sizes, why = f"{tokens} tokens → {width} numbers each", EMBEDDING_WHY
    if config.scale_embeddings:
        sizes, why = f"{sizes} · times √{width}", f"{why} {SCALE_WHY}"
    before = [Part("Embedding", sizes, why, count.embedding)]
    if positions.acts_on == "residual stream":
        sizes = f"up to {config.n_ctx:,} tokens"
        before.append(Part(f"Positions: {positions.label}", sizes, positions.why, count.positions))
    unembedding_why = TIED_WHY if config.tie_embeddings else UNTIED_WHY
    sizes = f"{width} numbers → {tokens} logits"
    if config.final_softcap is not None:
        sizes, unembedding_why = f"{sizes} within ±{config.final_softcap:g}", f"{unembedding_why} {SOFTCAP_WHY}"
    after = [Part("Unembedding", sizes, unembedding_why, count.unembedding)]
    return before, _block(config), after if NORM_POSITIONS[config.norm_position].stream else [_norm(config), *after]


def _block(config: ModelConfig) -> list[Part]:
    """The parts of a block; a norm that two sublayers share stands once, before both."""
    norms, sublayers = NORM_POSITIONS[config.norm_position], SUBLAYERS[config.sublayers]
    norm, attention, mlp = [_norm(config)], _attention(config), _mlp(config)
    reads, writes, stream = (norm if has else [] for has in (norms.reads, norms.writes, norms.stream))
    first = [*reads, attention, *writes, *([] if sublayers.parallel else stream)]
    return [*first, *([] if sublayers.one_norm else reads), mlp, *writes, *stream]


def _norm(config: ModelConfig) -> Part:
    norm = NORMS[config.norm]
    why = f"{norm.why} {NORM_POSITIONS[config.norm_position].why}"
    return Part(norm.label, f"{config.d_model:,} numbers", why, norm.parameters(config, config.d_model))


def _attention(config: ModelConfig) -> Part:
    """Attention with what sets this model's apart."""
    positions, weights = POSITIONS[config.positional], parameter_count(config).attention // config.n_layers
    mask = MASKS[config.mask]
    read = "those before it" if mask.causal else "all others"
    sizes, whys = [f"{config.n_heads} heads of {config.d_head}"], [ATTENTION_WHY.format(read)]
    if config.n_kv_heads != config.n_heads:
        sizes.append(f"{config.n_kv_heads} for keys and values")
        whys.append(GROUPED_WHY)
    if mask.windowed or not mask.causal:
        sizes.append(f"{mask.label}, {config.window:,}" if mask.windowed else mask.label)
        whys.append(mask.why)
    if positions.acts_by_distance:
        choices = positions.choices(config)
        sizes += [positions.label, *(choice.label for choice in choices)]
        whys += [positions.why, *(choice.why for choice in choices)]
        weights += positions.parameters(config) // config.n_layers
    if config.qk_norm:
        over = QUERY_KEY_NORMS[config.qk_norm_over]
        sizes.append(f"queries and keys normalised, {over.label}")
        whys.append(over.why)
        weights += over.parameters(config)
    if config.qkv_bias and not config.bias:
        sizes.append("biases in queries, keys and values")
        whys.append(QKV_BIAS_WHY)
    if config.attention_softcap is not None:
        sizes.append(f"scores within ±{config.attention_softcap:g}")
        whys.append(SCORE_CAP_WHY)
    return Part("Attention", " · ".join(sizes), " ".join(whys), weights)


def _mlp(config: ModelConfig) -> Part:
    activation, width = ACTIVATIONS[config.activation], f"{config.d_model:,}"
    weights = parameter_count(config).mlp // config.n_layers
    title, sizes, whys = f"MLP: {activation.label}", [f"{width} → {config.d_mlp:,} → {width}"], [activation.why]
    if config.n_experts:
        title = f"Experts: {activation.label}"
        used = config.experts_per_token
        sizes = [f"router: {used} of {config.n_experts} for each token", f"each {sizes[0]}"]
        whys.append(EXPERTS_WHY)
        if config.n_shared_experts:
            sizes.append(f"{config.n_shared_experts} more for every token")
            whys.append(SHARED_WHY)
        if config.expert_capacity is not None:
            sizes.append(f"capacity {config.expert_capacity:g}")
            whys.append(CAPACITY_WHY)
    if SUBLAYERS[config.sublayers].parallel:
        sizes.append("beside attention")
        whys.append(SUBLAYERS[config.sublayers].why)
    return Part(title, " · ".join(sizes), " ".join(whys), weights)


def show_architecture(config: ModelConfig) -> None:
    """Draw the picture, as a list from top to bottom; the parts of a block stand together."""
    told: set[str] = set()  # each reason is told once
    before, block, after = ("".join(_item(part, told) for part in parts) for parts in architecture(config))
    times = f"{config.n_layers:,} blocks like this, one after the other" if config.n_layers > 1 else "One block"
    same = " and both read the same" if SUBLAYERS[config.sublayers].parallel else ""
    st.html(
        f'{STYLE}<div class="llm-architecture" role="list">{before}'
        f'<div role="listitem"><div class="llm-quiet">{times}; attention and MLP add to what they read{same}:</div>'
        f'<div class="llm-block" role="list">{block}</div></div>{after}</div>'
    )


def _item(part: Part, told: set[str]) -> str:
    parameters = f"{part.parameters:,} parameters" if part.parameters else "no parameters of its own"
    why = "" if part.why in told else escape(part.why)
    told.add(part.why)
    return (
        f'<div class="llm-part" role="listitem"><div class="llm-box"><strong>{escape(part.title)}</strong>'
        f'<div class="llm-quiet">{escape(part.sizes)}<br>{parameters}</div></div><div>{why}</div></div>'
    )
