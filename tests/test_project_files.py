"""The files about the project say the same as the project."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_a_commit_is_checked_by_all_that_ci_runs_before_the_tests():
    commands = re.findall(r"^(?:uv run|npm run|npx) .*$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    before_the_tests = commands[: commands.index("uv run pytest")]
    hooks = re.findall(r"^ *entry: (.*)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert hooks == before_the_tests


def test_ci_installs_every_group_of_packages():
    """Without TransformerLens the comparison with it would be skipped."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert "comparison" in groups
    assert "uv sync --locked --quiet --all-groups\n" in (ROOT / ".ci" / "run").read_text()


def test_license_and_version_are_stated_once_and_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = dict(re.findall(r"^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    assert citation["license"] == project["license"]
    assert citation["version"] == project["version"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{project['license']} License")
    [author] = project["authors"]
    assert f"- name: {author['name']}" in (ROOT / "CITATION.cff").read_text()
    assert author["name"] in (ROOT / "LICENSE").read_text()


def test_each_command_that_shows_reliability_names_tests_that_exist():
    commands = re.findall(r"`(uv run pytest [^`]*)`", (ROOT / "docs" / "reliability.md").read_text())
    named = [[word for word in command.split() if word.startswith("tests/")] for command in commands]
    assert all(files and all((ROOT / file).is_file() for file in files) for files in named), named
    tried = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "faults").glob("test_*.py")}
    assert tried <= {file for files in named for file in files}


GUIDES = ["CONTRIBUTING.md", "docs/architecture.md", "docs/measures.md", "README.md", "SECURITY.md"]
# a file or a folder/, and a name in it
FILES = r"`((?:[\w.-]+/)*[\w.-]+(?:\.(?:py|js|css|md|txt|toml)|/))(?:::([\w.]+))?`"
MADE_LATER = ["checkpoints/"]


@pytest.mark.parametrize("guide", GUIDES)
def test_every_file_and_function_that_a_guide_names_exists(guide):
    named = re.findall(FILES, (ROOT / guide).read_text())
    assert len(named) > 5
    assert [path for path, _ in named if path not in MADE_LATER and not (ROOT / path).exists()] == []
    assert [f"{path}::{name}" for path, name in named if name and not defines(ROOT / path, name)] == []


def test_each_measure_has_a_definition_its_code_and_a_test():
    rows = re.findall(r"^\| (?!figure|---)(.*) \|$", (ROOT / "docs" / "measures.md").read_text(), re.MULTILINE)
    assert len(rows) > 40
    for row in rows:
        figure, definition, code, check = row.split(" | ")
        assert figure and definition
        in_a_browser = code.count(".js`")  # these name no function
        assert all(
            (path.startswith("llm/") and name) or path.endswith(".js") for path, name in re.findall(FILES, code)
        ), row
        assert all(
            (path.startswith("tests/") and "test_" in name) or (in_a_browser and path.endswith(".test.js"))
            for path, name in re.findall(FILES, check)
        ), row
        assert re.findall(FILES, code) and re.findall(FILES, check), row


def test_the_dockerfile_has_no_finding_and_its_image_has_what_it_copies():
    """It has not been built: docker is not here."""
    found = subprocess.run(["hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")
    allowed = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for names in copied for name in names.split()} - {"."} <= set(allowed)
    assert all((ROOT / name).exists() for name in allowed)


def test_what_does_not_exist_is_noticed():
    assert defines(ROOT / "llm" / "model.py", "Transformer.forward")
    assert not defines(ROOT / "llm" / "model.py", "Transformer.backward")
    assert re.findall(
        FILES, "see `llm/nothing.py` and `llm/model.py::Transformer.x`, `uv run pytest` and `llm/none/`"
    ) == [
        ("llm/nothing.py", ""),
        ("llm/model.py", "Transformer.x"),
        ("llm/none/", ""),
    ]


def defines(path: Path, name: str) -> bool:
    """Whether the file defines this function, class, method or variable at its top or in a class."""
    inside = ast.parse(path.read_text()).body
    for part in name.split("."):
        found = [node for node in inside if part in names_of(node)]
        if not found:
            return False
        inside = getattr(found[0], "body", [])
    return True


def names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]
