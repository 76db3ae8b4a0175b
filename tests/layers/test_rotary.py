"""Rotary positions with every detail, and learned relative biases, against transformers' own and between themselves."""

import itertools

import pytest
import torch
from model_configs import IMPLEMENTATIONS, ROTARY, SIZES, SMALL_POSITIONS

from llm.config import ModelConfig
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.position.frequencies import frequencies, yarn_multiplier
from llm.layers.position.relative import bucket_of

every_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
SCALED = {  # transformers' names of what our fields say
    "linear": {"factor": 8.0},
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 4096},
}


def rotary(implementation, **fields):
    return POSITIONS["rope"].classes(implementation)(ModelConfig(**SIZES, positional="rope", **fields))


@pytest.mark.parametrize("fields", [dict(zip(ROTARY, row, strict=True)) for row in itertools.product(*ROTARY.values())])
def test_implementations_agree_in_outputs_and_gradients_with_every_two_details(fields):
    found = []
    for implementation in IMPLEMENTATIONS:
        torch.manual_seed(0)
        vectors = torch.randn(2, 3, 7, 8, dtype=torch.float64, requires_grad=True)
        turned = rotary(implementation, **(SMALL_POSITIONS | fields))(vectors, 4)
        turned.mul(torch.randn_like(turned)).sum().backward()
        found.append(torch.stack([turned.detach(), vectors.grad]))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(found[2], found[0], rtol=0, atol=1e-12)
    kept = fields["rope_fraction"] < 1
    assert torch.equal(found[0][0][..., 4:], vectors[..., 4:]) == kept
    assert not torch.allclose(found[0][0][..., :4], vectors[..., :4])


@every_implementation
@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_halves_are_rotated_as_by_transformers_rotate_half(implementation, fraction):
    """GPT-NeoX rotates the first quarter or so of each head's numbers, LLaMA all."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    width = int(8 * fraction)
    query, key = torch.randn(2, 2, 3, 7, 8, dtype=torch.float64)
    angle = torch.outer(torch.arange(7, dtype=torch.float64), 500.0 ** (-torch.arange(0, width, 2).double() / width))
    cos, sin = angle.repeat(1, 2).cos()[None], angle.repeat(1, 2).sin()[None]
    turned = apply_rotary_pos_emb(query[..., :width], key[..., :width], cos, sin)
    layer = rotary(implementation, rope_theta=500.0, rope_fraction=fraction)
    for ours, theirs, rest in zip((layer(query), layer(key)), turned, (query, key), strict=True):
        torch.testing.assert_close(ours, torch.cat([theirs, rest[..., width:]], dim=-1), rtol=0, atol=1e-12)


@every_implementation
def test_neighbours_are_rotated_as_in_gpt_j(implementation):
    from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb, create_sinusoidal_positions

    vectors = torch.randn(2, 3, 7, 8)
    sin, cos = create_sinusoidal_positions(7, 4)[None].chunk(2, dim=-1)
    turned = apply_rotary_pos_emb(vectors[..., :4].transpose(1, 2), sin, cos).transpose(1, 2)
    ours = rotary(implementation, rope_pairs="neighbours", rope_fraction=0.5)(vectors)
    torch.testing.assert_close(ours, torch.cat([turned, vectors[..., 4:]], dim=-1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scaling", SCALED)
@pytest.mark.parametrize("d_head, fraction, theta", [(128, 1.0, 500_000.0), (64, 0.5, 10_000.0)])
def test_scaled_frequencies_are_those_of_transformers(scaling, d_head, fraction, theta):
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    told = SCALED[scaling]
    parameters = {"rope_type": scaling, "rope_theta": theta, "partial_rotary_factor": fraction, **told}
    theirs = LlamaConfig(head_dim=d_head, max_position_embeddings=32768, rope_parameters=parameters)
    expected, multiplier = ROPE_INIT_FUNCTIONS[scaling](theirs, torch.device("cpu"))
    config = ModelConfig(
        d_vocab=1, d_head=d_head, n_ctx=32768, positional="rope", rope_fraction=fraction, rope_theta=theta,
        rope_scaling=scaling, rope_factor=told["factor"],
        rope_original_ctx=told.get("original_max_position_embeddings"),
    )  # fmt: skip
    layer = POSITIONS["rope"].classes("fused")(config)
    found = layer.scaled(frequencies(layer.d_rotary, theta, torch.zeros(1)), config)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    assert not torch.allclose(found, frequencies(layer.d_rotary, theta, torch.zeros(1)), rtol=1e-3)
    assert (layer.multiplier or (lambda config: 1.0))(config) == pytest.approx(multiplier)


def test_the_attention_factor_of_yarn_can_be_given():
    config = ModelConfig(**SIZES, positional="rope", rope_scaling="yarn", rope_attention_factor=1.5)
    assert yarn_multiplier(config) == 1.5
    vectors = torch.randn(1, 1, 3, 8)
    torch.testing.assert_close(
        POSITIONS["rope"].classes("fused")(config)(vectors).norm(dim=-1), 1.5 * vectors.norm(dim=-1)
    )


@pytest.mark.parametrize("buckets, max_distance", [(32, 128), (6, 9), (8, 20)])
def test_distances_share_buckets_as_in_t5(buckets, max_distance):
    from transformers.models.t5.modeling_t5 import T5Attention

    distance = torch.arange(-5, 400)
    theirs = T5Attention._relative_position_bucket(-distance, False, buckets, max_distance)
    assert torch.equal(bucket_of(distance, buckets, max_distance), theirs)


@every_implementation
def test_relative_bias_adds_each_heads_bias_of_the_distance(implementation):
    config = ModelConfig(**SIZES, positional="relative", relative_buckets=6, relative_max_distance=9)
    layer = POSITIONS["relative"].classes(implementation)(config)
    torch.nn.init.normal_(layer.W_rel)
    bias = layer(4, 11)
    for query in range(4):
        for key in range(query + 8):
            bucket = bucket_of(torch.tensor(query + 7 - key), 6, 9)
            assert torch.equal(bias[:, query, key], layer.W_rel[:, bucket])
