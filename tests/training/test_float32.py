"""With precision float32, no operator of training, evaluation or sampling rounds to 16 bits."""

import dataclasses

import pytest
import torch
from model_configs import IMPLEMENTATIONS
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llm import SamplingConfig
from llm.config import TrainingConfig
from llm.data import TextData
from llm.model import Transformer
from llm.presets import COURSE, preset
from llm.runtime import compute
from llm.sampling import generate
from llm.tokenizers.char import CharTokenizer
from llm.training.optimizers import REGISTRY
from llm.training.trainer import Trainer

TEXT = "a red fox saw a red bird\n" * 40
TRAINING = TrainingConfig(
    steps=2, batch_size=2, eval_every=1, eval_windows=2, sample_tokens=3, device="cpu", precision="float32"
)


class FloatTypes(TorchDispatchMode):
    """Records the float types of all that operators read and write, forward and backward, by operator."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                self.seen.add((value.dtype, str(function)))
        return result

    def narrow(self):
        return {name for dtype, name in self.seen if dtype.itemsize < 4}


@pytest.fixture(autouse=True)
def machine_with_bfloat16(monkeypatch):
    """A CPU with instructions for bfloat16, as auto looks for them, wherever the tests run."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})


def float_types(architecture, implementation, training):
    tokenizer = CharTokenizer.train(TEXT)
    shape = {"d_model": 8, "n_layers": 1, "n_heads": 2, "n_ctx": 8, "dropout": 0.1}
    model = Transformer(preset(architecture, d_vocab=tokenizer.d_vocab, **shape), implementation)
    with FloatTypes() as recorded:
        trainer = Trainer(model, tokenizer, TextData.from_text(TEXT, tokenizer, 8), training)
        metrics = list(trainer)
        generate(model, tokenizer, "a red", SamplingConfig(max_new_tokens=3, seed=0))
    assert metrics[-1].evaluation is not None and metrics[-1].sample is not None
    return recorded


@pytest.mark.parametrize("optimizer", REGISTRY)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_float32_is_float32_everywhere(implementation, optimizer):
    for architecture in COURSE:
        training = dataclasses.replace(TRAINING, optimizer=optimizer)
        assert float_types(architecture, implementation, training).narrow() == set(), architecture


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_recording_sees_16_bits(implementation):
    recorded = float_types("llama", implementation, dataclasses.replace(TRAINING, precision="auto"))
    assert any("mm" in name for name in recorded.narrow())


def test_products_of_float32_matrices_are_not_rounded_to_fewer_bits():
    """Whatever a script allowed before, or a container by TORCH_ALLOW_TF32_CUBLAS_OVERRIDE."""
    torch.set_float32_matmul_precision("medium")
    try:
        float_types("gpt", "fused", TRAINING)
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.mkldnn.matmul.fp32_precision == torch.backends.cuda.matmul.fp32_precision == "ieee"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_the_compute_thread_multiplies_exactly_too():
    torch.set_float32_matmul_precision("medium")
    pool = compute._start()
    try:
        assert pool.submit(torch.get_float32_matmul_precision).result() == "highest"
    finally:
        pool.shutdown()
        torch.set_float32_matmul_precision("highest")
