"""The source of a class with everything it refers to, so that it runs in a separate file."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from types import ModuleType


def source_with_dependencies(definition: type, name: str) -> tuple[set[str], str]:
    """Import statements, and the source of a class, renamed to `name`, after all that it needs from its module.

    Functions, classes and constants of the module are copied, as are those that it imports from this package.
    Everything else is imported. Raises ValueError where the source cannot be found.
    """
    imports: set[str] = set()
    copied: dict[tuple[str, str], str] = {}
    _copy(sys.modules[definition.__module__], definition.__name__, imports, copied)
    if not copied:
        raise ValueError(f"the source of {definition.__name__} cannot be found: it must be defined by a statement")
    return imports, re.sub(rf"\b{definition.__name__}\b", name, "\n\n\n".join(copied.values()))


def with_imports(script: str, imports: set[str]) -> str:
    """The script with these imports merged into its first ones, in sorted order."""
    own = re.findall(r"^(?:import|from (?!__)) ?[^\n]+\n", script.split("\n\nimport torch\n")[0], re.MULTILINE)
    merged = {line.rstrip() for line in own} | imports
    in_order = sorted(merged, key=lambda line: (line.startswith("from"), line.lower()))
    return script.replace("".join(own), "\n".join(in_order) + "\n")


def needed_imports(script: str) -> str:
    """The script without imports of what it does not use."""
    used = {node.id for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Name)}

    def needed(line: re.Match[str]) -> str:
        names = [name for name in line[2].split(", ") if name.split(" as ")[-1] in used]
        return f"{line[1]}{', '.join(names)}\n" if names else ""

    return re.sub(r"^((?:from (?!__)\w+ )?import )([\w, ]+)\n", needed, script, flags=re.MULTILINE)


def _copy(module: ModuleType, name: str, imports: set[str], copied: dict[tuple[str, str], str]) -> None:
    """Copy the statement of a module that defines a name, after all that it needs; nothing for a built-in."""
    source = inspect.getsource(module)
    for statement in ast.parse(source).body:
        if (module.__name__, name) in copied or name not in _defined_names(statement):
            continue
        if isinstance(statement, ast.Import):
            imports.update(f"import {_import_text(alias)}" for alias in statement.names if _bound_name(alias) == name)
        elif isinstance(statement, ast.ImportFrom):
            (imported,) = (alias for alias in statement.names if _bound_name(alias) == name)
            if statement.module in sys.modules and statement.module.split(".")[0] == __name__.split(".")[0]:
                _copy(sys.modules[statement.module], imported.name, imports, copied)
            else:
                imports.add(f"from {statement.module} import {_import_text(imported)}")
        else:
            copied[module.__name__, name] = ""  # it may refer to itself
            for used in ast.walk(statement):
                if isinstance(used, ast.Name) and used.id != name:
                    _copy(module, used.id, imports, copied)
            copied.pop((module.__name__, name))
            copied[module.__name__, name] = ast.get_source_segment(source, statement) or ""


def _defined_names(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {_bound_name(alias) for alias in statement.names}
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return {statement.name}
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _bound_name(imported: ast.alias) -> str:
    """The name that an import defines."""
    return imported.asname or imported.name.split(".")[0]


def _import_text(imported: ast.alias) -> str:
    """An imported name as the import statement writes it."""
    return f"{imported.name} as {imported.asname}" if imported.asname else imported.name
