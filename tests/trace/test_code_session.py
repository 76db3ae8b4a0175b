"""Sessions: only the last requested traces are kept, and work is done in parts."""

import os

import pytest
from model_configs import BASE

from llm import Transformer
from llm.tokenizers import build_tokenizer
from llm.trace.code_session import CodeSession, LayerCode
from llm.trace.description import describe_code
from llm.trace.traced_text import TracedText


def traced_text(text: str) -> TracedText:
    tokenizer = build_tokenizer("char", "".join(map(chr, range(65, 65 + BASE.d_vocab))))
    return TracedText(Transformer(BASE), tokenizer, text)


@pytest.fixture
def session() -> CodeSession:
    text = traced_text("ABCDE")
    return CodeSession(text, LayerCode(text))


def test_a_text_longer_than_the_context_is_cut_and_the_omitted_tokens_are_counted():
    text = traced_text("ABCDE" * 5)
    assert (len(text.token_ids), text.n_omitted) == (16, 9)
    assert text.tokens[:3] == ["A", "B", "C"]


def test_only_the_last_requested_layers_keep_their_tensors(session):
    first = session.trace("blocks.0.mlp", "einops")
    assert session.trace("blocks.0.mlp", "einops") is first
    session.trace("blocks.0", "einops")
    session.trace("blocks.1", "einops")
    assert session.trace("blocks.0.mlp", "einops") is not first


def test_cleared_traces_are_made_again_and_equal(session):
    before = describe_code(session, "blocks.0.attention")
    session.clear_traces()
    assert describe_code(session, "blocks.0.attention") == before


def test_a_session_is_out_of_date_once_a_source_is_edited_or_gone(tmp_path):
    source = tmp_path / "layer.py"
    source.write_text("y = x")
    text = traced_text("ABCDE")
    session = CodeSession(text, LayerCode(text), sources=[source])
    assert session.edited_source() is None
    source.write_text("y = x + 1")
    os.utime(source, ns=(0, 0))
    assert session.edited_source() == source
    source.unlink()
    assert session.edited_source() == source


def test_a_description_takes_a_part_for_each_trace_and_a_stage_for_each_part_of_the_forward_pass(session):
    parts = sum(1 for _ in describe_code.steps(session, "blocks.0.attention"))
    n_stages = BASE.n_layers + 4  # embedding, positions, final norm, unembedding
    assert parts == 2 * n_stages + 2 * len(session.code.implementations)
