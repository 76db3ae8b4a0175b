"""Tokenizer: how each tokenizer splits a text, merge by merge; its vocabulary; what each language costs."""

import streamlit as st

from components.language_table import language_table
from components.shared import states
from components.shared.controls import choose_one
from components.shared.help import explain
from components.shared.run_names import as_markdown
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.tokenizer_choice import TokenizerChoice, choose_tokenizers
from components.views.merges import merges
from components.views.merges.explanations import MERGES
from components.views.tokens import strip
from components.views.tokens.explanations import TOKENS
from components.vocabulary_table import vocabulary_table
from llm.tokenizers import DEFAULT_TOKENIZER, with_a_size
from llm.tokenizers.base import NotFetchedError
from llm.tokenizers.replay import MAX_CHARACTERS, NothingToReplayError, replay_encoding, replay_training

EXAMPLE = "Once, little Ned set out with a wooden comb and no plan at all."
VIEWS = {"compare": "Compare", "merges": "Merge by merge", "vocabulary": "Vocabulary", "languages": "Languages"}
REPLAYS = {"encoding": "Encode the text", "training": "Learn merges from this text alone"}


def page() -> None:
    """Choose a view, and show it."""
    st.title("Tokenizer")
    st.markdown(
        "A language model reads numbers. A tokenizer splits text into pieces, its *tokens*, and gives each piece a "
        "number. Type something, in any language, and see how."
    )
    view = choose_one("tokenizer", Address.VIEW, "View", VIEWS, "compare", label_visibility="collapsed")
    show = {
        "compare": show_comparison,
        "merges": show_merges,
        "vocabulary": lambda: vocabulary_table(choose_tokenizer("Tokenizer")),
        "languages": lambda: language_table(choose_tokenizers()),
    }[view]
    try:
        show()
    except (ValueError, OSError) as error:
        states.failed(error)


def choose_text() -> str:
    """The text to split."""
    return text_box(st.text_area, "Text", Address.TEXT, Session.TOKENIZER_TEXT, lambda: EXAMPLE, height=100)


def choose_tokenizer(label: str) -> TokenizerChoice:
    """Choose one of the tokenizers that the page can open."""
    choices = choose_tokenizers()
    titles = {name: as_markdown(choice.title) for name, choice in choices.items()}
    return choices[choose_one("tokenizer", Address.TOKENIZER, label, titles, DEFAULT_TOKENIZER)]


def show_comparison() -> None:
    """The text's tokens by each tokenizer, side by side."""
    text = choose_text()
    choices = list(choose_tokenizers().values())
    for start in range(0, len(choices), 2):
        for column, choice in zip(st.columns(2), choices[start : start + 2], strict=False):
            with column, st.container(border=True, height="stretch"):
                st.subheader(as_markdown(choice.title))
                st.caption(choice.about)
                try:
                    show_tokens(choice, text)
                except NotFetchedError as error:  # nothing is wrong: this machine has no internet
                    st.caption(str(error))
                except (ValueError, OSError) as error:
                    states.failed(error)
    explain("What is a token?", TOKENS)


def show_tokens(choice: TokenizerChoice, text: str) -> None:
    """A text's tokens and their number, by one tokenizer."""
    tokenizer = choice.open()
    ids = tokenizer.encode(text)
    ratio = f"{len(text) / len(ids):.2f} characters each" if ids else "no characters"
    fewer = choice.run is None and choice.name in with_a_size() and tokenizer.d_vocab < choice.d_vocab
    all_there_are = ", all that this text gives" if fewer else ""
    st.markdown(f"**{len(ids):,}** tokens, {ratio}; vocabulary: **{tokenizer.d_vocab:,}**{all_there_are}")
    strip(tokenizer, ids, key=Session.TOKENIZER_STRIP.of(choice.name))


def show_merges() -> None:
    """The text as its bytes are merged into tokens, by a tokenizer or as merges are learned from it."""
    text = choose_text()
    if len(text) > MAX_CHARACTERS:
        st.caption(f"The first {MAX_CHARACTERS} characters are replayed.")
        text = text[:MAX_CHARACTERS]
    training = choose_one("tokenizer", Address.REPLAY, "Replay", REPLAYS, "encoding") == "training"
    if training:
        replay = replay_training(text)
    else:
        choice = choose_tokenizer("Tokenizer")
        tokenizer = choice.open()
        with states.loading("Counting its merges in the training text"):
            counts = choice.merge_counts()
        try:
            replay = replay_encoding(tokenizer, text, counts)
        except NothingToReplayError as error:
            st.caption(str(error))
            return
    merges(replay, training, Session.TOKENIZER_MERGES)
    explain("Why this pair?", MERGES)


page()
