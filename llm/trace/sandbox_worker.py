"""The other side of `llm.trace.sandbox`: run in a process of its own, in a folder with request.json and edited.py.

First the model as it is, then, with processor time, memory and file size limited, the model with the edited `forward`.
What happened is written to result.json, as soon as something is known and again at the end.
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
from llm.trace.lines import TracedLine, shape_of, trace
from llm.trace.reading import MOST_TOKENS

PROCESSOR_SECONDS = 20
EXTRA_MEMORY = 3 * 2**30  # bytes beyond what the interpreter, torch and the model have taken
LARGEST_FILE = 2**20
EDITED = Path("edited.py")


def main() -> None:
    """Answer request.json."""
    request = json.loads(Path("request.json").read_bytes())
    torch.set_num_threads(1)
    run = load_run(request["run"], request["step"], request["implementation"])
    ids = run.tokenizer.encode(request["text"])[: min(run.config.n_ctx, MOST_TOKENS)]
    tokens = torch.tensor([ids])
    of_class = [module for module in run.model.modules() if type(module).__name__ == request["class"]]
    answer: dict[str, Any] = {"loss_after": None, "error": None, "error_line": None, "shapes": [], "first_change": None}
    before: list[TracedLine] = []
    with torch.no_grad():
        answer["loss_before"] = _loss(run.model, tokens, Path(request["file"]), of_class, before)
    write(answer)

    limit()
    after: list[TracedLine] = []
    try:
        with torch.no_grad():
            type(of_class[0]).forward = edited_forward(request["class"], type(of_class[0]).__module__)
            answer["loss_after"] = _loss(run.model, tokens, EDITED, of_class, after)
    except (Exception, SystemExit) as error:
        answer["error"] = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        answer["error_line"] = _line_of(error, request)
    answer["shapes"] = wrong_shapes(run.model, after, request["first"])
    answer["first_change"] = first_change(before, after, request["first"])
    write(answer)


def limit() -> None:
    """From here on little time, little memory, no large file, no core dump."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    used = math.ceil(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + PROCESSOR_SECONDS, used + PROCESSOR_SECONDS + 1))
    if pages:
        room = pages * resource.getpagesize() + EXTRA_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def edited_forward(class_name: str, module_name: str) -> Any:
    """The `forward` of this class in the edited file."""
    names: dict[str, Any] = {"__name__": module_name}
    exec(compile(EDITED.read_text("utf-8"), str(EDITED), "exec", dont_inherit=True), names)
    forward = vars(names[class_name]).get("forward")
    if forward is None:
        raise ValueError(f"The edited text defines no forward for {class_name}")
    return forward


def _loss(
    model: Transformer, tokens: Tensor, file: Path, modules: list[torch.nn.Module], lines: list[TracedLine]
) -> float | None:
    """The loss; what the lines of these modules made is appended to `lines`, also if one of them fails."""
    found: list[Tensor | None] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            logits = model(tokens)  # [batch, pos, d_vocab]
            found.append(next_token_loss(logits[:, :-1], tokens[:, 1:]) if tokens.shape[1] > 1 else None)
        except (Exception, SystemExit) as error:
            failures.append(error)

    lines += trace(run, [file], of=lambda module: any(module is one for one in modules))
    if failures:
        raise failures[0]
    value = found[0]
    if value is None:
        return None
    return value.item() if value.isfinite() else math.inf


def wrong_shapes(model: Transformer, lines: list[TracedLine], first: int) -> list[dict[str, Any]]:
    """Tensors whose shape is not the one that their line's comment states, each line once."""
    wrong: dict[int, str] = {}
    for line in lines:
        for name, tensor in line.tensors.items():
            if line.statement.axes is None:
                continue
            try:
                problem = shape_of(tensor, line.statement.axes, _sizes(model, line))
            except KeyError as axis:
                problem = f"names an axis that is unknown: {axis}"
            if problem:
                wrong.setdefault(line.statement.first - first + 1, f"{name}: the comment {problem}")
    return [{"line": line, "text": text} for line, text in wrong.items()]


def _sizes(model: Transformer, line: TracedLine) -> dict[str, int]:
    config = model.config
    given = next((one for one in line.before.values() if isinstance(one, Tensor) and one.ndim >= 2), None)
    pos = (
        line.before["query_pos"] if given is None else given.shape[-2] if given.is_floating_point() else given.shape[1]
    )
    heads = given.shape[1] if given is not None and given.ndim == 4 else config.n_heads
    width = getattr(line.module, "width", config.d_model)
    half = (config.d_model if "Sinusoidal" in type(line.module).__name__ else config.d_head) // 2
    return {
        "batch": 1, "pos": pos, "query_pos": pos, "key_pos": pos, "d_model": config.d_model, "head": heads,
        "kv_head": config.n_kv_heads, "d_head": config.d_head, "d_mlp": config.d_mlp, "d_vocab": config.d_vocab,
        "width": width, "half": half,
    }  # fmt: skip


def first_change(before: list[TracedLine], after: list[TracedLine], first: int) -> dict[str, Any] | None:
    """The first tensor that is not what the tensor of that name was, counting each name's tensors one by one."""
    earlier: dict[str, list[Tensor]] = defaultdict(list)
    for line in before:
        for name, tensor in line.tensors.items():
            earlier[name].append(tensor)
    for line in after:
        for name, tensor in line.tensors.items():
            if not earlier[name]:
                continue
            old = earlier[name].pop(0)
            place = line.statement.first - first + 1
            if old.shape != tensor.shape:
                return {"line": place, "text": f"{name} was {list(old.shape)} and is now {list(tensor.shape)}"}
            apart = torch.where(old == tensor, 0.0, (old.double() - tensor.double()).abs()).max().item()
            if apart != 0:
                return {"line": place, "text": f"{name} is no longer what it was: it differs by up to {apart:.3g}"}
    return None


def _line_of(error: BaseException, request: dict[str, Any]) -> int | None:
    """The line of the edited text in which an error arose."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        number = error.lineno
    else:
        frames = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == str(EDITED)]
        inside = [line for line in frames if line is not None and request["first"] <= line <= request["last"]]
        if not inside:
            return None
        number = inside[-1]
    return max(1, number - request["first"] + 1)


def write(answer: dict[str, Any]) -> None:
    """Leave result.json."""
    Path("result.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
