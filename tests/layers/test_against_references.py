"""Each layer against torch's or transformers' own, and each position scheme against an independent formula.

What needs transformers imports it itself, or each process that collects tests would do so.
"""

import math

import pytest
import torch
from model_configs import IMPLEMENTATIONS, SIZES
from torch import nn

from llm import Transformer
from llm.config import ModelConfig
from llm.layers.attention import build_attention
from llm.layers.mlp.activations import gelu_tanh
from llm.layers.mlp.build import build_mlp
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.position.alibi import alibi_slopes
from llm.layers.query_key_norm import REGISTRY as QUERY_KEY_NORMS

every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@every_implementation
@pytest.mark.parametrize("bias", [True, False])
def test_layernorm_is_torchs(implementation, bias):
    ours = NORMS["layernorm"].classes(implementation)(ModelConfig(d_vocab=1, bias=bias), 24).double()
    theirs = nn.LayerNorm(24, eps=1e-5, bias=bias).double()
    nn.init.normal_(ours.w)
    theirs.weight.data.copy_(ours.w)
    if bias:
        nn.init.normal_(ours.b)
        theirs.bias.data.copy_(ours.b)
    x = torch.randn(2, 5, 24, dtype=torch.float64) * 3 + 1
    close(ours(x), theirs(x))


@every_implementation
def test_layernorm_without_parameters_is_torchs(implementation):
    ours = NORMS["nonparametric"].classes(implementation)(ModelConfig(d_vocab=1), 24)
    assert not [*ours.parameters()]
    x = torch.randn(2, 5, 24, dtype=torch.float64) * 3 + 1
    close(ours(x), nn.LayerNorm(24, eps=1e-5, elementwise_affine=False)(x))


@every_implementation
def test_rmsnorm_is_torchs(implementation):
    ours = NORMS["rmsnorm"].classes(implementation)(ModelConfig(d_vocab=1), 24).double()
    theirs = nn.RMSNorm(24, eps=1e-5).double()
    nn.init.normal_(ours.w)
    theirs.weight.data.copy_(ours.w)
    x = torch.randn(2, 5, 24, dtype=torch.float64) * 3 + 1
    close(ours(x), theirs(x))


@every_implementation
def test_a_norm_over_all_heads_is_torchs_of_one_long_vector(implementation):
    ours = QUERY_KEY_NORMS["all_heads"].classes(implementation)(ModelConfig(d_vocab=1, d_head=8), 3).double()
    theirs = nn.RMSNorm(24, eps=1e-5).double()
    nn.init.normal_(ours.w)
    theirs.weight.data.copy_(ours.w.flatten())
    x = torch.randn(2, 5, 24, dtype=torch.float64) * 3
    close(ours(x.unflatten(2, (3, 8)).transpose(1, 2)).transpose(1, 2).flatten(2), theirs(x))


@every_implementation
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("positional", ["none", "alibi"])
def test_scores_are_capped_before_anything_is_added_to_them(implementation, positional):
    """By torch's flex_attention, which takes any change of scores."""
    from torch.nn.attention.flex_attention import flex_attention

    config = ModelConfig(**SIZES, positional=positional, attention_softcap=0.5)
    ours = build_attention(config, implementation).double()
    resid = torch.randn(2, 9, 24, dtype=torch.float64)
    query, key, value = (
        torch.einsum("bpm,hdm->bhpd", 3 * resid, weight).detach() for weight in (ours.W_Q, ours.W_K, ours.W_V)
    )  # fmt: skip
    bias = torch.zeros(6, 9, 9) if positional == "none" else ours.score_bias(9, 9)

    def changed(score, batch, head, q, k):
        return torch.where(k > q, -torch.inf, 0.5 * torch.tanh(score / 0.5) + bias[head, q, k])

    mixed = flex_attention(query, key, value, changed, enable_gqa=True)  # on a CPU it has no backward pass
    close(ours(3 * resid), torch.einsum("bhpd,hdm->bpm", mixed, ours.W_O))


@every_implementation
def test_multi_head_attention_is_torchs(implementation):
    config = ModelConfig(**{**SIZES, "n_kv_heads": 6, "d_head": 4}, positional="none", bias=True)
    ours = build_attention(config, implementation).double()
    theirs = nn.MultiheadAttention(24, 6, batch_first=True).double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    theirs.in_proj_weight.data.copy_(torch.cat([ours.W_Q, ours.W_K, ours.W_V]).flatten(0, 1).flatten(1).view(72, 24))
    theirs.in_proj_bias.data.copy_(torch.cat([ours.b_Q, ours.b_K, ours.b_V]).flatten())
    theirs.out_proj.weight.data.copy_(ours.W_O.flatten(0, 1).T)
    theirs.out_proj.bias.data.copy_(ours.b_O)
    x = torch.randn(2, 9, 24, dtype=torch.float64)
    mask = torch.ones(9, 9, dtype=torch.bool).triu(1)
    close(ours(x), theirs(x, x, x, attn_mask=mask, need_weights=False)[0])


