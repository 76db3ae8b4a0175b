"""The files about the project say the same as the project."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_commit_is_checked_by_all_that_ci_runs_before_the_tests():
    commands = re.findall(r"^(?:uv run|npm run|npx) .*$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    before_the_tests = commands[: commands.index("uv run pytest")]
    hooks = re.findall(r"^ *entry: (.*)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert hooks == before_the_tests


def test_license_and_version_are_stated_once_and_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = dict(re.findall(r"^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE))
    assert citation["license"] == project["license"]
    assert citation["version"] == project["version"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{project['license']} License")
    [author] = project["authors"]
    assert f"- name: {author['name']}" in (ROOT / "CITATION.cff").read_text()
    assert author["name"] in (ROOT / "LICENSE").read_text()
