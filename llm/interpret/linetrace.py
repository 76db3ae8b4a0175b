"""A forward pass as it can be read: each layer's code beside the tensors that its lines made of a real text.

`record_pass` runs a model once and keeps what went into every layer and the gradient of the loss that came back to it.
`trace_layer` then runs one layer again on that very input, in any implementation, and keeps every line's tensors: a
layer's share of a large model fits where all layers' tensors together would not. The arithmetic is the same, so the
layer's output is, to the last bit, that of the whole pass.
"""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

import llm
from llm.config import Implementation
from llm.interpret.trace import Statement, TracedLine, statements, trace
from llm.model import Transformer

PACKAGE = Path(llm.__file__).parent
SAMPLE = 4096
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)


def source_files() -> list[Path]:
    """The files of all forward passes."""
    return [*sorted((PACKAGE / "layers").glob("*.py")), PACKAGE / "model.py"]


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


@dataclass(frozen=True)
class Variable:
    """A tensor with its name and the names of its axes; `gradient` is that of the loss with respect to it."""

    name: str
    axes: tuple[str, ...]
    tensor: Tensor
    gradient: Tensor | None


@dataclass
class Step:
    """One executed statement, and what it made."""

    statement: Statement
    call: int
    variables: list[Variable]
    line: TracedLine = field(repr=False)


@dataclass
class LayerTrace:
    """The trace of one layer in one implementation. `first` and `last` are the lines of `forward` in `file`."""

    path: str
    implementation: Implementation
    file: Path
    class_name: str
    first: int
    last: int
    steps: list[Step]
    output: list[Tensor]


def implementations(model: Transformer) -> dict[Implementation, Transformer]:
    """The model in all three implementations, in evaluation mode, over the same memory, without weight gradients."""
    weights = model.state_dict()
    models: dict[Implementation, Transformer] = {}
    for name in IMPLEMENTATIONS:
        models[name] = Transformer(model.config, name)
        models[name].load_state_dict(weights, assign=True)
        models[name].to(model.embed.W_E.device).eval().requires_grad_(False)
    return models


def layer_paths(model: Transformer) -> list[str]:
    """The path of everything that has a `forward` of its own to read, in the order of the data; "" is the model."""
    files = {str(file) for file in source_files()}
    return [path for path, module in model.named_modules() if inspect.getsourcefile(type(module)) in files]


