"""The tokenizers that a page can open: one of each kind, trained on the default text, and that of a run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from components.shared import folders, states
from components.shared.select_box import select_box
from components.shared.session import Session
from llm.checkpoints import RunFolder, list_runs
from llm.data import read_text, split_text, train_tokenizer
from llm.runs.corpus import NoTextError, tokenizer_text
from llm.runs.listing import name_of
from llm.runtime.result_cache import ResultCache
from llm.tokenizers import DEFAULT_D_VOCAB, REGISTRY, Tokenizer, load_tokenizer, with_a_size

_merge_counts: ResultCache[list[int]] = ResultCache(8)


@dataclass(frozen=True)
class TokenizerChoice:
    """A tokenizer that can be opened."""

    name: str  # of its kind, or the id of the run
    d_vocab: int  # wanted, of a kind whose vocabulary size can be chosen
    run: Path | None  # the run's folder

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name if self.run is None else name_of(self.run)

    @property
    def about(self) -> str:
        """What it is, in a sentence or two."""
        return REGISTRY[self.name].help if self.run is None else "The tokenizer saved with the run."

    def open(self) -> Tokenizer:
        """Train or load it. Raises ValueError or OSError with a sentence for the user."""
        if self.run is not None:
            return load_tokenizer(self.run)
        with states.loading("Training it on training.txt"):
            return _trained(self.name, self.d_vocab)

    def training_text(self) -> str:
        """The text that it learned from; the default text if that is another one, which is not here."""
        if self.run is not None:
            with suppress(NoTextError):
                return tokenizer_text(RunFolder(self.run), load_tokenizer(self.run))
        return split_text(read_text(folders.DEFAULT_TEXT)).train

    def counted_in(self) -> str:
        """Where its tokens are counted, in words."""
        imported = self.run is not None and RunFolder(self.run).config().about(dict, "imported") is not None
        return f"{folders.DEFAULT_TEXT.name}, as its own training text is not here" if imported else "its training text"

    def merge_counts(self) -> list[int]:
        """How often each of its merges' pairs occurred in its training text at that time; empty if not known."""
        return _merge_counts.get(self, lambda: self.open().merge_counts(self.training_text()))


@st.cache_resource(show_spinner=False)
def _trained(kind: str, d_vocab: int) -> Tokenizer:
    """A tokenizer of this kind, trained on the default text."""
    return train_tokenizer(kind, read_text(folders.DEFAULT_TEXT), d_vocab)


def choose_tokenizers() -> dict[str, TokenizerChoice]:
    """Choose a vocabulary size and a run; returns the tokenizers of all kinds and of the run, by name."""
    left, right = st.columns(2)
    with left:
        d_vocab = st.select_slider(
            f"Vocabulary size of {' and '.join(with_a_size())}", [512, 1024, 2048, 4096, 8192], DEFAULT_D_VOCAB,
            key=Session.TOKENIZER_VOCAB, persist_state="session",
            help="The number of tokens that each learns from training.txt",
        )  # fmt: skip
    with right:
        runs = {run.id: run for run in list_runs(folders.checkpoints()) if run.problem is None}
        labels = {"": "none"} | {run.id: run.label for run in runs.values()}
        run_id = select_box("Compare with the tokenizer of a run", labels, Session.TOKENIZER_RUN, "",
                            persist_state="session")  # fmt: skip
    choices = [TokenizerChoice(kind, d_vocab, None) for kind in REGISTRY]
    if run_id:
        choices.append(TokenizerChoice(run_id, d_vocab, runs[run_id].path))
    return {choice.name: choice for choice in choices}
