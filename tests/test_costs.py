"""Closed forms against the models that they describe, for every combination of components."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from measured_costs import kept_for_backward, peak_of_a_step
from model_configs import IMPLEMENTATIONS, component_configs
from torch.utils.flop_counter import FlopCounterMode

from llm.config import Implementation, ModelConfig, Precision, TrainingConfig
from llm.costs import flops_per_token, memory, parameter_count
from llm.costs.activations import activation_bytes, weight_copy_bytes
from llm.model import Transformer
from llm.presets import ARCHITECTURES, COURSE, SIZES, preset
from llm.training.optimizers import REGISTRY
from llm.training.optimizers.build import build_optimizers

BATCH_SIZE = 3
# Different widths, so that a mix-up shows; n_kv_heads varies, and with 1 or all heads its width equals another.
WIDTHS = {"d_vocab": 29, "d_model": 10, "n_heads": 6, "d_head": 4, "d_mlp": 14, "n_ctx": 7}


def configs(**fields: Any) -> list[ModelConfig]:
    """Every three values of different options together in some config: the formulas have cases for two and three."""
    return component_configs(strength=3, **(WIDTHS | fields))


def part_of(name: str) -> str:
    """The field of `ParameterCount` that a parameter belongs to."""
    if "norm" in name:
        return "norms"
    if name.endswith("score_bias.W_rel"):
        return "positions"
    module = name.split(".")[2] if name.startswith("blocks.") else name.split(".")[0]
    return {"embed": "embedding", "unembed": "unembedding"}.get(module, module)


def test_parameter_count_and_weight_bytes_are_those_of_the_built_model() -> None:
    for config in configs():
        parts = dict.fromkeys(dataclasses.asdict(parameter_count(config)), 0)
        model = Transformer(config)
        for name, parameter in model.named_parameters():
            parts[part_of(name)] += parameter.numel()
        assert dataclasses.asdict(parameter_count(config)) == parts, config
        assert parameter_count(config).total == sum(parts.values()), config
        held = sum(parameter.nbytes for parameter in model.parameters())
        assert memory(config, TrainingConfig()).weights == memory(config, TrainingConfig()).gradients == held, config


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", SIZES)
def test_parameter_count_of_each_preset(architecture: str, size: str) -> None:
    config = preset(architecture, size, d_vocab=1024)
    with torch.device("meta"):  # shapes, but no numbers
        model = Transformer(config)
    assert parameter_count(config).total == sum(parameter.numel() for parameter in model.parameters())


def test_full_gpt_has_gpt2_smalls_published_size() -> None:
    assert parameter_count(preset("gpt", "full", d_vocab=50257)).total == 124_439_808


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_optimizer_bytes_are_the_moments_held_after_one_step(optimizer: str) -> None:
    training = TrainingConfig(optimizer=optimizer)
    for config in configs():
        model = Transformer(config)
        optimizers = build_optimizers(model, training)
        model(torch.randint(config.d_vocab, (1, config.n_ctx))).sum().backward()
        held = 0
        for each in optimizers:
            each.step()
            for state in each.state.values():
                held += sum(value.nbytes for name, value in state.items() if name != "step")  # a counter, not a moment
        assert memory(config, training).optimizer == held, config


def saved(config: ModelConfig, implementation: Implementation = "fused", width: int = 4, batch_size: int = 3) -> int:
    """What autograd saves, by the formulas; `width`: bytes of a number in the forward pass's format."""
    return activation_bytes(config, batch_size, implementation, width) + weight_copy_bytes(config, width)


@pytest.mark.parametrize("fields", [{}, {"dropout": 0.5}, {"n_heads": 1, "n_kv_heads": 1}], ids=str)
def test_activation_bytes_are_what_autograd_saves(fields: dict[str, Any]) -> None:
    for config in configs(n_experts=0, **fields):
        assert saved(config) == kept_for_backward(config, BATCH_SIZE), config
        assert memory(config, TrainingConfig(batch_size=BATCH_SIZE)).activations == saved(config)


@pytest.mark.parametrize("fields", [{}, {"dropout": 0.5}, {"n_heads": 1, "n_kv_heads": 1}], ids=str)
def test_activation_bytes_in_bfloat16_are_what_autograd_saves(fields: dict[str, Any]) -> None:
    for config in component_configs(**(WIDTHS | fields), n_experts=0):
        assert saved(config, width=2) == kept_for_backward(config, BATCH_SIZE, "fused", torch.bfloat16), config


