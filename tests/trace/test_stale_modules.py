"""Imported code that differs from its file is detected, so that a page never shows code that does not run."""

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
    """A module in the library's namespace, whose file a test may edit."""
    path = tmp_path / "layer_of_a_test.py"
    path.write_text(LAYER)
    spec = importlib.util.spec_from_file_location("llm.layer_of_a_test", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield path
    del sys.modules[spec.name]


def test_an_edited_forward_is_detected(module):
    assert stale_files([module]) == []
    module.write_text(LAYER.replace("return x", "return x + 1"))
    assert stale_files([module]) == [module]
    module.write_text("# a line above\n" + LAYER)  # the same code, but other line numbers
    assert stale_files([module]) == [module]
    module.write_text(LAYER + "# a line below\n")
    assert stale_files([module]) == []


def test_a_file_in_the_middle_of_an_edit_is_reported(module):
    module.write_text(LAYER + "def (")
    with pytest.raises(ValueError, match=r"layer_of_a_test.py is not valid Python: line 4"):
        stale_files([module])


def test_the_librarys_own_files_are_not_stale():
    assert stale_files(source_files()) == []
