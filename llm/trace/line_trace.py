"""Follow the execution of Python functions line by line and keep the tensors that each line made.

Python's own tracing (`sys.settrace`) does the work. Only frames of the named functions (`forward`) in the given files
are followed: the trace covers the code that a reader sees.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from torch import Tensor

from llm.trace.statements import Statement, source_text, statements_of


@dataclass
class TracedLine:
    """One executed statement and the tensors it made, by variable name; "return" names a returned tensor.

    `module` is the `self` of the call, None for a plain function; `call` numbers the followed calls from 1, so that two
    calls of one function can be distinguished. `before` holds the local variables just before the statement,
    `file_globals` the globals of its file, and `values` what else the statement made: numbers, lists, strings.
    """

    path: Path
    module: Any
    statement: Statement
    tensors: dict[str, Tensor] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict, repr=False)
    file_globals: dict[str, Any] = field(default_factory=dict, repr=False)
    call: int = 0
    values: dict[str, Any] = field(default_factory=dict, repr=False)


def trace_lines(
    function: Callable[[], Any],
    paths: Sequence[Path],
    functions: Collection[str] = ("forward",),
    only: Callable[[Any], bool] = lambda module: True,
    store: Callable[[Tensor], Tensor] = lambda tensor: tensor,
    read: Callable[[Path], str] = source_text,
) -> list[TracedLine]:
    """Run `function` and return every statement of the named functions in `paths` that it executed, in order.

    The order is that of completion. `only` selects calls by their `self` (None for a plain function). `store` gets each
    tensor that a statement made and returns what to store: by default the tensor itself, not a copy. `read` returns the
    text of a path: code that runs need not be in a file. The tracing that was active before (a debugger's, say) is
    restored.
    """
    followed = {str(path.resolve()): path.resolve() for path in paths}
    statements_by_line = {path: statements_of(read(path)) for path in followed.values()}
    files: dict[CodeType, Path | None] = {}
    lines: list[TracedLine] = []
    calls = 0

    def followed_file(code: CodeType) -> Path | None:
        if code not in files:
            named = code.co_name in functions
            files[code] = followed.get(str(Path(code.co_filename).resolve())) if named else None
        return files[code]

    def follow_call(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal calls
        path = followed_file(frame.f_code) if event == "call" else None
        if path is None or not only(frame.f_locals.get("self")):
            return None
        calls += 1
        call = calls
        running: Statement | None = None
        before: dict[str, Any] = {}

        def finish_statement(returned: Any = None) -> None:
            nonlocal running
            if running is None:
                return
            made = {name: frame.f_locals[name] for name in running.targets if name in frame.f_locals}
            made |= {"return": returned} if returned is not None else {}
            tensors = {name: store(value) for name, value in made.items() if isinstance(value, Tensor)}
            values = {name: value for name, value in made.items() if name not in tensors}
            module = frame.f_locals.get("self")
            lines.append(TracedLine(path, module, running, tensors, before, frame.f_globals, call, values))
            running = None

        def follow_line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal running, before
            if event == "exception":
                running = None  # a statement that failed made nothing
            elif event == "line":
                statement = statements_by_line[path].get(frame.f_lineno)
                if statement != running:
                    finish_statement()
                    running, before = statement, _variables_before(statement, frame)
            elif event == "return":
                finish_statement(argument)
            return follow_line

        return follow_line

    previous = sys.gettrace()
    sys.settrace(follow_call)
    try:
        function()
    finally:
        sys.settrace(previous)
    return lines


def _variables_before(statement: Statement | None, frame: FrameType) -> dict[str, Any]:
    """The local variables before a statement; a copy of a tensor that the statement changes in place."""
    before = dict(frame.f_locals)
    if statement is not None and statement.in_place:
        for name in statement.targets:
            if isinstance(before.get(name), Tensor):
                before[name] = before[name].detach().clone()
    return before
