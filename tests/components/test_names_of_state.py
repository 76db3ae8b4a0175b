"""Session and address keys are declared in one module, and what a server start imports stays small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "pages").glob("*.py"), *(ROOT / "components").rglob("*.py")])


def is_state(node: ast.expr) -> bool:
    """Whether an expression is `st.session_state` or `st.query_params`."""
    return ast.unparse(node) in ("st.session_state", "st.query_params")


def is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def literal_names(source: str) -> list[str]:
    """Lines that name state by a string literal: as an index, in a method, in a test of membership, as a key."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[ast.expr] = []
        if isinstance(node, ast.Subscript) and is_state(node.value):
            names = [node.slice]
        elif isinstance(node, ast.Compare) and any(map(is_state, node.comparators)):
            names = [node.left]
        elif isinstance(node, ast.Call):
            names = [keyword.value for keyword in node.keywords if keyword.arg == "key"]
            if isinstance(node.func, ast.Attribute) and is_state(node.func.value):
                names += node.args[:1]
        found += [f"{node.lineno}: {ast.unparse(node)}" for name in names if is_literal(name)]
    return found


def test_a_string_literal_is_detected():
    for line in ('st.session_state["a"]', 'st.query_params.get("a", "")', '"a" in st.query_params',
                 'st.button("Go", key="a")', 'st.session_state[f"a-{run}"] = 1'):  # fmt: skip
        assert literal_names(line), line
    assert literal_names('st.session_state[Session.A]; st.button("Go", key=Session.A)') == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_of_state_is_declared_once(path):
    assert literal_names(path.read_text()) == []


@pytest.mark.parametrize("path", sorted((ROOT / "pages").glob("*.py")), ids=lambda path: path.name)
def test_a_page_is_short(path):
    assert len(path.read_text().splitlines()) <= 150


def test_the_server_starts_without_torch_and_without_views():
    program = "import sys, main; print(*[name for name in sys.modules if name.partition('.')[0] == 'torch' or "
    program += "name.startswith('components.views.')])"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
