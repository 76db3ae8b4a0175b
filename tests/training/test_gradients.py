import pytest
import torch

from llm.model import Transformer
from llm.presets import preset
from llm.training.gradients import gradient_norms, parameters_by_layer


def test_norms_are_those_of_all_numbers_of_a_layer_and_of_the_model():
    torch.manual_seed(0)
    model = Transformer(preset("llama", d_vocab=11, d_model=16, n_layers=2, n_heads=2, n_ctx=8))
    model(torch.randint(11, (2, 8))).square().mean().backward()
    whole, by_layer = gradient_norms(parameters_by_layer(model))
    squares = {"embed": 0.0, "blocks.0": 0.0, "blocks.1": 0.0, "final": 0.0}
    for name, parameter in model.named_parameters():
        layer = next((layer for layer in squares if name.startswith(f"{layer}.")), "final")
        squares[layer] += sum(number**2 for number in parameter.grad.flatten().tolist())
    assert by_layer.tolist() == pytest.approx([square**0.5 for square in squares.values()])
    assert whole.item() == pytest.approx(sum(squares.values()) ** 0.5)
