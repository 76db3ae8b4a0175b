"""The MLP: transforms each position's vector separately.

Plain:  output = f(x · W_in + b_in) · W_out + b_out                  (Vaswani et al. 2017)
Gated:  output = (f(x · W_gate) ⊙ (x · W_in)) · W_out                (Shazeer 2020, arXiv:2002.05202)

f is the activation function. In a mixture of experts there are many MLPs, of which each position uses a few:
`experts`, `router`. This module imports no torch: the layers are in `plain` and `gated`, the functions in
`activations`, and everything else about an activation is in its entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.config import ModelConfig
from llm.registry import Equation, Registry, by_implementation


@dataclass(frozen=True)
class ActivationEntry:
    """What others need to know of an activation."""

    label: str
    help: str  # what it does, as the end of a sentence
    why: str  # one would choose it, with the paper
    function: Callable[[str], Any]  # by implementation: from a tensor to one of the same shape
    gated: bool  # whether a third matrix, the gate, decides how much of each hidden number passes
    formula: Callable[[str], str]  # f of a variable, as an equation writes it
    words: str  # f in plain words
    source: str  # the paper, or empty
    saved_for_backward: (
        int  # numbers that the fused backward pass keeps for each of the d_mlp hidden ones, beside the MLP's input
    )
    saved_unfused: int  # the same for the other two implementations

    @property
    def matrices(self) -> int:
        """Weight matrices of one MLP: W_in, W_out, and W_gate if it is gated."""
        return 3 if self.gated else 2


REGISTRY: Registry[ActivationEntry] = Registry(
    "activation",
    {
        "gelu": ActivationEntry(
            label="GELU",
            help="lets through more of a number the larger it is",
            why="Smooth, where ReLU has a corner, and a little better in its authors' tests "
            "(Hendrycks & Gimpel 2016, arXiv:1606.08415).",
            function=by_implementation("llm.layers.mlp.activations", einops="gelu", torch="gelu", fused="fused_gelu"),
            gated=False,
            formula=lambda x: f"{x} ⊙ Φ({x})",
            words="GELU multiplies a number by Φ, the fraction of a normal distribution that lies below it.",
            source="GELU: Hendrycks & Gimpel 2016, arXiv:1606.08415",
            saved_for_backward=2,  # its input and its output
            saved_unfused=4,  # and erf's argument, and Φ
        ),
        "gelu_tanh": ActivationEntry(
            label="GELU, tanh form",
            help="GPT-2's GELU, with a tanh for the error function",
            why="What GPT-2's weights were trained with (Hendrycks & Gimpel 2016, arXiv:1606.08415).",
            function=by_implementation(
                "llm.layers.mlp.activations", einops="gelu_tanh", torch="gelu_tanh", fused="fused_gelu_tanh"
            ),
            gated=False,
            formula=lambda x: f"½ {x} ⊙ (1 + tanh(√(2/π) ({x} + 0.044715 {x}³)))",
            words="This form of GELU, which GPT-2 uses, differs from the exact one by less than 0.0005.",
            source="GELU: Hendrycks & Gimpel 2016, arXiv:1606.08415; Radford et al. 2019",
            saved_for_backward=2,  # its input and its output
            saved_unfused=5,  # and x / 2, tanh, and the factor
        ),
        "swiglu": ActivationEntry(
            label="SwiGLU, gated",
            help="has a third matrix, a gate through SiLU",
            why="A lower loss than GELU with as many parameters (Shazeer 2020, arXiv:2002.05202).",
            function=by_implementation("llm.layers.mlp.activations", einops="silu", torch="silu", fused="fused_silu"),
            gated=True,
            formula=lambda x: f"SiLU({x})",
            words="SiLU(z) = z · σ(z).",
            source="",
            saved_for_backward=4,  # input and output of the gate's function, the other factor, and the product
            saved_unfused=5,  # and σ
        ),
        "relu": ActivationEntry(
            label="ReLU",
            help="sets negative numbers to 0",
            why="The simplest; many hidden numbers are exactly 0 (Glorot et al. 2011; Vaswani et al. 2017).",
            function=by_implementation("llm.layers.mlp.activations", einops="relu", torch="relu", fused="fused_relu"),
            gated=False,
            formula=lambda x: f"max({x}, 0)",
            words="ReLU keeps a number that is above 0 and makes every other 0.",
            source="",
            saved_for_backward=1,  # its output
            saved_unfused=2,  # and its input
        ),
        "geglu": ActivationEntry(
            label="GeGLU, gated",
            help="has a third matrix, a gate through GELU's tanh form",
            why="As good as SwiGLU in its author's tests (Shazeer 2020, arXiv:2002.05202); Gemma's choice "
            "(Gemma Team 2024, arXiv:2403.08295).",
            function=by_implementation(
                "llm.layers.mlp.activations", einops="gelu_tanh", torch="gelu_tanh", fused="fused_gelu_tanh"
            ),
            gated=True,
            formula=lambda x: f"GELU({x})",
            words="GELU(z) = ½ z (1 + tanh(√(2/π) (z + 0.044715 z³))), its tanh form.",
            source="Hendrycks & Gimpel 2016, arXiv:1606.08415",
            saved_for_backward=4,  # input and output of the gate's function, the other factor, and the product
            saved_unfused=7,  # and x / 2, tanh, and the factor
        ),
        "relu2": ActivationEntry(
            label="ReLU²",
            help="squares what is above 0, and sets negative numbers to 0",
            why="Found by a search over programs for faster training; many hidden numbers are exactly 0 "
            "(Primer: So et al. 2021, arXiv:2109.08668).",
            function=by_implementation(
                "llm.layers.mlp.activations", einops="squared_relu", torch="squared_relu", fused="fused_squared_relu"
            ),
            gated=False,
            formula=lambda x: f"max({x}, 0)²",
            words="ReLU² squares a number that is above 0 and makes every other 0.",
            source="So et al. 2021, arXiv:2109.08668",
            saved_for_backward=2,  # the number above 0, and its square
            saved_unfused=3,  # and its input
        ),
    },
)


def equation(config: ModelConfig) -> Equation:
    """The MLP's equation, with the config's activation."""
    entry = REGISTRY[config.activation]
    b_in, b_gate, b_out = (f" + {name}" if config.bias else "" for name in ("b_in", "b_gate", "b_out"))
    read, write = f"{{pre}} = x · W_in{b_in}", f"{{return|output}} = {{hidden}} · W_out{b_out}"
    if entry.gated:
        return Equation(
            (read, f"{{gate}} = {entry.formula(f'x · W_gate{b_gate}')}", "{hidden} = {gate} ⊙ {pre}", write),
            "Like an MLP, but a second projection of the same vector, the gate, decides how much of each hidden number "
            f"passes. {entry.words}",
            "; ".join(filter(None, ["Shazeer 2020, arXiv:2002.05202", entry.source])),
        )
    return Equation(
        (read, f"{{hidden}} = {entry.formula('{pre}')}", write),
        "Each position separately: many small detectors read the vector, and those that respond write something back. "
        + entry.words,
        "; ".join(filter(None, ["Vaswani et al. 2017", entry.source])),
    )


def experts_equation(config: ModelConfig) -> Equation:
    """The mixture's equation, with the config's activation and choices."""
    entry = REGISTRY[config.activation]
    b_in, b_gate, b_out = (f" + {name}[e]" if config.bias else "" for name in ("b_in", "b_gate", "b_out"))
    lines = ["{weights} = router(x)", f"{{pre}} = x · W_in[e]{b_in},  for each expert e with {{weights}}[e] > 0"]
    if entry.gated:
        lines += [f"{{gate}} = x · W_gate[e]{b_gate}", f"{{hidden}} = {entry.formula('{gate}')} ⊙ {{pre}}"]
    else:
        lines.append(f"{{hidden}} = {entry.formula('{pre}')}")
    lines.append(f"{{written}} = {{hidden}} · W_out[e]{b_out}")
    shared = " + MLP_shared(x)" if config.n_shared_experts else ""
    lines.append(f"{{return|output}} = Σ_e {{weights}}[e] · {{written}}[e]{shared}")
    words = (
        f"{config.n_experts} MLPs, of which each position's vector goes to {config.experts_per_token}: parameters grow "
        "with the number of experts, the work for a token does not. Rows are sorted by expert, each expert multiplies "
        f"its own. {entry.words}"
    )
    sources = ["Shazeer et al. 2017, arXiv:1701.06538", "Jiang et al. 2024, arXiv:2401.04088"]
    if config.n_shared_experts:
        words += " What every token needs, the shared experts can learn once for all."
        sources.append("Dai et al. 2024, arXiv:2401.06066")
    return Equation(tuple(lines), words, "; ".join(filter(None, [*sources, entry.source])))


def router_equation(config: ModelConfig) -> Equation:
    """The router's equation: the weights of the chosen experts."""
    lines = [
        "{logits} = x · W_router",
        "{probabilities} = softmax({logits})",
        f"{{weights}}[e] = {{probabilities}}[e] for {config.experts_per_token} experts, the {{likeliest}},  else 0",
    ]
    words = "Each expert has a direction; those that the vector points to most compute it, by softmax fractions."
    sources = ["Shazeer et al. 2017, arXiv:1701.06538"]
    if config.normalize_expert_weights:
        lines.append("{return|weights} = {weights} / Σ {weights}")
        words += " Their weights are made to sum to 1."
        sources.append("Jiang et al. 2024, arXiv:2401.04088")
    else:
        lines[-1] = lines[-1].replace("{weights}", "{return|weights}")
        sources.append("Muennighoff et al. 2024, arXiv:2409.02060")
    if config.expert_capacity is not None:
        words += (
            " While training, an expert takes at most its capacity in a batch; the weights of later tokens become 0."
        )
        sources.append("Fedus et al. 2021, arXiv:2101.03961")
    return Equation(tuple(lines), words, "; ".join(sources))
