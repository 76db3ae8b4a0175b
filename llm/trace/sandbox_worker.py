"""The worker of `llm.trace.sandbox`: a separate process that reads a request from its input and answers on its output.

It runs the model unedited and writes the loss. Then it raises the wall, if the request says so, and runs the model with
the edited `forward`, which until then it has only held as text, and writes what that did. Each answer is a line of
JSON.
"""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from collections import defaultdict
from pathlib import Path
from typing import Any

import einops
import torch
from torch import Tensor

from llm.checkpoints import load_run
from llm.loss import loss_on_text
from llm.model import Transformer
from llm.trace import wall
from llm.trace.forward_pass import PACKAGE
from llm.trace.line_trace import TracedLine, trace_lines
from llm.trace.sandbox import MAX_TEXT, MAX_WRONG_SHAPES
from llm.trace.statements import shape_mismatch, source_text
from llm.trace.traced_text import MAX_TOKENS

EDITED = PACKAGE.parent / "edited.py"  # the name of the edited code in tracebacks; there is no such file
AT_THE_WALL = ("Edited code may only compute: it can't open files or import further modules, use the network, start "
               "threads or programs, or send signals")  # fmt: skip


def main() -> None:
    """Run the edit that the request describes."""
    request = json.load(sys.stdin.buffer)
    answers = _take_output()
    if request["walled"]:
        wall.end_with_parent()  # before the first answer: if the parent has already ended, writing that one fails
    torch.set_num_threads(1)
    run = load_run(request["run"], request["step"], request["implementation"])
    ids = run.tokenizer.encode(request["text"])[: min(run.config.n_ctx, MAX_TOKENS)]
    tokens = torch.tensor([ids])
    layers = [module for module in run.model.modules() if type(module).__name__ == request["class"]]
    before: list[TracedLine] = []
    with torch.no_grad():
        loss = _loss(run.model, tokens, Path(request["file"]), source_text(Path(request["file"])), layers, before)
    _answer(answers, {"loss_before": loss})
    import_lazy_modules()
    if request["walled"]:
        wall.enclose(answers)
    _answer(answers, try_code(request, run.model, tokens, layers, before))


def import_lazy_modules() -> None:
    """Let torch and einops import the modules that they import on first use: behind the wall they could not."""
    repr(einops.rearrange(torch.zeros(1), "pos -> pos"))


def try_code(
    request: dict[str, Any],
    model: Transformer,
    tokens: Tensor,
    layers: list[torch.nn.Module],
    before: list[TracedLine],
) -> dict[str, Any]:
    """Run the edited code in the place of these layers' own, and compare with the lines that were traced before."""
    after: list[TracedLine] = []
    result: dict[str, Any] = {"loss_after": None, "error": None, "error_line": None}
    try:
        with torch.no_grad():
            kind = type(layers[0])
            kind.forward = edited_forward(request["code"], kind.__name__, kind.__module__)
            result["loss_after"] = _loss(model, tokens, EDITED, request["code"], layers, after)
    except (Exception, SystemExit) as error:
        result["error"] = describe_error(error)[:MAX_TEXT]
        result["error_line"] = _error_line(error, request)
    result["wrong_shapes"] = wrong_shapes(model, after, request["first"])[:MAX_WRONG_SHAPES]
    result["first_change"] = first_change(before, after, request["first"])
    return result


def edited_forward(code: str, class_name: str, module_name: str) -> Any:
    """The `forward` of this class in the edited file."""
    names: dict[str, Any] = {"__name__": module_name}
    exec(compile(code, str(EDITED), "exec", dont_inherit=True), names)
    forward = vars(names[class_name]).get("forward")
    if forward is None:
        raise ValueError(f"The edited code defines no forward for {class_name}")
    return forward


def describe_error(error: BaseException) -> str:
    """The kind and message of an error, after a sentence on what the wall allows if the wall refused something."""
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    refused = isinstance(error, PermissionError | ImportError) or str(error) == "can't start new thread"
    return f"{AT_THE_WALL}. {told}" if refused else told