@every_implementation
@pytest.mark.parametrize("n_kv_heads", [3, 2, 1])
def test_grouped_heads_are_multi_head_attention_with_copied_keys_and_values(implementation, n_kv_heads):
    config = ModelConfig(**{**SIZES, "n_kv_heads": n_kv_heads}, positional="none", bias=True)
    grouped = build_attention(config, implementation).double()
    full = build_attention(ModelConfig(**{**SIZES, "n_kv_heads": 6}, positional="none", bias=True), "torch").double()
    state = grouped.state_dict()
    for name in ("W_K", "W_V", "b_K", "b_V"):
        state[name] = torch.stack([state[name][head // (6 // n_kv_heads)] for head in range(6)])
    full.load_state_dict(state)
    x = torch.randn(2, 9, 24, dtype=torch.float64)
    close(grouped(x), full(x))


@every_implementation
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh", "relu", "relu2"])
def test_mlp_is_two_linears(implementation, activation):
    mlp = build_mlp(ModelConfig(**SIZES, activation=activation), implementation).double()
    for parameter in mlp.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    nonlinearity = {"gelu": nn.GELU(), "gelu_tanh": nn.GELU(approximate="tanh"), "relu": nn.ReLU(),
                    "relu2": lambda x: nn.functional.relu(x) ** 2}[activation]  # fmt: skip
    close(mlp(x), nonlinearity(x @ mlp.W_in + mlp.b_in) @ mlp.W_out + mlp.b_out)


@every_implementation
def test_geglu_gates_with_gelus_tanh_form(implementation):
    mlp = build_mlp(ModelConfig(**SIZES, activation="geglu", bias=False), implementation).double()
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    gate = nn.functional.gelu(x @ mlp.W_gate, approximate="tanh")
    close(mlp(x), (gate * (x @ mlp.W_in)) @ mlp.W_out)


def test_the_tanh_form_of_gelu_differs_from_gelu_by_less_than_stated():
    x = torch.linspace(-10, 10, 100_001, dtype=torch.float64)
    difference = (gelu_tanh(x) - nn.functional.gelu(x)).abs().max().item()
    assert 0.0004 < difference < 0.0005


@every_implementation
def test_sinusoidal_positions_follow_the_papers_formula(implementation):
    added = POSITIONS["sinusoidal"].classes(implementation)(ModelConfig(**SIZES))(
        torch.zeros(1, 7, 24, dtype=torch.float64), 5
    )
    for row in range(7):
        for i in range(12):
            angle = (row + 5) / 10000 ** (2 * i / 24)
            assert added[0, row, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-10)
            assert added[0, row, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-10)


@every_implementation
def test_rotary_positions_are_a_complex_rotation(implementation):
    vectors = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    turned = POSITIONS["rope"].classes(implementation)(ModelConfig(**SIZES, positional="rope", rope_theta=500.0))(
        vectors, 4
    )
    pairs = torch.complex(vectors[..., :4], vectors[..., 4:])
    angles = torch.tensor([[(row + 4) * 500.0 ** (-2 * i / 8) for i in range(4)] for row in range(7)]).double()
    angles = torch.tensor(
        [[(row + 4) * 500.0 ** (-2 * i / 8) for i in range(4)] for row in range(7)], dtype=torch.float64
    )
    expected = pairs * torch.exp(1j * angles)
    close(turned, torch.cat([expected.real, expected.imag], dim=-1))


@every_implementation
def test_rotated_dot_products_depend_on_the_distance_alone(implementation):
    rotary = POSITIONS["rope"].classes(implementation)(ModelConfig(**SIZES, positional="rope"))
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)
    near = (rotary(query, 5) * rotary(key, 2)).sum()
    far = (rotary(query, 13) * rotary(key, 10)).sum()
    close(near, far)


@every_implementation
def test_alibi_lowers_scores_by_slope_times_distance(implementation):
    bias = POSITIONS["alibi"].classes(implementation)(ModelConfig(**SIZES, positional="alibi"))(4, 9)
    distance = torch.tensor([[abs(q - k) for k in range(9)] for q in range(5, 9)], dtype=torch.float32)
    expected = -torch.tensor(alibi_slopes(6)).view(6, 1, 1) * distance
    torch.testing.assert_close(bias, expected)


@pytest.mark.parametrize("n_heads", [1, 2, 4, 6, 7, 8, 12, 16, 24])
def test_alibi_slopes_are_those_of_bloom_in_transformers(n_heads):
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 2), n_heads, torch.float32)[:, 0, 1]
    torch.testing.assert_close(torch.tensor(alibi_slopes(n_heads)), theirs)


