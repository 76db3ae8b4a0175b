"""Whether the code that runs is the code in the files: an edited file is imported again before it is shown as running.

The app's own file watcher notices edits too, but forgets them when a page is reloaded before it reruns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from llm.trace.statements import source_text


def stale_files(paths: Sequence[Path]) -> list[Path]:
    """Those of these files whose `forward` functions differ from the ones that were imported.

    Raises:
        ValueError: a file is not valid Python (for instance in the middle of an edit).
    """
    resolved = {path.resolve() for path in paths}
    stale = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None or not module.__name__.startswith("llm.") or (path := Path(file).resolve()) not in resolved:
            continue
        try:
            functions = dict(_functions(compile(source_text(path), str(path), "exec", dont_inherit=True)))
        except SyntaxError as error:
            raise ValueError(f"{path.name} is not valid Python: line {error.lineno}: {error.msg}") from None
        if any(functions.get(name) != code for name, code in _imported_forwards(module)):
            stale.append(path)
    return stale


def drop_modules() -> None:
    """Drop every module of this library, so that the next import reads the files. Existing objects stay as they are."""
    for name in [name for name in sys.modules if name == "llm" or name.startswith("llm.")]:
        del sys.modules[name]


def _imported_forwards(module: ModuleType) -> Iterator[tuple[str, CodeType]]:
    """The `forward` functions of the classes that a module defines, except decorated ones."""
    for owner in vars(module).values():
        forward: Any = vars(owner).get("forward") if isinstance(owner, type) else None
        if forward is not None and owner.__module__ == module.__name__ and not hasattr(forward, "__wrapped__"):
            yield forward.__qualname__, forward.__code__


def _functions(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Every function in compiled code by its qualified name."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _functions(constant)
