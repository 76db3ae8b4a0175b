"""Kinds of tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.tokenizers.kinds import KINDS, token_kind


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        (" hen", "word start"), ("The", "word start"), ("\nThe", "word start"), (" a", "word start"),
        ("ing", "inner piece"), ("'s", "inner piece"), ('."He', "inner piece"), (" 'tis", "inner piece"),
        ("a", "letter"), ("Ä", "letter"), ("猫", "letter"),
        ("7", "number"), (" 12", "number"), ("3.", "number"),
        (".", "punctuation"), (', "', "punctuation"), ("🦊", "punctuation"), ("\u202e", "punctuation"),
        (" ", "space"), ("\n\n", "space"), ("\t", "space"),
        ("\x07", "byte"), ("", "byte"),
    ],
)  # fmt: skip
def test_what_each_token_is(token, kind):
    assert token_kind(token.encode()) == kind


def test_a_part_of_a_character_is_a_byte():
    assert token_kind("猫".encode()[:2]) == "byte"


@given(st.binary())
def test_every_token_has_a_kind(token):
    assert token_kind(token) in KINDS
