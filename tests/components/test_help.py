"""Explanations name the code that computes a figure: the very objects, whose file and line a reader can open."""

import html
import importlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from components.routes import ROUTES
from components.shared.explanation import Explanation, locations
from components.shared.explanations import LOSS
from components.shared.export import mathml
from components.shared.source import source_url

PROJECT = Path(__file__).parents[2]
MODULES = [
    ".".join(path.relative_to(PROJECT).with_suffix("").parts)
    for path in (PROJECT / "components").rglob("explanations.py")
]
MATHML = "{http://www.w3.org/1998/Math/MathML}"
ELEMENTS = {
    "math", "mfrac", "mi", "mn", "mo", "mover", "mrow", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup",
    "mtable", "mtd", "mtext", "mtr", "munder", "munderover",
}  # fmt: skip
EXPLANATIONS = {
    name: value
    for module in map(importlib.import_module, MODULES)
    for name, value in vars(module).items()
    if isinstance(value, Explanation)
}


def test_there_are_explanations():
    assert len(EXPLANATIONS) > 30


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_the_line_that_an_explanation_names_defines_the_function(name):
    explanation = EXPLANATIONS[name]
    places = locations(explanation)
    assert len(places) == len(explanation.computed_in) >= 1
    for place in places:
        line = (PROJECT / place.file).read_text("utf-8").splitlines()[place.line - 1]
        assert re.match(rf"\s*(def|class) {place.name.rpartition('.')[2]}\b", line), place


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_every_equation_becomes_mathematics(name):
    """An unknown command would be left as its LaTeX source, and an unknown environment would run its rows together."""
    equation = EXPLANATIONS[name].equation
    math = ElementTree.fromstring(mathml(equation))
    assert math.tag == f"{MATHML}math" and {element.tag.removeprefix(MATHML) for element in math.iter()} <= ELEMENTS
    assert "\\" not in "".join(math.itertext())
    assert len(math.findall(f".//{MATHML}mtr")) == (equation.count(r"\\ ") + 1 if r"\\ " in equation else 0)


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES))


def test_the_link_of_an_explanation_leads_to_the_function(client):
    (place,) = locations(LOSS)
    path, _, anchor = source_url(place.file, place.line).partition("#")
    page = client.get(path)
    assert page.status_code == 200
    assert f'<span id="{anchor}">def next_token_loss(' in page.text


def test_a_source_file_is_shown_as_text(client):
    lines = re.findall('<span id="L[0-9]+">(.*?)</span>', client.get("/source/llm/config.py").text)
    assert [html.unescape(line) for line in lines] == (PROJECT / "llm" / "config.py").read_text().splitlines()
    assert any("&lt;" in line for line in lines) and not any("<" in line for line in lines)


@pytest.mark.parametrize(
    "path",
    ["main.py", "llm/nothing.py", "llm/../pages/home.py", "llm/%2e%2e/main.py", "%2e%2e/%2e%2e/etc/passwd", "llm"],
)
def test_only_the_librarys_source_is_served(client, path):
    assert client.get(f"/source/{path}").status_code == 404


def test_every_figure_that_is_explained_is_among_the_measures():
    measures = (PROJECT / "docs" / "measures.md").read_text("utf-8")
    named = {f"`{place.file}::{place.name}`" for figure in EXPLANATIONS.values() for place in locations(figure)}
    assert sorted(name for name in named if name not in measures) == []


def test_every_explanation_is_shown_somewhere():
    code = "\n".join(
        path.read_text("utf-8") for folder in ("components", "pages") for path in (PROJECT / folder).rglob("*.py")
    )
    unused = [name for name in EXPLANATIONS if len(re.findall(rf"\b{name}\b", code)) < 2]  # one is its definition
    assert not unused


def test_what_shows_explanations_does_not_wait_for_torch():
    """A page that shows none should not either. In a process of its own, since this one has torch."""
    script = "import sys, components.shared.help; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0
