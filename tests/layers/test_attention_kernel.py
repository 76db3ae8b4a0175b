"""Which kernel fused attention computes with is decided where the precision is chosen."""

import pytest
import torch
from model_configs import BASE

from llm import TrainingConfig, Transformer
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
