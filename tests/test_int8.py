import math

import pytest
import torch
from model_configs import every_causal_config, every_config
from torch.nn.utils import parametrize

from llm import Transformer, preset
from llm.decoding import DecodeStep, decode_step
from llm.int8 import SUMMED, dequantised, quantise, quantised, weight_bytes
from llm.reading import Reader

OFF = 1 / 254  # of a channel's largest weight: half a step


def tiny(architecture: str = "llama", **changes) -> Transformer:
    torch.manual_seed(0)
    shape = {"d_vocab": 61, "d_model": 24, "n_layers": 2, "n_heads": 2, "n_ctx": 16} | changes
    return Transformer(preset(architecture, **shape)).eval()


def test_each_channel_has_its_own_scale_and_is_off_by_half_a_step_at_most():
    weight = torch.randn(5, 7) * torch.tensor([1e-3, 1, 1e3, 0, 1e-30]).unsqueeze(1)
    integers, scale = quantise(weight, (-1,))
    assert integers.dtype == torch.int8 and scale.shape == (5, 1)
    assert integers[:3].abs().amax(dim=1).tolist() == [127] * 3
    off = (integers * scale - weight).abs() / weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-30)
    assert off.max() <= OFF * 1.001
    assert not integers[3].any()


@every_config
def test_every_weight_that_a_vector_is_multiplied_by_is_rounded_to_its_output_channel(config):
    model = Transformer(config).eval()
    rounded = dict(dequantised(quantised(model)).named_parameters())
    assert rounded.keys() >= dict(model.named_parameters()).keys()
    for name, weight in model.named_parameters():
        summed = SUMMED.get(name.rpartition(".")[2])
        if summed is None:
            assert torch.equal(rounded[name], weight)
        else:
            off = (rounded[name] - weight).abs()
            assert off.max() > 0 and (off <= 1.001 * OFF * weight.abs().amax(dim=summed, keepdim=True)).all()
    left = {name.rpartition(".")[2] for name, weight in model.named_parameters() if weight.dim() > 1} - SUMMED.keys()
    assert left <= {"W_pos", "W_rel", "W_router", "b_Q", "b_K", "b_V", "b_in", "b_gate", "b_out", "w"}


@every_config
def test_the_model_computes_with_the_rounded_weights_and_the_original_stays_as_it_was(config):
    model = Transformer(config).eval()
    before = [weight.clone() for weight in model.parameters()]
    rounded = quantised(model)
    tokens = torch.randint(config.d_vocab, (2, config.n_ctx))
    with torch.no_grad():
        assert torch.equal(rounded(tokens), dequantised(rounded)(tokens))
        assert not torch.equal(rounded(tokens), model(tokens))
    assert all(map(torch.equal, before, model.parameters()))
    assert not any(map(parametrize.is_parametrized, model.modules()))


@every_causal_config
def test_generation_reads_the_integers_and_rounds_no_more_than_bfloat16(config):
    model = quantised(Transformer(config).eval())
    tokens = torch.randint(config.d_vocab, (config.n_ctx,)).tolist()
    reader = Reader(model, use_cache=True)
    read = torch.stack([reader.next_logits(tokens[: length + 1]) for length in range(config.n_ctx)])  # [pos, d_vocab]
    with torch.no_grad():
        exact = model(torch.tensor([tokens]))[0].double()
    assert reader.step is not None
    if not config.n_experts:  # a rounded vector can be given to another expert
        assert (read - exact).abs().max() < 0.05 * exact.abs().max()


def test_the_step_of_several_texts_agrees_with_that_of_one():
    model = quantised(tiny())
    step = decode_step(model, 3, 8)
    logits = step([4, 5, 6], [0, 0, 0])
    alone = torch.cat([DecodeStep(model, 1)([token], [0]) for token in (4, 5, 6)])
    assert torch.allclose(logits, alone, atol=0.01 * alone.abs().max().item())


@pytest.mark.parametrize("tied", [True, False])
def test_the_weights_take_a_quarter_and_a_tied_matrix_is_stored_once(tied):
    model = tiny(d_model=64, d_vocab=500, tie_embeddings=tied)
    rounded = quantised(model)
    expected = 0
    for name, weight in model.named_parameters():
        summed = SUMMED.get(name.rpartition(".")[2])
        channels = 0 if summed is None else weight.numel() // math.prod(weight.shape[axis] for axis in summed)
        expected += 4 * weight.numel() if summed is None else weight.numel() + 4 * channels
    assert weight_bytes(rounded) == expected
    assert weight_bytes(rounded) < 0.31 * weight_bytes(model)


def test_weights_that_diverged_are_refused():
    model = tiny()
    model.blocks[1].mlp.W_in.data[0, 0] = math.nan
    with pytest.raises(ValueError, match=r"NaN or infinity.* the training diverged"):
        quantised(model)
