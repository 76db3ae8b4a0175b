"""Tokenizer: type a text and see, side by side, how each tokenizer splits it."""

import streamlit as st

from components.shared import folders, states
from components.shared.help import explain
from components.shared.select_box import select_box
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.views.tokens import strip
from components.views.tokens.explanations import TOKENS
from llm.checkpoints import list_runs
from llm.data import read_text, train_tokenizer
from llm.tokenizers import DEFAULT_D_VOCAB, REGISTRY, Tokenizer, load_tokenizer, with_a_size

EXAMPLE = "Once, little Ned set out with a wooden comb and no plan at all."


@st.cache_resource(show_spinner=False)
def trained(kind: str, d_vocab: int) -> Tokenizer:
    """A tokenizer of this kind, trained on the default text."""
    return train_tokenizer(kind, read_text(folders.DEFAULT_TEXT), d_vocab)


def show(name: str, tokenizer: Tokenizer, text: str) -> None:
    """Show a text's tokens and their number, by one tokenizer."""
    ids = tokenizer.encode(text)
    ratio = f"{len(text) / len(ids):.2f} characters each" if ids else "no characters"
    st.markdown(f"**{len(ids):,}** tokens, {ratio}; vocabulary: **{tokenizer.d_vocab:,}**")
    strip(tokenizer, ids, key=Session.TOKENIZER_STRIP.of(name))


def page() -> None:
    """The text, and a column for each tokenizer."""
    st.title("Tokenizer")
    st.markdown(
        "A language model reads numbers. A tokenizer splits text into pieces, its *tokens*, and gives each piece a "
        "number. Type something, in any language, and compare."
    )
    text = text_box(st.text_area, "Text", Address.TEXT, Session.TOKENIZER_TEXT, lambda: EXAMPLE, height=100)
    left, right = st.columns(2)
    with left:
        d_vocab = st.select_slider(
            f"Vocabulary size of {' and '.join(with_a_size())}", [512, 1024, 2048, 4096], DEFAULT_D_VOCAB,
            key=Session.TOKENIZER_VOCAB, persist_state="session",
            help="The number of tokens that each learns from training.txt",
        )  # fmt: skip
    with right:
        runs = {run.id: run for run in list_runs(folders.checkpoints()) if run.problem is None}
        labels = {"": "none"} | {run.id: run.label for run in runs.values()}
        run_id = select_box("Compare with the tokenizer of a run", labels, Session.TOKENIZER_RUN, "",
                            persist_state="session")  # fmt: skip
    names = list(REGISTRY) + ([run_id] if run_id else [])
    for start in range(0, len(names), 2):
        for column, name in zip(st.columns(2), names[start : start + 2], strict=False):
            with column, st.container(border=True, height="stretch"):
                st.subheader(name if name in REGISTRY else f"Run {name}")
                st.caption(REGISTRY[name].help if name in REGISTRY else "The tokenizer saved with the run.")
                try:
                    if name in REGISTRY:
                        with states.loading("Training it on training.txt"):
                            tokenizer = trained(name, d_vocab)
                    else:
                        tokenizer = load_tokenizer(runs[name].path)
                    show(name, tokenizer, text)
                except (ValueError, OSError) as error:
                    states.failed(error)
    explain("What is a token?", TOKENS)


page()
