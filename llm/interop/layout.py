"""The layout of a script made from source: unchanged statements as they were, shape comments on their lines."""

from __future__ import annotations

import re
import textwrap

# docstring sentences on hooks, caches, documents and implementations, which a script does not have
OMITTED_PROSE = re.compile(
    r"\s*Hooks: [^.]*\.|\s*With a cache[^.]*\.|\s*Raises:\s*ValueError: an unknown implementation\."
    r"|\s*The implementation \([^.]*\.|\s*With `documents`[^.]*\.|, or documents together with a cache"
)
MAX_LINE_LENGTH = 120
KEEP_MARK, SHAPE_MARK = "keep:", "shape:"  # mark unchanged statements and shape comments until the layout


def lay_out(text: str, unchanged: list[str]) -> str:
    """Restore unchanged statements, and put shape comments after their line, or above it if the line gets too long."""
    lines: list[str] = []
    comment = ""
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        mark = line.strip().strip("\"'")
        if mark.startswith(KEEP_MARK):
            original = OMITTED_PROSE.sub("", unchanged[int(mark.removeprefix(KEEP_MARK))])
            original = re.sub(r'^("""[^\n]*)\n\s*"""$', r'\1"""', original)
            lines += textwrap.indent(original, indent).split("\n")
        elif mark.startswith(SHAPE_MARK):
            comment = mark.removeprefix(SHAPE_MARK)
        else:
            commented = f"{line}  # {comment}" if comment else line
            lines += [commented] if len(commented) <= MAX_LINE_LENGTH or not comment else [f"{indent}# {comment}", line]
            comment = ""
    return "\n".join(lines)
