"""Readings: kept, found again, and never of code that is no longer in the files."""

import importlib.util
import sys

import pytest
from model_configs import BASE

from llm import Transformer
from llm.tokenizers import build_tokenizer
from llm.trace.forward_pass import source_files
from llm.trace.freshness import stale_files
from llm.trace.reading import Reading

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
    with pytest.raises(ValueError, match=r"layer_of_a_test.py cannot be run: line 4"):
        stale_files([module])


def test_the_librarys_own_files_are_not_stale():
    assert stale_files(source_files()) == []


def test_a_text_longer_than_the_context_is_cut_and_says_by_how_much():
    tokenizer = build_tokenizer("char", "".join(map(chr, range(65, 65 + BASE.d_vocab))))
    reading = Reading(Transformer(BASE), tokenizer, "ABCDE" * 5)
    assert (len(reading.ids), reading.left_out) == (16, 9)
    assert reading.tokens[:3] == ["A", "B", "C"]


def test_only_the_layers_last_looked_at_keep_their_tensors():
    tokenizer = build_tokenizer("char", "".join(map(chr, range(65, 65 + BASE.d_vocab))))
    reading = Reading(Transformer(BASE), tokenizer, "ABCDE")
    first = reading.trace("blocks.0.mlp", "einops")
    assert reading.trace("blocks.0.mlp", "einops") is first
    reading.traces("blocks.0")
    reading.traces("blocks.1")
    assert reading.trace("blocks.0.mlp", "einops") is not first


def test_a_reading_that_forgot_its_tensors_makes_the_same_again():
    tokenizer = build_tokenizer("char", "".join(map(chr, range(65, 65 + BASE.d_vocab))))
    reading = Reading(Transformer(BASE), tokenizer, "ABCDE")
    before = reading.describe("blocks.0.attention")
    reading.forget()
    assert reading.describe("blocks.0.attention") == before