def record_pass(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> ForwardPass:
    """Run the model once and keep every layer's inputs, output, and the gradient of the loss at that output.

    Gradients begin at the embedding: those of the weights are not needed here.
    """
    calls: dict[str, list[Call]] = {path: [] for path in layer_paths(model)}
    graph: list[tuple[Call, Tensor]] = []

    def keep(path: str, _module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if path == "embed":
            output = output.detach().requires_grad_()
        if output.requires_grad:
            output.retain_grad()
        given = tuple(value.detach() if isinstance(value, Tensor) else value for value in inputs)
        call = Call(given, output.detach())
        calls[path].append(call)
        graph.append((call, output))
        return output

    handles = [model.get_submodule(path).register_forward_hook(partial(keep, path)) for path in calls]
    try:
        with torch.enable_grad():
            logits = model(tokens)
            loss = next_token_loss(logits, tokens)
            if loss is not None:
                loss.backward()
    finally:
        for handle in handles:
            handle.remove()
    for call, output in graph:
        call.gradient = output.grad
    return ForwardPass(model, tokens, calls, logits.detach(), None if loss is None else loss.item())


def next_token_loss(
    logits: Float[Tensor, "batch pos d_vocab"], tokens: Int[Tensor, "batch pos"]
) -> Float[Tensor, ""] | None:
    """Mean cross-entropy of each next token of the text; None where there is none."""
    if tokens.shape[1] < 2:
        return None
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def trace_layer(recorded: ForwardPass, path: str, model: Transformer, gradients: bool = True) -> LayerTrace:
    """Run one layer of `model`, in its implementation, on the recorded inputs, and keep every line's tensors.

    Raises:
        ValueError: the model has no such layer.
    """
    if path not in recorded.calls:
        known = ", ".join(layer or "the model itself" for layer in recorded.calls)
        raise ValueError(f"There is no layer {path!r:.80}: choose one of {known}")
    module = model.get_submodule(path)
    outputs: list[Tensor] = []

    def run() -> None:
        for call in recorded.calls[path]:
            outputs.append(module(*(_fresh(value, gradients) for value in call.inputs)))

    with torch.set_grad_enabled(gradients):
        lines = trace(run, source_files(), of=lambda one: one is module, keep=_retain)
        if gradients:
            _backward(recorded, path, outputs)
    return _layer_trace(recorded, path, model, lines, [output.detach() for output in outputs])


def trace_model(recorded: ForwardPass, model: Transformer) -> dict[str, LayerTrace]:
    """Every layer's trace, of one whole forward pass. For models whose tensors all fit into memory together."""
    with torch.no_grad():
        outputs: list[Tensor] = []
        lines = trace(lambda: outputs.append(model(recorded.tokens)), source_files())
    by_module: dict[int, list[TracedLine]] = {}
    for line in lines:
        by_module.setdefault(id(line.module), []).append(line)
    traces = {}
    for path in recorded.calls:
        own = by_module[id(model.get_submodule(path))]
        returned = [line.tensors["return"] for line in own if "return" in line.tensors]
        traces[path] = _layer_trace(recorded, path, model, own, returned)
    return traces


@dataclass(frozen=True)
class Comparison:
    """How far one implementation is from another on the same input, and how long it takes.

    The differences are the largest over all numbers of the output, and of the gradient of the loss with respect to the
    input. `seconds` is the least of a few untraced runs.
    """

    implementation: Implementation
    output: float
    gradient: float | None
    seconds: float


def compare(
    recorded: ForwardPass, path: str, models: dict[Implementation, Transformer], reference: Implementation = "einops"
) -> list[Comparison]:
    """Every implementation of one layer against `reference`, on the recorded input."""
    results = {name: _measure(recorded, path, models[name]) for name in models}
    output, gradient, _ = results[reference]
    compared = []
    for name, (other, other_gradient, seconds) in results.items():
        apart = None if gradient is None or other_gradient is None else _largest(gradient, other_gradient)
        compared.append(Comparison(name, _largest(output, other), apart, seconds))
    return compared


def counterparts(one: LayerTrace, other: LayerTrace) -> dict[int, int]:
    """For steps of `one`, the step of `other` that makes the same variable: same name, same shape, same numbers.

    Where several do, the k-th is paired with the k-th, as far as there are so many.
    """
    pairs: dict[int, int] = {}
    for index, step in enumerate(one.steps):
        for variable in step.variables:
            candidates = [
                place
                for place, found in enumerate(other.steps)
                if found.call == step.call and any(_same(variable, made) for made in found.variables)
            ]
            earlier = [
                place
                for place, found in enumerate(one.steps[:index])
                if found.call == step.call and any(_same(variable, made) for made in found.variables)
            ]
            if candidates:
                pairs[index] = candidates[min(len(earlier), len(candidates) - 1)]
                break
    return pairs


def _same(one: Variable, other: Variable) -> bool:
    if one.name != other.name or one.tensor.shape != other.tensor.shape or one.tensor.dtype != other.tensor.dtype:
        return False
    stride = max(1, one.tensor.numel() // SAMPLE)  # of a large tensor every so many numbers are enough to tell
    mine, theirs = one.tensor.flatten()[::stride], other.tensor.flatten()[::stride]
    return torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def _measure(recorded: ForwardPass, path: str, model: Transformer) -> tuple[Tensor, Tensor | None, float]:
    """Output and input gradient over all recorded calls, end to end, and the seconds of one round."""
    module, calls = model.get_submodule(path), recorded.calls[path]
    outputs: list[Tensor] = []
    seconds: list[float] = []
    with torch.no_grad():
        while len(seconds) < 5 and sum(seconds) < 0.3:
            start = time.perf_counter()
            outputs = [module(*call.inputs) for call in calls]
            seconds.append(time.perf_counter() - start)
    output = torch.cat([one.flatten() for one in outputs])
    given = [tuple(_fresh(value, True) for value in call.inputs) for call in calls]
    leaves = [value for inputs in given for value in inputs if isinstance(value, Tensor) and value.requires_grad]
    if not leaves:  # token ids, or numbers: nothing for a gradient to arrive at
        return output, None, min(seconds)
    with torch.enable_grad():
        _backward(recorded, path, [module(*inputs) for inputs in given])
    found = [leaf.grad.flatten() for leaf in leaves if leaf.grad is not None]
    return output, torch.cat(found) if found else None, min(seconds)


def _largest(one: Tensor, other: Tensor) -> float:
    """The largest difference; equal infinities differ by nothing."""
    return torch.where(one == other, 0.0, (one - other).abs()).max().item()


def _backward(recorded: ForwardPass, path: str, outputs: list[Tensor]) -> None:
    """Send the gradient that came back to this layer in the recorded pass through its own lines."""
    pairs = [(output, call.gradient) for output, call in zip(outputs, recorded.calls[path], strict=True)]
    wanted = [(output, gradient) for output, gradient in pairs if gradient is not None and output.requires_grad]
    if wanted:
        torch.autograd.backward([output for output, _ in wanted], [gradient for _, gradient in wanted])


def _fresh(value: Any, gradients: bool) -> Any:
    """An input as a leaf of its own, so that a gradient can arrive at it."""
    if not isinstance(value, Tensor):
        return value
    leaf = value.detach().clone()
    return leaf.requires_grad_() if gradients and leaf.is_floating_point() else leaf


def _retain(tensor: Tensor) -> Tensor:
    if tensor.requires_grad and not tensor.is_leaf:
        tensor.retain_grad()
    return tensor


def _layer_trace(
    recorded: ForwardPass, path: str, model: Transformer, lines: list[TracedLine], outputs: list[Tensor]
) -> LayerTrace:
    module = model.get_submodule(path)
    code = inspect.unwrap(type(module).forward).__code__
    file = Path(inspect.getsourcefile(type(module)) or "")
    first_call = min((line.call for line in lines), default=1)
    ordinal = {call: place for place, call in enumerate(sorted({line.call for line in lines} | {first_call}))}
    names: dict[str, tuple[str, ...]] = {}
    steps = []
    for line in lines:
        variables = []
        for name, tensor in line.tensors.items():
            stated = line.statement.axes or names.get(name)
            axes = axis_names(stated, tensor.ndim)
            names[name] = axes
            gradient = tensor.grad if tensor.requires_grad else None
            if name == "return" and gradient is None:
                gradient = recorded.calls[path][ordinal[line.call]].gradient
            variables.append(Variable(name, axes, tensor.detach(), gradient))
        steps.append(Step(line.statement, ordinal[line.call], variables, line))
    end = max(line for _, _, line in code.co_lines() if line is not None)
    written = statements(file)
    last = written[end].last if end in written else end
    return LayerTrace(
        path, model.implementation, file, type(module).__name__, code.co_firstlineno, last, steps, outputs
    )


def axis_names(stated: tuple[str, ...] | None, ndim: int) -> tuple[str, ...]:
    """One name for each axis of a tensor; `...` stands for batch, perhaps head, and pos."""
    if stated is None:
        return ("?",) * ndim
    if stated[0] != "...":
        return stated if len(stated) == ndim else ("?",) * ndim
    before = ndim - (len(stated) - 1)
    leading = {1: ("pos",), 2: ("batch", "pos"), 3: ("batch", "head", "pos")}.get(before, ("?",) * max(before, 0))
    return (*leading, *stated[1:])