def test_alibi_slopes_of_eight_heads_halve():
    assert alibi_slopes(8) == [0.5**h for h in range(1, 9)]


def from_gpt2(theirs: nn.Module, ours: Transformer) -> None:
    """Load GPT-2's weights (its Conv1D stores [in, out]) into ours."""
    state = theirs.state_dict()
    heads = (ours.config.n_heads, ours.config.d_head)
    with torch.no_grad():
        ours.embed.W_E.copy_(state["transformer.wte.weight"])
        ours.positions.W_pos.copy_(state["transformer.wpe.weight"])
        ours.final_norm.w.copy_(state["transformer.ln_f.weight"])
        ours.final_norm.b.copy_(state["transformer.ln_f.bias"])
        for index, block in enumerate(ours.blocks):
            theirs_block = {k.split(".", 3)[3]: v for k, v in state.items() if k.startswith(f"transformer.h.{index}.")}
            for norm, name in ((block.norm_attention, "ln_1"), (block.norm_mlp, "ln_2")):
                norm.w.copy_(theirs_block[f"{name}.weight"])
                norm.b.copy_(theirs_block[f"{name}.bias"])
            for letter, weight, bias in zip(
                "QKV",
                theirs_block["attn.c_attn.weight"].T.chunk(3),
                theirs_block["attn.c_attn.bias"].chunk(3),
                strict=True,
            ):
                getattr(block.attention, f"W_{letter}").copy_(weight.unflatten(0, heads))
                getattr(block.attention, f"b_{letter}").copy_(bias.unflatten(0, heads))
            block.attention.W_O.copy_(theirs_block["attn.c_proj.weight"].unflatten(0, heads))
            block.attention.b_O.copy_(theirs_block["attn.c_proj.bias"])
            block.mlp.W_in.copy_(theirs_block["mlp.c_fc.weight"])
            block.mlp.b_in.copy_(theirs_block["mlp.c_fc.bias"])
            block.mlp.W_out.copy_(theirs_block["mlp.c_proj.weight"])
            block.mlp.b_out.copy_(theirs_block["mlp.c_proj.bias"])


@every_implementation
@pytest.mark.parametrize("activation, name_in_transformers", [("gelu", "gelu"), ("gelu_tanh", "gelu_new")])
def test_the_gpt_recipe_is_gpt2(implementation, activation, name_in_transformers):
    from transformers.models.gpt2.modeling_gpt2 import GPT2Config, GPT2LMHeadModel

    theirs = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=31, n_positions=16, n_embd=24, n_layer=2, n_head=6, activation_function=name_in_transformers
        )
    ).double().eval()  # fmt: skip
    for parameter in theirs.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    config = ModelConfig(**{**SIZES, "n_kv_heads": 6, "d_head": 4, "d_mlp": 96}, activation=activation)
    ours = Transformer(config, implementation).double().eval()
    from_gpt2(theirs, ours)
    tokens = torch.randint(31, (2, 13))
    close(ours(tokens), theirs(tokens).logits)


@every_implementation
def test_the_llama_recipe_is_llama(implementation):
    from transformers.models.llama.modeling_llama import LlamaConfig, LlamaForCausalLM

    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=31, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=3, head_dim=8, max_position_embeddings=16, rms_norm_eps=1e-5, tie_word_embeddings=False,
        )
    ).double().eval()  # fmt: skip
    config = ModelConfig(
        **SIZES, positional="rope", norm="rmsnorm", activation="swiglu", bias=False, tie_embeddings=False
    )
    ours = Transformer(config, implementation).double().eval()
    with torch.no_grad():
        ours.embed.W_E.copy_(theirs.model.embed_tokens.weight)
        ours.unembed.W_U.copy_(theirs.lm_head.weight.T)
        for block, layer in zip(ours.blocks, theirs.model.layers, strict=True):
            for name, linear in (("W_Q", "q_proj"), ("W_K", "k_proj"), ("W_V", "v_proj")):
                weight = getattr(layer.self_attn, linear).weight
                getattr(block.attention, name).copy_(weight.unflatten(0, (-1, 8)))
            block.attention.W_O.copy_(layer.self_attn.o_proj.weight.T.unflatten(0, (6, 8)))
            block.mlp.W_in.copy_(layer.mlp.up_proj.weight.T)
            block.mlp.W_gate.copy_(layer.mlp.gate_proj.weight.T)
            block.mlp.W_out.copy_(layer.mlp.down_proj.weight.T)
    tokens = torch.randint(31, (2, 13))
    torch.testing.assert_close(ours(tokens), theirs(tokens).logits, rtol=0, atol=1e-6)  # theirs rotates in float32
