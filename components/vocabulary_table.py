"""The table of a vocabulary: searched, sorted, each token with its bytes, what it was merged from, and an example."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from components.shared import states
from components.shared.controls import choose_one, escape_token
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.tokenizer_choice import TokenizerChoice
from llm.runtime.result_cache import ResultCache
from llm.tokenizers.base import UnknownCharacterError
from llm.tokenizers.vocabulary import SORTS, Token, search, vocabulary

MOST_ROWS = 10_000  # that a browser is sent
SORT_LABELS = {"frequency": "Most frequent first", "length": "Longest first", "id": "Id"}

_vocabularies: ResultCache[list[Token]] = ResultCache(4)


def vocabulary_table(choice: TokenizerChoice) -> None:
    """Search and sort a tokenizer's vocabulary, and show what is left."""
    with states.loading("Counting its tokens in the training text"):
        tokens = _vocabularies.get(choice, lambda: _counted(choice))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = text_box(
            st.text_input, "Search", Address.SEARCH, Session.TOKENIZER_SEARCH, str, width=260, icon=":material/search:",
            placeholder="th, ·the, 300 …", help="Tokens that contain this, or the token with this id; · is a space",
        )  # fmt: skip
        order = choose_one("tokenizer", Address.ORDER, "Sort by", SORT_LABELS, "frequency")
    found = search(tokens, words, next(name for name in SORTS if name == order))
    more = f" The first {MOST_ROWS:,} are shown: search for the others." if len(found) > MOST_ROWS else ""
    unused = sum(not token.frequency for token in tokens)
    rare = (
        f"{unused:,} of the {len(tokens):,} are never a token of their own in {choice.counted_in()}: bytes of other "
        "scripts, and pieces that always become part of a longer token."
    )
    not_counted = f"They are not counted: this tokenizer does not know every character of {choice.counted_in()}."
    st.caption(f"{len(found):,} of {len(tokens):,} tokens.{more} {rare if unused < len(tokens) else not_counted}")
    st.dataframe(
        _table(found[:MOST_ROWS], tokens), key=Session.TOKENIZER_VOCABULARY, hide_index=True, placeholder="",
        column_config={
            "id": st.column_config.NumberColumn("Id", pinned=True, width="small"),
            "token": st.column_config.TextColumn("Token", pinned=True),
            "frequency": st.column_config.NumberColumn(
                "Occurs", format="localized", help="How often the encoded training text has this token"
            ),
            "merged": st.column_config.TextColumn("Merged from", help="The two tokens that training joined into it"),
            "length": st.column_config.NumberColumn("Bytes", width="small", help="Its length in bytes"),
            "bytes": st.column_config.TextColumn("In hexadecimal"),
            "example": st.column_config.TextColumn("First found", width="large"),
        },
    )  # fmt: skip


def _counted(choice: TokenizerChoice) -> list[Token]:
    """The vocabulary, counted in the text; not counted where that is one that the tokenizer cannot encode."""
    tokenizer = choice.open()
    try:
        return vocabulary(tokenizer, choice.training_text())
    except UnknownCharacterError:
        return vocabulary(tokenizer, "")


def _table(shown: Sequence[Token], tokens: Sequence[Token]) -> pd.DataFrame:
    """The rows of some of the tokens; what a text holds is shown as characters that do nothing."""
    names = {token.id: escape_token(token.text) for token in shown}

    def merged(token: Token) -> str:
        return " + ".join(escape_token(tokens[parent].text) for parent in token.parents or ())

    def example(token: Token) -> str:
        before, after = map(escape_token, token.example or ("", ""))
        return f"{before}⟦{names[token.id]}⟧{after}" if token.example else ""

    return pd.DataFrame(
        {
            "id": [token.id for token in shown],
            "token": [names[token.id] for token in shown],
            "frequency": [token.frequency for token in shown],
            "merged": [merged(token) for token in shown],
            "length": [token.length for token in shown],
            "bytes": [token.bytes for token in shown],
            "example": [example(token) for token in shown],
        }
    )
