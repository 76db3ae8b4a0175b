"""Which kernel fused attention computes with is decided where the precision is chosen."""

import pytest
import torch
from model_configs import BASE

from llm import TrainingConfig, Transformer, preset
from llm.data import TextData
from llm.layers.attention import AttentionFused, attend
from llm.runtime.device import attend_in_float32, attention_kernel
from llm.tokenizers import build_tokenizer
from llm.training.trainer import Trainer


def test_bfloat16_on_a_cpu_attends_in_float32():
    cpu = torch.device("cpu")
    assert attention_kernel(cpu, torch.float32) is None
    assert attention_kernel(torch.device("cuda"), torch.bfloat16) is None
    assert attention_kernel(cpu, torch.bfloat16) is attend_in_float32
    query, key, value = torch.randn(3, 2, 4, 9, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = attend_in_float32(query, key, value, is_causal=True)
    exact = torch.nn.functional.scaled_dot_product_attention(query.float(), key.float(), value.float(), is_causal=True)
    assert torch.equal(mixed, exact.bfloat16())


@pytest.mark.parametrize(("precision", "kernel"), [("float32", attend), ("bfloat16", attend_in_float32)])
def test_the_trainer_hands_it_to_every_layer(precision, kernel):
    text = "The hen sat on the gate. " * 40
    tokenizer = build_tokenizer("char", text)
    data = TextData.from_text(text, tokenizer, BASE.n_ctx)
    model = Transformer(BASE)
    Trainer(model, tokenizer, data, TrainingConfig(device="cpu", precision=precision))
    layers = [module for module in model.modules() if isinstance(module, AttentionFused)]
    assert len(layers) == BASE.n_layers
    assert all(layer.attend is kernel for layer in layers)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n_heads", [1, 3, 12])
def test_alibi_in_16_bits_is_as_precise_as_the_implementation_that_makes_scores(dtype, n_heads):
    """At n_ctx = 1024 slope · k would need more digits than 16 bits have; on a CPU, with the kernel that GPUs use."""
    config = preset("olmo", "full", d_vocab=64, d_model=96, n_layers=1, n_heads=n_heads, d_head=32)
    plain, fused = Transformer(config, "einops").eval(), Transformer(config, "fused").eval()
    fused.load_state_dict(plain.state_dict())
    resid = torch.randn(1, config.n_ctx, 96)  # [batch, pos, d_model]
    with torch.no_grad():
        exact = plain.blocks[0].attention(resid)  # [batch, pos, d_model]
        with torch.autocast("cpu", dtype):
            errors = [model.blocks[0].attention(resid).float() - exact for model in (plain, fused)]
    with_scores, without = ((error.square().mean() / exact.square().mean()).sqrt() for error in errors)
    assert without < 1.2 * with_scores < 0.01