def _loss(
    model: Transformer, tokens: Tensor, file: Path, code: str, modules: list[torch.nn.Module], lines: list[TracedLine]
) -> float | None:
    """The loss; the traced lines of these modules are appended to `lines`, even if one of them fails."""
    losses: list[Tensor | None] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            logits = model(tokens)  # [batch, pos, d_vocab]
            losses.append(loss_on_text(logits, tokens, model.config.causal))
        except (Exception, SystemExit) as error:
            failures.append(error)

    traced = trace_lines(
        run, [file], only=lambda called: any(called is module for module in modules), read=lambda _: code
    )
    lines += traced
    if failures:
        raise failures[0]
    loss = losses[0]
    if loss is None:
        return None
    return loss.item() if loss.isfinite() else math.inf


def wrong_shapes(model: Transformer, lines: list[TracedLine], first: int) -> list[dict[str, Any]]:
    """The lines that made a tensor whose shape differs from their comment, each line once."""
    wrong: dict[int, str] = {}
    for line in lines:
        for name, tensor in line.tensors.items():
            if line.statement.axes is None:
                continue
            try:
                problem = shape_mismatch(tuple(tensor.shape), line.statement.axes, _sizes(model, line))
            except KeyError as axis:
                problem = f"names an unknown axis: {axis}"
            if problem:
                wrong.setdefault(line.statement.first - first + 1, f"{name}: the comment {problem}")
    return [{"line": line, "text": text[:MAX_TEXT]} for line, text in wrong.items()]


def _sizes(model: Transformer, line: TracedLine) -> dict[str, int]:
    config = model.config
    tensors = (value for value in line.before.values() if isinstance(value, Tensor))
    resid = next((tensor for tensor in tensors if tensor.ndim >= 2), None)  # or per-head vectors, or token ids
    if resid is None:
        pos = line.before["query_pos"]
    else:
        pos = resid.shape[-2] if resid.is_floating_point() else resid.shape[1]
    heads = resid.shape[1] if resid is not None and resid.ndim == 4 else config.n_heads
    layer_axes = getattr(line.module, "axes", {})
    return config.axis_sizes | {"batch": 1, "pos": pos, "query_pos": pos, "key_pos": pos, "head": heads} | layer_axes


def first_change(before: list[TracedLine], after: list[TracedLine], first: int) -> dict[str, Any] | None:
    """The first tensor that the edit changed. The k-th tensor of a name is compared with the k-th before the edit."""
    tensors_before: dict[str, list[Tensor]] = defaultdict(list)
    for line in before:
        for name, tensor in line.tensors.items():
            tensors_before[name].append(tensor)
    for line in after:
        for name, tensor in line.tensors.items():
            if not tensors_before[name]:
                continue
            old = tensors_before[name].pop(0)
            number = line.statement.first - first + 1
            if old.shape != tensor.shape:
                return {"line": number, "text": f"{name} was {list(old.shape)} and is now {list(tensor.shape)}"}
            difference = torch.where(old == tensor, 0.0, (old.double() - tensor.double()).abs()).max().item()
            if difference != 0:
                return {"line": number, "text": f"{name} has changed: it differs by up to {difference:.3g}"}
    return None


def _error_line(error: BaseException, request: dict[str, Any]) -> int | None:
    """The line of the edited code in which an error arose; None where the traceback has none."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        number = error.lineno
    else:
        frames = traceback.walk_tb(error.__traceback__)
        lines = [line for frame, line in frames if frame.f_code.co_filename == str(EDITED)]
        inside = [line for line in lines if request["first"] <= line <= request["last"]]
        if not inside:
            return None
        number = inside[-1]
    return max(1, number - request["first"] + 1)


def _take_output() -> int:
    """A descriptor for the answers; from here on whatever is printed goes nowhere."""
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return answers


def _answer(answers: int, answer: dict[str, Any]) -> None:
    os.write(answers, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
