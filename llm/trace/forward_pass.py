"""One forward pass and the way back, layer by layer, with what went into every layer and the gradient that returned.

The model is walked in parts: each stage (embedding, positions, a block, …) runs on its own, begins at a leaf and hands
its output on; afterwards the gradient of the loss goes back through them in the opposite order. The arithmetic is that
of one whole pass. On the compute thread (`llm.runtime.compute.iterate`) each stage is a task, so that others get their
turn.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import llm
from llm.config import Implementation
from llm.loss import next_token_loss
from llm.model import Transformer

T = TypeVar("T")
PACKAGE = Path(llm.__file__).parent
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
STAGE = re.compile(r"\w+|blocks\.\d+")  # the path of a layer that the model itself calls


@dataclass
class Call:
    """One call of a layer: what went in, what came out, and the gradient of the loss with respect to that."""

    inputs: tuple[Any, ...]
    output: Tensor
    gradient: Tensor | None = None


@dataclass
class ForwardPass:
    """One forward pass of `model` on `tokens` [1, pos]: the calls of each layer, by path.

    `loss` is the mean next-token cross-entropy over the text, None for a text of one token, which has no next.
    """

    model: Transformer
    tokens: Int[Tensor, "batch pos"]
    calls: dict[str, list[Call]]
    logits: Float[Tensor, "batch pos d_vocab"]
    loss: float | None


class _WithoutDrawing(TorchFunctionMode):
    """Leaves new weights as they are: drawing those of a large model takes seconds, and they are replaced at once."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if function is Tensor.normal_ else function(*args, **(kwargs or {}))


def source_files() -> list[Path]:
    """The files of all forward passes."""
    return [*sorted((PACKAGE / "layers").glob("*.py")), PACKAGE / "model.py"]


def implementations(model: Transformer) -> dict[Implementation, Transformer]:
    """The model in all three implementations, in evaluation mode, over the same memory, without weight gradients."""
    weights = model.state_dict()
    models: dict[Implementation, Transformer] = {}
    for name in IMPLEMENTATIONS:
        with _WithoutDrawing():
            models[name] = Transformer(model.config, name)
        models[name].load_state_dict(weights, assign=True)
        models[name].to(model.embed.W_E.device).eval().requires_grad_(False)
    return models


def layer_paths(model: Transformer) -> list[str]:
    """The path of everything that has a `forward` of its own to read, in the order of the data; "" is the model."""
    files = {str(file) for file in source_files()}
    return [path for path, module in model.named_modules() if inspect.getsourcefile(type(module)) in files]


def stages(paths: Sequence[str]) -> list[str]:
    """Of these layers those that the model itself calls, one after the other."""
    return [path for path in paths if STAGE.fullmatch(path)]


def recording(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Generator[float, None, ForwardPass]:
    """Run the model once, stage by stage, and keep every layer's calls; yields the share that is done.

    Gradients begin at the embedding: those of the weights are not needed here.
    """
    calls: dict[str, list[Call]] = {path: [] for path in layer_paths(model)}
    graph: list[tuple[Call, Tensor]] = []
    ends: list[tuple[Tensor, Tensor]] = []  # where each stage begins and ends
    chain = stages(list(calls))
    given: Tensor = tokens
    for place, path in enumerate(chain):
        begin = given.detach().requires_grad_(given.is_floating_point())
        output = _recorded_stage(model, path, begin, calls, graph)
        ends.append((begin, output))
        given = output.detach()
        yield (place + 1) / (2 * len(chain) + 1)
    logits = given.requires_grad_()
    with torch.enable_grad():
        loss = next_token_loss(logits[:, :-1], tokens[:, 1:]) if tokens.shape[1] > 1 else None
    if loss is not None:
        loss.backward()
        gradient = logits.grad
        for place, path in enumerate(reversed(chain)):
            yield (place + 1 + len(chain)) / (2 * len(chain) + 1)
            begin, output = ends.pop()
            calls[path][0].gradient = gradient
            if begin.requires_grad and gradient is not None:
                send_back([(output, gradient)])
                gradient = begin.grad
    for call, output in graph:
        call.gradient = call.gradient if call.gradient is not None else output.grad
    calls[""] = [Call((tokens,), logits.detach(), logits.grad)]
    return ForwardPass(model, tokens, calls, logits.detach(), None if loss is None else loss.item())


def _recorded_stage(
    model: Transformer, path: str, begin: Tensor, calls: dict[str, list[Call]], graph: list[tuple[Call, Tensor]]
) -> Tensor:
    """One stage's output on `begin`. All calls in it go into `calls`, and with their outputs into `graph`."""

    def keep(layer: str, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if output.requires_grad:
            output.retain_grad()
        call = Call(tuple(value.detach() if isinstance(value, Tensor) else value for value in inputs), output.detach())
        calls[layer].append(call)
        graph.append((call, output))

    inside = [layer for layer in calls if layer == path or layer.startswith(f"{path}.")]
    handles = [model.get_submodule(layer).register_forward_hook(partial(keep, layer)) for layer in inside]
    try:
        with torch.enable_grad():
            output: Tensor = model.get_submodule(path)(begin)
    finally:
        for handle in handles:
            handle.remove()
    return output


def send_back(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Let each output's gradient flow back to the leaves that it was made from.

    The derivative of the sum of output · gradient is the gradient itself. Given to `backward` directly, torch would
    first import a whole algebra system, which takes seconds.
    """
    with torch.enable_grad():
        torch.stack([(output * gradient).sum() for output, gradient in pairs]).sum().backward()


def walk(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Generator[None, None, tuple[list[Tensor], float]]:
    """The outputs of the model's stages, one after the other, without gradients, and the seconds that they took."""
    outputs: list[Tensor] = []
    seconds = 0.0
    given: Tensor = tokens
    for path in stages(layer_paths(model)):
        start = time.perf_counter()
        with torch.no_grad():
            given = model.get_submodule(path)(given)
        seconds += time.perf_counter() - start
        outputs.append(given)
        yield
    return outputs, seconds


def complete(parts: Generator[Any, None, T]) -> T:
    """What a walk in parts arrives at, all parts at once."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            result: T = end.value
            return result
