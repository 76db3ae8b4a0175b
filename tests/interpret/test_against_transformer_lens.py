"""Where TransformerLens can represent a model, both agree. CI installs it: `uv sync --group comparison`."""

import importlib.util

import pytest
import torch
from interpret_models import randomised
from model_configs import config_name

from llm import Transformer
from llm.config import ModelConfig, require
from llm.interpret.direct_logit_attribution import direct_logit_attribution
from llm.interpret.logit_lens import lens_logits
from llm.interpret.recording import record

if importlib.util.find_spec("transformer_lens") is None:
    pytest.skip("needs TransformerLens: uv sync --group comparison", allow_module_level=True)

SIZES = {"d_vocab": 31, "d_model": 24, "n_layers": 2, "n_heads": 4, "n_kv_heads": 4, "d_head": 8, "d_mlp": 20}
LLAMA = {"norm": "rmsnorm", "activation": "swiglu", "bias": False, "tie_embeddings": False, "positional": "rope"}
CONFIGS = [
    ModelConfig(**SIZES, n_ctx=16),
    ModelConfig(**SIZES, n_ctx=16, activation="gelu_tanh"),
    ModelConfig(**SIZES, n_ctx=16, activation="relu", tie_embeddings=False),
    ModelConfig(**SIZES, n_ctx=16, **LLAMA),
    ModelConfig(**{**SIZES, "n_kv_heads": 2}, n_ctx=16, **LLAMA),
    ModelConfig(**SIZES, n_ctx=16, positional="alibi"),
    ModelConfig(**SIZES, n_ctx=16, sublayers="parallel"),
    ModelConfig(**SIZES, n_ctx=16, norm_position="sandwich", **LLAMA),
    ModelConfig(
        **SIZES, n_ctx=16, positional="alibi", activation="geglu", bias=False, scale_embeddings=True, final_softcap=3.0
    ),
]
REPRESENTED = {  # the values of each field that it has, too
    "norm": ("layernorm", "rmsnorm"),
    "norm_position": ("pre", "sandwich"),
    "sublayers": ("sequential", "parallel"),
    "activation": ("gelu", "gelu_tanh", "relu", "swiglu", "geglu"),
}
ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "swiglu": "silu", "geglu": "gelu_new"}
SCHEMES = {"learned": "standard", "rope": "rotary", "alibi": "alibi"}


def converted(model: Transformer):
    """Our weights in a HookedTransformer; what a config lacks (biases) stays 0 there.

    Raises:
        ValueError: a field with a value that it cannot represent.
    """
    config = model.config
    for field, values in REPRESENTED.items():
        require(config, field, getattr(config, field) in values, f"one of {', '.join(values)} for TransformerLens")
    # here: it takes seconds, in each process that only collects this test too; where it is installed, a failure counts
    hooked = importlib.import_module("transformer_lens.HookedTransformer")
    lens_config = importlib.import_module("transformer_lens.config.hooked_transformer_config")
    sandwich = config.norm_position == "sandwich"
    other = hooked.HookedTransformer(
        lens_config.HookedTransformerConfig(
            n_layers=config.n_layers, d_model=config.d_model, n_ctx=config.n_ctx, d_head=config.d_head,
            n_heads=config.n_heads, d_mlp=config.d_mlp, d_vocab=config.d_vocab, eps=config.norm_eps,
            n_key_value_heads=None if config.n_kv_heads == config.n_heads else config.n_kv_heads,
            act_fn=ACTIVATIONS[config.activation],
            gated_mlp=config.activation in ("swiglu", "geglu"),
            output_logits_soft_cap=config.final_softcap or -1.0,
            normalization_type={"layernorm": "LN", "rmsnorm": "RMS"}[config.norm],
            final_rms=config.norm == "rmsnorm",
            positional_embedding_type=SCHEMES[config.positional],
            rotary_dim=config.d_head if config.positional == "rope" else None,
            rotary_base=config.rope_theta,
            parallel_attn_mlp=config.sublayers == "parallel", use_normalization_before_and_after=sandwich,
            use_attn_result=True, device="cpu", dtype=torch.float64,
        )
    )  # fmt: skip
    weights = {
        name: torch.zeros_like(value) for name, value in other.state_dict().items() if ".b" in name or "._b" in name
    }
    weights |= {"embed.W_E": model.embed.vectors(), "unembed.W_U": model.unembed.matrix()}
    if config.positional == "learned":
        weights["pos_embed.W_pos"] = model.positions.W_pos
    norms = {"ln_final": model.final_norm}
    prefix = "_" * (config.n_kv_heads != config.n_heads)  # TransformerLens marks shared keys and values by a prefix
    for layer, block in enumerate(model.blocks):
        at = f"blocks.{layer}"
        norms |= {f"{at}.ln1": block.norm_attention, f"{at}.ln2": block.norm_mlp}
        if sandwich:
            norms |= {f"{at}.ln1_post": block.norm_attention_out, f"{at}.ln2_post": block.norm_mlp_out}
        for name, parameter in block.attention.named_parameters():
            marked = prefix + name if name[2:] in ("K", "V") else name
            weights[f"{at}.attn.{marked}"] = parameter.transpose(1, 2) if name in ("W_Q", "W_K", "W_V") else parameter
        weights |= {f"{at}.mlp.{name}": parameter for name, parameter in block.mlp.named_parameters()}
    for at, norm in norms.items():
        weights |= {f"{at}.{name}": parameter for name, parameter in norm.named_parameters()}
    missing, unexpected = other.load_state_dict(weights, strict=False)
    assert not unexpected
    unused = ("mask", "IGNORE", "rotary_sin", "rotary_cos", "W_pos")  # tables, and positions of a model that has none
    assert all(name.endswith(unused) for name in missing)
    return other


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("norm_position", "post_sublayer"),
        ("sublayers", "parallel_one_norm"),
        ("norm", "nonparametric"),
        ("activation", "relu2"),
    ],
)
def test_what_it_cannot_represent_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field} must be one of .* for TransformerLens, got {value!r}"):
        converted(Transformer(ModelConfig(**SIZES, n_ctx=16, **{field: value})))


