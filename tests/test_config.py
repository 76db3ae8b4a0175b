"""Configs say what they allow, in one sentence, and describe every field once."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm import ModelConfig, SamplingConfig, TrainingConfig, preset
from llm.config import describe
from llm.presets import ARCHITECTURES, SIZES


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("d_model", 0, "at least 1"),
        ("n_layers", 2.5, "an integer"),
        ("n_heads", True, "an integer"),
        ("n_kv_heads", 3, "a divisor of n_heads=4"),
        ("positional", "absolute", "one of learned, sinusoidal, rope, alibi, relative, none"),
        ("norm", "batchnorm", "one of layernorm, rmsnorm, nonparametric"),
        ("norm_position", "middle", "one of pre, post, post_sublayer, sandwich"),
        ("sublayers", "crossed", "one of sequential, parallel, parallel_one_norm"),
        ("activation", "tanh", "one of gelu, gelu_tanh, swiglu, relu, geglu, relu2"),
        ("norm_eps", 0.0, "above 0"),
        ("norm_eps", float("nan"), "a finite number"),
        ("rope_theta", 1.0, "above 1"),
        ("bias", 1, "of type bool"),
        ("rope_pairs", "thirds", "one of halves, neighbours"),
        ("rope_fraction", 0.0, "above 0, and at most 1"),
        ("rope_scaling", "ntk", "one of none, linear, llama3, yarn"),
        ("rope_factor", 0.5, "at least 1"),
        ("rope_original_ctx", 0, "at least 1, or None"),
        ("rope_high_rotations", 1.0, "above rope_low_rotations=1.0, or None"),
        ("rope_attention_factor", 0.0, "above 0, or None"),
        ("relative_buckets", 1, "at least 2"),
        ("relative_max_distance", 16, "above 16, half the buckets"),
        ("dropout", 1.0, "in [0, 1)"),
        ("final_softcap", 0.0, "above 0, or None"),
        ("attention_softcap", -1.0, "above 0, or None"),
        ("qk_norm_over", "group", "one of per_head, all_heads"),
    ],
)
def test_a_model_config_names_the_field_the_value_and_what_is_allowed(field, value, allowed):
    with pytest.raises(ValueError) as error:
        ModelConfig(**({"d_vocab": 65} | {field: value}))
    assert str(error.value) == f"{field} must be {allowed}, got {value!r}"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("n_ctx", 10**400, f"n_ctx must be below 2^63, got 1{'0' * 39}… (401 characters)"),
        ("rope_theta", 10**400, f"rope_theta must be a finite number, got 1{'0' * 39}… (401 characters)"),
        (
            "norm",
            "x" * 400,
            f"norm must be one of layernorm, rmsnorm, nonparametric, got '{'x' * 40}… (400 characters)'",
        ),
    ],
    ids=["an integer", "a float", "a text"],
)
def test_a_long_value_is_shown_by_its_beginning_and_its_length(field, value, message):
    with pytest.raises(ValueError) as error:
        ModelConfig(**({"d_vocab": 65} | {field: value}))
    assert str(error.value) == message


def test_rotary_positions_need_pairs():
    with pytest.raises(ValueError, match=r"^d_head must be even with positional='rope' \(it rotates pairs\), got 5$"):
        ModelConfig(d_vocab=65, positional="rope", d_head=5)
    assert ModelConfig(d_vocab=65, positional="alibi", d_head=5).d_head == 5
    with pytest.raises(
        ValueError, match=r"^rope_fraction must be such that an even number of d_head=32 numbers rotate"
    ):
        ModelConfig(d_vocab=65, positional="rope", rope_fraction=0.1)
    with pytest.raises(ValueError, match=r"^rope_low_rotations must be below 4 unless rope_high_rotations is given"):
        ModelConfig(d_vocab=65, positional="rope", rope_scaling="llama3", rope_low_rotations=5.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("learning_rate", -1.0),
        ("warmup", 1.5),
        ("optimizer", "sgd"),
        ("grad_clip", -0.1),
        ("seed", 2**63),
    ],
)
def test_a_training_config_refuses(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be .*, got {value!r}$"):
        TrainingConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", -0.1), ("top_k", 0), ("top_p", 0.0), ("min_p", 1.5), ("seed", -1), ("stop", ("",))],
)
def test_a_sampling_config_refuses(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be .*, got "):
        SamplingConfig(**{field: value})


@pytest.mark.parametrize("config", [ModelConfig, TrainingConfig, SamplingConfig])
def test_every_field_is_described(config):
    described = describe(config)
    assert list(described) == [field.name for field in dataclasses.fields(config)]
    for field in described.values():
        assert field.help[0].isupper()
        assert field.help.endswith(".")


def test_a_description_tells_type_choices_and_default():
    fields = describe(SamplingConfig) | describe(ModelConfig)
    assert (fields["top_k"].kind, fields["top_k"].optional, fields["top_k"].default) == (int, True, None)
    assert fields["norm"].choices == ("layernorm", "rmsnorm", "nonparametric")
    assert fields["d_vocab"].default is dataclasses.MISSING
    assert fields["stop"].kind is tuple


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", SIZES)
def test_presets_are_their_recipes(architecture, size):
    config = preset(architecture, size=size, d_vocab=65)
    expected, more = {
        "gpt": (("learned", "layernorm", "gelu", True), {"tie_embeddings": True}),
        "llama": (("rope", "rmsnorm", "swiglu", False), {"tie_embeddings": False, "qk_norm": False}),
        "olmo": (("alibi", "layernorm", "swiglu", False), {"tie_embeddings": False}),
        "gpt2": (("learned", "layernorm", "gelu_tanh", True), {"tie_embeddings": True}),
        "llama3": (("rope", "rmsnorm", "swiglu", False), {"tie_embeddings": False, "mask": "causal"}),
        "mistral": (("rope", "rmsnorm", "swiglu", False), {"mask": "sliding", "full_every": 0}),
        "olmo2": (("rope", "rmsnorm", "swiglu", False), {"norm_position": "post_sublayer",
                                                         "qk_norm_over": "all_heads", "qk_norm": True}),
        "qwen3": (("rope", "rmsnorm", "swiglu", False), {"qk_norm": True, "qk_norm_over": "per_head"}),
        "gemma": (("rope", "rmsnorm", "geglu", False), {"norm_position": "sandwich", "full_every": 2,
                                                        "attention_softcap": 50.0, "scale_embeddings": True}),
        "neox": (("rope", "layernorm", "gelu", True), {"sublayers": "parallel", "rope_fraction": 0.25}),
        "mixtral": (("rope", "rmsnorm", "swiglu", False), {"n_experts": 8, "experts_per_token": 2,
                                                           "normalize_expert_weights": True}),
        "olmoe": (("rope", "rmsnorm", "swiglu", False), {"n_experts": 64, "experts_per_token": 8, "qk_norm": True,
                                                         "normalize_expert_weights": False}),
    }[architecture]  # fmt: skip
    assert (config.positional, config.norm, config.activation, config.bias) == expected
    assert {name: getattr(config, name) for name in more} == more
    grouped = architecture in ("llama3", "mistral", "qwen3", "gemma", "mixtral")
    assert (2 <= config.n_kv_heads < config.n_heads) == grouped
    assert config.window == (config.n_ctx // 2 if architecture in ("mistral", "gemma") else 32)
    assert config.n_heads * config.d_head == config.d_model


def test_the_full_size_is_gpt2_small():
    config = preset("gpt", size="full", d_vocab=50257)
    assert (config.d_model, config.n_layers, config.n_heads, config.d_mlp, config.n_ctx) == (768, 12, 12, 3072, 1024)


def test_widths_that_are_not_given_follow_those_that_are():
    assert preset("gpt", d_vocab=65, d_model=64, n_heads=2).d_head == 32
    assert preset("gpt", d_vocab=65, d_model=64).d_mlp == 256
    assert preset("llama", d_vocab=65, d_model=96).d_mlp == 256
    assert preset("olmoe", d_vocab=65, d_model=96).d_mlp == 48
    assert preset("llama", d_vocab=65, n_heads=8).n_kv_heads == 8
    assert preset("llama", d_vocab=65, n_heads=8, n_kv_heads=2).n_kv_heads == 2
    assert preset("gpt", d_vocab=65, d_model=100, n_heads=3, d_head=7).d_head == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bert", "small", {"d_vocab": 65}), r"architecture must be one of gpt, llama, .*olmoe, got 'bert'"),
        (("gpt", "tiny", {"d_vocab": 65}), r"size must be one of small, medium, full, got 'tiny'"),
        (("gpt", "small", {"d_vocab": 65, "width": 3}), r"width is not a field of ModelConfig; its fields are d_vocab"),
        (("gpt", "small", {}), r"d_vocab is missing"),
        (
            ("gpt", "small", {"d_vocab": 65, "n_heads": 5}),
            r"n_heads must divide d_model=128 unless d_head is given, got 5",
        ),
    ],
)
def test_a_preset_says_what_it_cannot_do(arguments, message):
    architecture, size, overrides = arguments
    with pytest.raises(ValueError, match=message):
        preset(architecture, size, **overrides)


@given(st.sampled_from(sorted(ARCHITECTURES)), st.sampled_from(["rope", "alibi", "none"]), st.booleans())
def test_any_component_can_be_changed_after_a_preset(architecture, positional, qk_norm):
    config = preset(architecture, d_vocab=65)
    changed = dataclasses.replace(config, positional=positional, qk_norm=qk_norm)
    assert (changed.positional, changed.qk_norm, changed.d_model) == (positional, qk_norm, config.d_model)
