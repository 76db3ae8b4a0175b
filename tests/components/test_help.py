"""Explanations name the code that computes a figure: the very objects, whose file and line a reader can open."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.shared.explanation import computed_in
from components.shared.explanations import EXPLANATIONS

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("figure", EXPLANATIONS)
def test_the_line_that_an_explanation_names_defines_the_function(figure):
    explanation = EXPLANATIONS[figure]
    places = computed_in(explanation)
    assert len(places) == len(explanation.computed_in) >= 1
    for place in places:
        file, line, name = re.fullmatch(r"(.+):(\d+), ([\w.]+)", place).groups()
        found = (PROJECT / file).read_text("utf-8").splitlines()[int(line) - 1]
        assert re.match(rf"\s*(def|class) {name.rpartition('.')[2]}\b", found), place


def test_every_explanation_is_shown_somewhere():
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("components", "pages")
        for path in (PROJECT / folder).rglob("*.py")
        if "explanations" not in path.parts
    )
    unused = [figure for figure in EXPLANATIONS if f'"{figure}"' not in code]
    assert not unused


def test_what_shows_explanations_does_not_wait_for_torch():
    """A page that shows none should not either. In a process of its own, since this one has torch."""
    script = "import sys, components.shared.help; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=False).returncode == 0