@pytest.mark.parametrize("implementation", ["einops", "torch"])
def test_activation_bytes_of_the_other_implementations(implementation: Implementation) -> None:
    for config in component_configs(**WIDTHS, n_experts=0):
        assert saved(config, implementation) == kept_for_backward(config, BATCH_SIZE, implementation), config


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", COURSE)
def test_activation_bytes_of_each_preset(architecture: str, implementation: Implementation) -> None:
    config = preset(architecture, "small", d_vocab=65)
    assert saved(config, implementation, batch_size=2) == kept_for_backward(config, 2, implementation)
    in_16_bits = kept_for_backward(config, 2, implementation, torch.bfloat16)
    assert saved(config, implementation, 2, batch_size=2) == pytest.approx(in_16_bits, rel=0.05)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_activation_bytes_with_experts_are_nearly_those_that_autograd_saves(implementation: Implementation) -> None:
    for details in ({}, {"n_shared_experts": 1, "normalize_expert_weights": False}):
        config = preset("llama", "small", d_vocab=65, n_experts=8, **details)
        assert saved(config, implementation, batch_size=2) == pytest.approx(
            kept_for_backward(config, 2, implementation), rel=0.003
        )
        in_16_bits = kept_for_backward(config, 2, implementation, torch.bfloat16)
        assert saved(config, implementation, 2, batch_size=2) == pytest.approx(in_16_bits, rel=0.06)


PEAKS = [  # architecture, d_vocab, implementation, precision, settings, sizes
    ("gpt", 65, "fused", "float32", {"batch_size": 4}, {}),
    ("gpt", 65, "torch", "float32", {"batch_size": 4, "optimizer": "adamw"}, {}),
    ("llama", 2048, "fused", "bfloat16", {"batch_size": 4}, {}),
    ("llama", 2048, "einops", "float32", {"batch_size": 2}, {}),
    ("olmo", 2048, "fused", "float32", {"batch_size": 2, "accumulation": 2}, {}),
    ("olmo", 65, "einops", "bfloat16", {"batch_size": 4}, {}),
    ("gpt", 65, "fused", "float32", {"batch_size": 8, "gradient_checkpointing": True}, {"n_layers": 6}),
    ("llama", 65, "fused", "float32", {"batch_size": 1}, {"d_model": 256, "n_ctx": 16}),  # in the optimizer's step
    ("gpt", 2**15, "fused", "bfloat16", {"batch_size": 16}, {"d_model": 64}),  # the loss in two pieces
    ("llama", 2**15, "fused", "float32", {"batch_size": 12}, {"d_model": 64}),
    ("llama", 65, "fused", "float32", {"batch_size": 8}, {"n_experts": 4, "d_mlp": 128}),
]


@pytest.mark.parametrize(("architecture", "d_vocab", "implementation", "precision", "settings", "sizes"), PEAKS)
def test_the_peak_of_a_step(
    architecture: str,
    d_vocab: int,
    implementation: Implementation,
    precision: Precision,
    settings: dict[str, Any],
    sizes: dict[str, Any],
) -> None:
    config = preset(architecture, d_vocab=d_vocab, **({"n_layers": 2, "n_ctx": 64} | sizes))
    training = TrainingConfig(steps=9, device="cpu", precision=precision, **settings)
    found = memory(config, training, implementation, precision).total
    assert found == pytest.approx(peak_of_a_step(config, training, implementation), rel=0.08)


def test_a_process_takes_more_than_its_tensors() -> None:
    """Holes, a snapshot's largest file, and code for 16 bits."""
    config, training = preset("gpt", "small", d_vocab=2048), TrainingConfig(batch_size=4)
    found = memory(config, training)
    assert found.resident == found.total + found.holes + max(found.weights, found.optimizer)
    in_16_bits = memory(config, training, precision="bfloat16")
    assert in_16_bits.resident > in_16_bits.total + in_16_bits.holes + in_16_bits.files + 10_000_000


def test_an_evaluation_leaves_holes_that_do_not_grow_with_the_number_of_blocks() -> None:
    """The estimates are within 15% of peaks of whole processes, in MB: means of those in docs/memory.md."""
    measured = {
        ("llama", 8, 300, 1): 32.8,
        ("llama", 8, 300, 6): 124.9,
        ("gpt", 16, 65, 1): 44.8,
        ("gpt", 1, 1024, 1): 13.4,
    }
    for (architecture, batch_size, d_vocab, n_layers), megabytes in measured.items():
        config = preset(architecture, "small", d_vocab=d_vocab, n_layers=n_layers)
        training = TrainingConfig(batch_size=batch_size, optimizer="muon" if batch_size == 16 else "adamw")
        assert memory(config, training).resident / 1e6 == pytest.approx(megabytes, rel=0.15), config


def test_forward_flops_are_those_that_torch_counts() -> None:
    for config in configs(n_layers=1):
        tokens = torch.zeros(BATCH_SIZE, config.n_ctx, dtype=torch.int64)
        model = Transformer(config, "torch").eval()  # without an expert's capacity
        with FlopCounterMode(display=False) as counted:
            model(tokens)
        assert flops_per_token(config, config.n_ctx).forward * tokens.numel() == counted.get_total_flops(), config


def test_training_flops_are_those_that_torch_counts() -> None:
    for config in configs():
        tokens = torch.zeros(BATCH_SIZE, config.n_ctx - 1, dtype=torch.int64)
        model = Transformer(config, "torch").eval()  # without an expert's capacity
        with FlopCounterMode(display=False) as counted:
            model(tokens).sum().backward()
        assert flops_per_token(config, tokens.shape[1]).training * tokens.numel() == counted.get_total_flops(), config
