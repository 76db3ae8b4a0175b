"""Recipes of models: which parts each has, and why, with the paper.

Fields that a recipe does not name are ModelConfig's defaults. A reason stands for one field, with its paper; where a
recipe gives none, the registry entry of the part has one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """One recipe."""

    title: str
    description: str
    paper: str
    fields: dict[str, Any]
    group: int = 1  # at most so many query heads share a key/value head, and at least two key/value heads remain
    window: float | None = None  # of attention, as a fraction of n_ctx
    expert_width: float | None = None  # d_mlp as a fraction of d_model, where experts are narrow
    reasons: dict[str, str] = field(default_factory=dict)  # by field


BIASES = "Each map can also shift what it writes, as in the first transformer (Vaswani et al. 2017, arXiv:1706.03762)."
NO_BIASES = "Large models train more steadily without (PaLM: Chowdhery et al. 2022, arXiv:2204.02311)."
TIED = "One matrix for reading and writing tokens: fewer parameters (Press & Wolf 2017, arXiv:1608.05859)."
UNTIED = "A matrix of its own: what a token means and what predicts it may differ."
GROUPED = "Fewer keys and values to keep: faster writing with less memory"
ONE_EACH = "Each query head has keys and values of its own (Vaswani et al. 2017, arXiv:1706.03762)."
LLAMA_PARTS = {
    "positional": "rope", "norm": "rmsnorm", "activation": "swiglu", "bias": False, "tie_embeddings": False,
}  # fmt: skip
WHY_LLAMA = {
    "bias": NO_BIASES, "tie_embeddings": UNTIED, "n_kv_heads": ONE_EACH,
    "d_mlp": "Two thirds, since a gated MLP has three matrices instead of two (Shazeer 2020, arXiv:2002.05202).",
}  # fmt: skip
WHY_GPT = {"bias": BIASES, "tie_embeddings": TIED, "n_kv_heads": ONE_EACH}
LONGER = (
    "Slower rotations tell far positions apart, for a longer context (Xiong et al. 2023, arXiv:2309.16039; Llama 3: "
    "Grattafiori et al. 2024, arXiv:2407.21783)."
)

COURSE = ("gpt", "llama", "olmo")  # the course's own three, with measured losses

ARCHITECTURES: dict[str, Architecture] = {
    "gpt": Architecture(
        title="GPT",
        description="Learned positions, LayerNorm, GELU, biases: the recipe of GPT-2, with the exact GELU, not its "
        "tanh form.",
        paper="Radford et al. 2019",
        fields={"positional": "learned", "norm": "layernorm", "activation": "gelu", "bias": True},
        reasons=WHY_GPT,
    ),
    "llama": Architecture(
        title="LLaMA",
        description="Rotary positions, RMSNorm, SwiGLU, no biases: the recipe of LLaMA.",
        paper="Touvron et al. 2023, arXiv:2302.13971",
        fields=LLAMA_PARTS,
        reasons=WHY_LLAMA,
    ),
    # ALiBi (Press et al. 2021, arXiv:2108.12409) with SwiGLU
    "olmo": Architecture(
        title="OLMo",
        description="A distance penalty (ALiBi), LayerNorm, SwiGLU. A teaching recipe: the published OLMo models use "
        "rotary positions and, at first, a LayerNorm without parameters.",
        paper="after Groeneveld et al. 2024, arXiv:2402.00838",
        fields=LLAMA_PARTS | {"positional": "alibi", "norm": "layernorm"},
        reasons=WHY_LLAMA,
    ),
    "gpt2": Architecture(
        title="GPT-2",
        description="GPT-2 as published: learned positions, LayerNorm, GELU in its tanh form, biases, tied embeddings.",
        paper="Radford et al. 2019",
        fields={"positional": "learned", "norm": "layernorm", "activation": "gelu_tanh", "bias": True},
        reasons=WHY_GPT
        | {"norm_position": "Moved to what a sublayer reads, unlike in GPT: deep models train better (Radford et al. "
            "2019; Xiong et al. 2020, arXiv:2002.04745)."},
    ),
    "llama3": Architecture(
        title="Llama 3",
        description="LLaMA with grouped keys and values, and slower rotations for a longer context.",
        paper="Grattafiori et al. 2024, arXiv:2407.21783",
        fields=LLAMA_PARTS | {"rope_theta": 500_000.0},
        group=4,
        reasons=WHY_LLAMA
        | {"n_kv_heads": f"{GROUPED} (Grattafiori et al. 2024, arXiv:2407.21783).", "rope_theta": LONGER},
    ),
    "mistral": Architecture(
        title="Mistral",
        description="LLaMA with grouped keys and values, in which a token sees a window of the last tokens: half the "
        "context, as in Mistral 7B.",
        paper="Jiang et al. 2023, arXiv:2310.06825",
        fields=LLAMA_PARTS | {"mask": "sliding"},
        group=4,
        window=0.5,
        reasons=WHY_LLAMA | {
            "n_kv_heads": f"{GROUPED} (Jiang et al. 2023, arXiv:2310.06825).",
            "window": "4,096 of 8,192 tokens; through k layers a token still learns of k windows (Jiang et al. 2023, "
            "arXiv:2310.06825).",
        },
    ),
    "olmo2": Architecture(
        title="OLMo 2",
        description="Norms of what each sublayer writes, not of what it reads, and of queries and keys over all heads: "
        "LLaMA's parts, placed for steadier training.",
        paper="OLMo et al. 2024, arXiv:2501.00656",
        fields=LLAMA_PARTS | {
            "norm_position": "post_sublayer", "norm_eps": 1e-6, "qk_norm": True, "qk_norm_over": "all_heads",
            "rope_theta": 500_000.0,
        },
        reasons=WHY_LLAMA | {
            "norm": "In place of the first OLMo's LayerNorm without parameters: steadier (OLMo et al. 2024, "
            "arXiv:2501.00656).",
            "qk_norm": "Scores of attention stay small, so that training does not diverge (OLMo et al. 2024, "
            "arXiv:2501.00656).",
            "rope_theta": "Far positions are told apart more finely (OLMo et al. 2024, arXiv:2501.00656).",
        },
    ),
    "qwen3": Architecture(
        title="Qwen3",
        description="LLaMA with each head's queries and keys normalised, grouped keys and values, and tied embeddings "
        "as in Qwen3's models up to 4B.",
        paper="Yang et al. 2025, arXiv:2505.09388",
        fields=LLAMA_PARTS | {"tie_embeddings": True, "norm_eps": 1e-6, "qk_norm": True, "rope_theta": 1_000_000.0},
        group=2,
        reasons=WHY_LLAMA | {
            "tie_embeddings": TIED,
            "n_kv_heads": f"{GROUPED} (Ainslie et al. 2023, arXiv:2305.13245).",
            "qk_norm": "Steady training without the biases of queries, keys and values that Qwen2 had (Yang et al. "
            "2025, arXiv:2505.09388).",
            "bias": "Qwen2's biases of queries, keys and values were removed; norms of queries and keys took their "
            "place (Yang et al. 2025, arXiv:2505.09388).",
            "rope_theta": "Raised from 10,000 for a context of 32,768 tokens (Yang et al. 2025, arXiv:2505.09388).",
        },
    ),
    "gemma": Architecture(
        title="Gemma 2",
        description="Norms before and after each sublayer, GeGLU, soft-caps of scores and logits, enlarged embeddings; "
        "every other layer sees only a window of half the context.",
        paper="Gemma Team 2024, arXiv:2408.00118",
        fields=LLAMA_PARTS | {
            "activation": "geglu", "tie_embeddings": True, "norm_position": "sandwich", "norm_eps": 1e-6,
            "mask": "sliding", "full_every": 2, "scale_embeddings": True, "attention_softcap": 50.0,
            "final_softcap": 30.0,
        },
        group=2,
        window=0.5,
        reasons=WHY_LLAMA | {
            "tie_embeddings": TIED,
            "n_kv_heads": f"{GROUPED}, as good in their tests (Gemma Team 2024, arXiv:2408.00118).",
            "window": "4,096 of 8,192 tokens (Gemma Team 2024, arXiv:2408.00118).",
            "full_every": "Layers with a window alternate with layers that see everything: cheaper than all of it, and "
            "nothing is out of reach (Gemma Team 2024, arXiv:2408.00118).",
            "attention_softcap": "Scores of attention cannot grow without bound (Gemma Team 2024, arXiv:2408.00118).",
            "final_softcap": "Logits cannot grow without bound (Gemma Team 2024, arXiv:2408.00118).",
            "scale_embeddings": "A table that also scores tokens is kept small, so its vectors are enlarged as they "
            "enter (Gemma Team 2024, arXiv:2403.08295).",
        },
    ),
    "neox": Architecture(
        title="GPT-NeoX",
        description="Attention and MLP beside each other, a quarter of each head rotates, LayerNorm, GELU, biases: "
        "the recipe of GPT-NeoX and Pythia.",
        paper="Black et al. 2022, arXiv:2204.06745",
        fields={
            "positional": "rope", "rope_fraction": 0.25, "norm": "layernorm", "activation": "gelu", "bias": True,
            "tie_embeddings": False, "sublayers": "parallel",
        },
        reasons=WHY_GPT | {
            "tie_embeddings": "Easier to interpret (Pythia: Biderman et al. 2023, arXiv:2304.01373).",
            "rope_fraction": "The best balance of result and speed in their tests (Black et al. 2022, "
            "arXiv:2204.06745).",
        },
    ),
    "mixtral": Architecture(
        title="Mixtral",
        description="Llama 3's parts with eight MLPs in place of one, of which a token goes to two: many parameters, "
        "the work of far fewer.",
        paper="Jiang et al. 2024, arXiv:2401.04088",
        fields=LLAMA_PARTS | {"rope_theta": 1_000_000.0, "n_experts": 8, "experts_per_token": 2},
        group=4,
        reasons=WHY_LLAMA | {
            "n_kv_heads": f"{GROUPED} (Jiang et al. 2023, arXiv:2310.06825).",
            "n_experts": "More parameters for the same work on a token (Jiang et al. 2024, arXiv:2401.04088).",
            "experts_per_token": "Two of eight: the router learns from comparing them (Shazeer et al. 2017, "
            "arXiv:1701.06538; Jiang et al. 2024, arXiv:2401.04088).",
            "load_balance_loss": "Keeps the router from sending every token to the same few experts (Switch: Fedus et "
            "al. 2021, arXiv:2101.03961).",
        },
    ),
    "olmoe": Architecture(
        title="OLMoE",
        description="OLMo's mixture: 64 narrow experts, of which a token goes to eight, weighted by the router's "
        "probabilities as they are, and norms of queries and keys over all heads.",
        paper="Muennighoff et al. 2024, arXiv:2409.02060",
        fields=LLAMA_PARTS | {
            "qk_norm": True, "qk_norm_over": "all_heads", "n_experts": 64, "experts_per_token": 8,
            "normalize_expert_weights": False, "load_balance_loss": 0.01, "router_z_loss": 0.001,
        },
        expert_width=0.5,
        reasons=WHY_LLAMA | {
            "d_mlp": "Half of d_model: many narrow experts combine in more ways than a few wide ones (DeepSeekMoE: Dai "
            "et al. 2024, arXiv:2401.06066).",
            "qk_norm": "Fewer spikes of the loss in their tests (Muennighoff et al. 2024, arXiv:2409.02060).",
            "n_experts": "More and smaller experts had a lower loss in their tests (Muennighoff et al. 2024, "
            "arXiv:2409.02060).",
            "experts_per_token": "An eighth of all experts, as wide together as four times d_model (Muennighoff et al. "
            "2024, arXiv:2409.02060).",
            "load_balance_loss": "Keeps the router from sending every token to the same few experts (Switch: Fedus et "
            "al. 2021, arXiv:2101.03961).",
            "router_z_loss": "Keeps the router's logits small, for steadier training (ST-MoE: Zoph et al. 2022, "
            "arXiv:2202.08906).",
        },
    ),
}  # fmt: skip
