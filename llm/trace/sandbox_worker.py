"""The worker of `llm.trace.sandbox`: a separate process, in a folder with request.json and edited.py.

It runs the model unedited and then, with CPU time, memory and file size limited, with the edited `forward`. The result
is written to result.json: the loss before the edit as soon as it is known, everything at the end.
"""

from __future__ import annotations

import json
import math
import resource
import traceback
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from llm.checkpoints import load_run
from llm.loss import next_token_loss
from llm.model import Transformer
from llm.trace.line_trace import TracedLine, trace_lines
from llm.trace.statements import shape_mismatch
from llm.trace.traced_text import MAX_TOKENS

CPU_SECONDS = 20
EXTRA_MEMORY = 3 * 2**30  # bytes beyond what the interpreter, torch and the model already use
MAX_FILE_BYTES = 2**20
EDITED = Path("edited.py")


def main() -> None:
    """Run the edit that request.json describes and write result.json."""
    request = json.loads(Path("request.json").read_bytes())
    torch.set_num_threads(1)
    run = load_run(request["run"], request["step"], request["implementation"])
    ids = run.tokenizer.encode(request["text"])[: min(run.config.n_ctx, MAX_TOKENS)]
    tokens = torch.tensor([ids])
    layers = [module for module in run.model.modules() if type(module).__name__ == request["class"]]
    result: dict[str, Any] = {
        "loss_after": None, "error": None, "error_line": None, "wrong_shapes": [], "first_change": None,
    }  # fmt: skip
    before: list[TracedLine] = []
    with torch.no_grad():
        result["loss_before"] = _loss(run.model, tokens, Path(request["file"]), layers, before)
    write_result(result)

    limit()
    after: list[TracedLine] = []
    try:
        with torch.no_grad():
            type(layers[0]).forward = edited_forward(request["class"], type(layers[0]).__module__)
            result["loss_after"] = _loss(run.model, tokens, EDITED, layers, after)
    except (Exception, SystemExit) as error:
        result["error"] = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        result["error_line"] = _error_line(error, request)
    result["wrong_shapes"] = wrong_shapes(run.model, after, request["first"])
    result["first_change"] = first_change(before, after, request["first"])
    write_result(result)


def limit() -> None:
    """Limit this process's CPU time, memory and file size from here on; no core dump."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    used = math.ceil(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, used + CPU_SECONDS + 1))
    if pages:
        memory = pages * resource.getpagesize() + EXTRA_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def edited_forward(class_name: str, module_name: str) -> Any:
    """The `forward` of this class in the edited file."""
    names: dict[str, Any] = {"__name__": module_name}
    exec(compile(EDITED.read_text("utf-8"), str(EDITED), "exec", dont_inherit=True), names)
    forward = vars(names[class_name]).get("forward")
    if forward is None:
        raise ValueError(f"The edited code defines no forward for {class_name}")
    return forward


def _loss(
    model: Transformer, tokens: Tensor, file: Path, modules: list[torch.nn.Module], lines: list[TracedLine]
) -> float | None:
    """The loss; the traced lines of these modules are appended to `lines`, even if one of them fails."""
    losses: list[Tensor | None] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            logits = model(tokens)  # [batch, pos, d_vocab]
            losses.append(next_token_loss(logits[:, :-1], tokens[:, 1:]) if tokens.shape[1] > 1 else None)
        except (Exception, SystemExit) as error:
            failures.append(error)

    lines += trace_lines(run, [file], only=lambda called: any(called is module for module in modules))
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
    return [{"line": line, "text": text} for line, text in wrong.items()]


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
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(EDITED)]
        inside = [line for line in lines if line is not None and request["first"] <= line <= request["last"]]
        if not inside:
            return None
        number = inside[-1]
    return max(1, number - request["first"] + 1)


def write_result(result: dict[str, Any]) -> None:
    """Write result.json."""
    Path("result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
