"""One forward and backward pass, layer by layer: each layer's inputs, output and gradient of the loss at its output.

The model runs in stages (embedding, positions, each block, …). Each stage starts from a leaf tensor, so that the
gradient of the loss can be propagated back through one stage at a time as well. The arithmetic is that of one
uninterrupted pass; on the compute thread each stage is a separate part, so that other tasks can run in between.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import llm
from llm.config import Implementation
from llm.loss import loss_on_text
from llm.model import Transformer
from llm.runtime.stepwise import stepwise

PACKAGE = Path(llm.__file__).parent
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
STAGE = re.compile(r"\w+|blocks\.\d+")  # the path of a layer that the model itself calls


@dataclass
class Call:
    """One call of a layer: its inputs, its output, and the gradient of the loss with respect to the output."""

    inputs: tuple[Any, ...]
    output: Tensor
    gradient: Tensor | None = None


@dataclass
class ForwardPass:
    """One forward pass of `model` on `tokens` [1, pos]: the calls of each layer, by path.

    `loss` is the mean next-token cross-entropy over the text; None for a text of one token, which has no next token
    (`llm.loss.loss_on_text`).
    """

    model: Transformer
    tokens: Int[Tensor, "batch pos"]
    calls: dict[str, list[Call]]
    logits: Float[Tensor, "batch pos d_vocab"]
    loss: float | None


class _WithoutInitialization(TorchFunctionMode):
    """Skips drawing random weights: for a large model that takes seconds, and the weights are replaced right away."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if function is Tensor.normal_ else function(*args, **(kwargs or {}))


def source_files(model: Transformer | None = None) -> list[Path]:
    """The files that define forward passes; with a model, also those of its layers defined elsewhere."""
    library_files = [*sorted((PACKAGE / "layers").rglob("*.py")), PACKAGE / "model.py"]
    kinds = {type(module) for module in model.modules()} if model is not None else set()
    elsewhere = {Path(inspect.getfile(kind)) for kind in kinds if not kind.__module__.startswith("torch.")}
    return library_files + sorted(elsewhere - set(library_files))


def implementations(model: Transformer) -> dict[str, Transformer]:
    """The model in every implementation, in evaluation mode. All share its weights in memory, without gradients."""
    weights = model.state_dict()
    models: dict[str, Transformer] = {}
    for name in IMPLEMENTATIONS:
        with _WithoutInitialization():
            models[name] = Transformer(model.config, name)
        models[name].load_state_dict(weights, assign=True)
        models[name].to(model.embed.W_E.device).eval().requires_grad_(False)
    return models


def layer_paths(model: Transformer) -> list[str]:
    """The path of every layer that has its own `forward` to read, in data-flow order; "" is the model itself."""
    files = {str(file) for file in source_files(model)}
    return [path for path, module in model.named_modules() if inspect.getsourcefile(type(module)) in files]


def stages(paths: Sequence[str]) -> list[str]:
    """The layers among `paths` that the model itself calls, in data-flow order."""
    return [path for path in paths if STAGE.fullmatch(path)]


@stepwise
def record_forward_pass(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Generator[float, None, ForwardPass]:
    """Run the model once, forward and back; record every layer's inputs, output and gradient of the loss at its output.

    Yields the fraction of work done after each stage, forward or back. Gradients reach back to the embedding's output:
    weights get none.
    """
    calls: dict[str, list[Call]] = {path: [] for path in layer_paths(model)}
    outputs_in_graph: list[tuple[Call, Tensor]] = []
    stage_ends: list[tuple[Tensor, Tensor]] = []  # the input and the output of each stage
    paths = stages(list(calls))
    n_parts = 2 * len(paths) + 1
    stage_input: Tensor = tokens
    for index, path in enumerate(paths):
        leaf = stage_input.detach().requires_grad_(stage_input.is_floating_point())
        output = _record_stage(model, path, leaf, calls, outputs_in_graph)
        stage_ends.append((leaf, output))
        stage_input = output.detach()
        yield (index + 1) / n_parts
    logits = stage_input.requires_grad_()
    with torch.enable_grad():
        loss = loss_on_text(logits, tokens, model.config.causal)
    if loss is not None:
        loss.backward()
        gradient = logits.grad
        for index, path in enumerate(reversed(paths)):
            yield (index + 1 + len(paths)) / n_parts
            leaf, output = stage_ends.pop()
            calls[path][0].gradient = gradient
            if leaf.requires_grad and gradient is not None:
                propagate_back([(output, gradient)])
                gradient = leaf.grad
    for call, output in outputs_in_graph:
        call.gradient = call.gradient if call.gradient is not None else output.grad
    calls[""] = [Call((tokens,), logits.detach(), logits.grad)]
    return ForwardPass(model, tokens, calls, logits.detach(), None if loss is None else loss.item())


def _record_stage(
    model: Transformer,
    path: str,
    stage_input: Tensor,
    calls: dict[str, list[Call]],
    outputs_in_graph: list[tuple[Call, Tensor]],
) -> Tensor:
    """Run one stage; add its calls to `calls` and, with their outputs still in the graph, to `outputs_in_graph`."""

    def record_call(layer: str, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if output.requires_grad:
            output.retain_grad()
        call = Call(tuple(value.detach() if isinstance(value, Tensor) else value for value in inputs), output.detach())
        calls[layer].append(call)
        outputs_in_graph.append((call, output))

    layers = [layer for layer in calls if layer == path or layer.startswith(f"{path}.")]
    handles = [model.get_submodule(layer).register_forward_hook(partial(record_call, layer)) for layer in layers]
    try:
        with torch.enable_grad():
            output: Tensor = model.get_submodule(path)(stage_input)
    finally:
        for handle in handles:
            handle.remove()
    return output


def propagate_back(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """For each (output, gradient), propagate the gradient back to the leaves that the output was computed from.

    The derivative of the sum of output · gradient is the gradient itself. Passed to `backward` directly, it would make
    torch import sympy first, which takes seconds.
    """
    with torch.enable_grad():
        torch.stack([(output * gradient).sum() for output, gradient in pairs]).sum().backward()


@stepwise
def run_stages(
    model: Transformer, tokens: Int[Tensor, "batch pos"]
) -> Generator[None, None, tuple[list[Tensor], float]]:
    """The output of each of the model's stages, without gradients, and the seconds they took. Yields after each."""
    outputs: list[Tensor] = []
    seconds = 0.0
    stage_input: Tensor = tokens
    for path in stages(layer_paths(model)):
        start = time.perf_counter()
        with torch.no_grad():
            stage_input = model.get_submodule(path)(stage_input)
        seconds += time.perf_counter() - start
        outputs.append(stage_input)
        yield
    return outputs, seconds
