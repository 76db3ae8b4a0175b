import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# in a process of its own, because it disables every logger of the one it runs in
LINT = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"]


def test_imports_follow_the_rules():
    result = subprocess.run(LINT, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def lint_with(tmp_path: Path, additions: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What the linter says of a copy of this project with these lines added to its files."""
    for package in ("llm", "components", "pages"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for path, line in additions.items():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    return subprocess.run(LINT, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_wrong_import_breaks_its_rule(tmp_path):
    wrong = [
        ("components.shared.style", "pages.home"),
        ("components.shared.folders", "components.views.tokens"),
        ("components.views.residual.__init__", "components.views.lens"),
        ("llm.runtime.files", "streamlit"),
        ("llm.layers.norm.rmsnorm", "llm.runtime.files"),
        ("llm.model", "llm.trace.line_trace"),
        ("llm.presets", "llm.world.stories"),
        ("llm.trace.statements", "llm.trace.sessions"),
    ]
    result = lint_with(tmp_path, {f"{who.replace('.', '/')}.py": f"import {whom}" for who, whom in wrong})
    assert result.returncode == 1
    for who, whom in wrong:
        assert f"{who.removesuffix('.__init__')} -> {whom}" in result.stdout


def test_a_cycle_breaks_its_rule(tmp_path):
    result = lint_with(tmp_path, {"llm/world/chance.py": "import llm.world.telling"})
    assert result.returncode == 1
    assert "No cycles are allowed in llm.world" in result.stdout


@pytest.mark.parametrize("package", ["llm", "components"])
def test_a_new_module_needs_a_layer(tmp_path, package):
    result = lint_with(tmp_path, {f"{package}/unlayered.py": ""})
    assert result.returncode == 1
    assert f"{package}.unlayered" in result.stdout