@pytest.mark.filterwarnings("ignore:HookedTransformer is deprecated")  # as long as version 3 is installed
@pytest.mark.parametrize("config", CONFIGS, ids=config_name)
def test_patterns_lens_and_attribution_agree(config):
    model = randomised(config)
    other = converted(model)
    tokens = torch.randint(config.d_vocab, (3, 12))
    recorded = record(model, tokens)
    differences = {}

    def compare(what, mine, theirs):
        assert mine.shape == theirs.shape, what
        differences[what] = max(differences.get(what, 0), (mine - theirs).abs().max().item())

    with torch.no_grad():
        logits, cache = other.run_with_cache(tokens)
        compare("logits", recorded["logits"], logits)
        for layer in range(config.n_layers):
            compare("pattern", recorded[f"blocks.{layer}.attention.pattern"], cache["pattern", layer])
            compare("head output", recorded[f"blocks.{layer}.attention.head_output"], cache["result", layer])
            resid = recorded[f"blocks.{layer}.resid_post"]
            lens, cap = other.unembed(other.ln_final(cache["resid_post", layer])), config.final_softcap
            lens = lens if cap is None else cap * torch.tanh(lens / cap)  # its unembedding leaves the cap out
            compare("lens", lens_logits(model, resid), lens)

        other.load_and_process_state_dict(  # γ and β into the weights, since its attribution leaves γ out
            other.state_dict(), center_writing_weights=False, center_unembed=False, fold_value_biases=False
        )
        _, cache = other.run_with_cache(tokens)
        attribution = direct_logit_attribution(model, tokens, (4, 9))
        stack, labels = cache.get_full_resid_decomposition(
            expand_neurons=False, pos_slice=-1, return_labels=True, apply_ln=True
        )
        theirs = dict(zip(labels, stack @ (other.W_U[:, 4] - other.W_U[:, 9]), strict=True))
        names = {"token": "embed", "position": "pos_embed"}
        biases = torch.zeros(3, dtype=torch.float64)
        for component, value in zip(attribution.components, attribution.values, strict=True):
            if component.kind == "attention bias":
                biases += value
                continue
            if component.kind == "norm bias":
                compare("attribution", value, (other.b_U[4] - other.b_U[9]).expand(3))
                continue
            at = f"{component.layer}_mlp_out" if component.kind == "mlp" else f"L{component.layer}H{component.head}"
            compare("attribution", value, theirs[names.get(component.kind, at)])
        compare("attribution", biases, theirs.get("bias", torch.zeros(1).double()).expand(3))

    # folding γ and β changes its logits by 3e-7, although all of its weights are float64
    if config.norm_position == "sandwich":  # its attribution leaves out the norm of what attention writes
        del differences["attribution"]
    bounds = {what: 1e-6 if what == "attribution" else 1e-12 for what in differences}
    assert {what: size for what, size in differences.items() if size > bounds[what]} == {}
