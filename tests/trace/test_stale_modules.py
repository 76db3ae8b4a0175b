"""Code that differs from its file is noticed, so that a page never shows code that is not the one that runs."""

import importlib.util
import sys

import pytest

from llm.trace.forward_pass import source_files
from llm.trace.stale_modules import stale_files

LAYER = """class Layer:
    def forward(self, x):
        return x  # [pos]
"""


@pytest.fixture
def module(tmp_path):
    """A module of the library's own namespace, in a file that a test may edit."""
    path = tmp_path / "layer_of_a_test.py"
    path.write_text(LAYER)
    spec = importlib.util.spec_from_file_location("llm.layer_of_a_test", path)
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    yield path
    del sys.modules[spec.name]


def test_an_edited_forward_is_noticed(module):
    assert stale_files([module]) == []
    module.write_text(LAYER.replace("return x", "return x + 1"))
    assert stale_files([module]) == [module]
    module.write_text("# a line above\n" + LAYER)  # the same code, but line numbers that are wrong
    assert stale_files([module]) == [module]
    module.write_text(LAYER + "# a line below\n")
    assert stale_files([module]) == []


def test_a_file_in_the_middle_of_an_edit_is_named(module):
    module.write_text(LAYER + "def (")
    with pytest.raises(ValueError, match=r"layer_of_a_test.py is not valid Python: line 4"):
        stale_files([module])


def test_the_librarys_own_files_are_not_stale():
    assert stale_files(source_files()) == []
