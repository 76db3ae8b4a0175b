"""Can a block's products be divided between processes, with the layers' code as it is?

    torchrun --standalone --nproc-per-node 2 experiments/tensor_parallel.py

Each process has some heads of every attention layer and some hidden units of every MLP, as plain tensors: no DTensor.
What a layer reads is the same in all of them, and what they write is added up, so one hook before a layer adds up the
gradients of its input, and one after it its outputs (Shoeybi et al. 2019, arXiv:1909.08053: f and g). Biases of the
output are added once, after the sum. Printed are the largest differences from the whole model, of logits and gradients.

ALiBi's slopes and relative biases are one for each head and would have to be divided, too; not tried. Embedding and
unembedding stay whole.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from llm import Transformer, preset
from llm.config import Implementation
from llm.loss import next_token_loss

AXES = {  # along which a parameter is divided: heads, or hidden units
    **dict.fromkeys(("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "W_out", "b_in", "b_gate"), 0),
    **dict.fromkeys(("W_in", "W_gate"), 1),
}


class SameInput(torch.autograd.Function):
    """The input as it is; its gradient is the sum of those of all processes."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        """The same."""
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The sum."""
        return summed(gradient)


class SummedOutput(torch.autograd.Function):
    """The sum of the outputs of all processes; each gets its gradient as it is."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        """The sum."""
        return summed(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The same."""
        return gradient


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes."""
    total = tensor.contiguous().clone()
    dist.all_reduce(total)
    return total


def own_part(name: str, tensor: Tensor) -> Tensor:
    """What this process has of a block's parameter."""
    leaf = name.rsplit(".", 1)[-1]
    divided = leaf in AXES and "norm" not in name
    return tensor.chunk(dist.get_world_size(), AXES[leaf])[dist.get_rank()] if divided else tensor


def divide(layer: nn.Module, output_bias: str) -> None:
    """Keep this process's part of an attention layer or an MLP, and add up what all of them write."""
    for name, parameter in list(layer.named_parameters(recurse=False)):
        setattr(layer, name, nn.Parameter(own_part(name, parameter.detach()).clone()))
    bias = getattr(layer, output_bias)
    setattr(layer, output_bias, None)
    layer.register_parameter(f"summed_{output_bias}", bias)

    def add_up(_layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        total: Tensor = SummedOutput.apply(output)
        return total if bias is None else total + bias

    layer.register_forward_pre_hook(lambda _, inputs: (SameInput.apply(inputs[0]), *inputs[1:]))
    layer.register_forward_hook(add_up)


def differences(architecture: str, implementation: Implementation) -> tuple[float, float]:
    """The largest difference of logits, and of a gradient, from the whole model."""
    torch.manual_seed(0)
    config = preset(architecture, d_vocab=31, d_model=32, n_layers=2, n_heads=4, n_ctx=16)
    whole, divided = Transformer(config, implementation), Transformer(config, implementation)
    divided.load_state_dict(whole.state_dict())
    for block in divided.blocks:
        divide(block.get_submodule("attention"), "b_O")
        divide(block.get_submodule("mlp"), "b_out")
    tokens = torch.randint(31, (4, 17))
    both = [model(tokens[:, :-1]) for model in (whole, divided)]
    for logits in both:
        next_token_loss(logits, tokens[:, 1:]).backward()
    found = {name.replace("summed_", ""): parameter.grad for name, parameter in divided.named_parameters()}
    worst = 0.0
    for name, parameter in whole.named_parameters():
        own = found[name]
        assert own is not None and parameter.grad is not None
        worst = max(worst, (own - own_part(name, parameter.grad)).abs().max().item())
    return (both[0] - both[1]).abs().max().item(), worst


def main() -> None:
    """Compare the presets that count positions without biases of each head."""
    dist.init_process_group("gloo")
    implementations: tuple[Implementation, ...] = ("einops", "torch", "fused")
    for architecture in ("gpt", "llama"):
        for implementation in implementations:
            logits, gradients = differences(architecture, implementation)
            if dist.get_rank() == 0:
                print(f"{architecture:6} {implementation:7} logits {logits:.1e}, gradients {gradients:.1e}", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
