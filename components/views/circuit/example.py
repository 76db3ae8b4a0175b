"""The text of the circuit: one of a few examples from held-out text, or the user's own."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from components.shared import states
from components.shared.controls import escape_token, remembered
from components.shared.select_box import select_box
from components.shared.selection import Selection, text_data
from components.shared.session import Address, Session, forget
from components.shared.text_box import text_box
from components.shared.texts import MAX_TOKENS, opening
from components.views.circuit.choices import NO_REPETITION
from llm.checkpoints import Run
from llm.interpret.copying_examples import CopyingExample, copying_examples
from llm.interpret.copying_test import last_repetition
from llm.runs.corpus import run_corpus
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

OWN = "own"
SEARCHED = 60  # texts in which examples are looked for
EXAMPLES = 8
OPENING = 64  # tokens of held-out text that the user's own text starts with
SHOWN = 40  # characters of an example in the list

_examples: ResultCache[list[CopyingExample]] = ResultCache(8)


def choose_example(run: Run, selection: Selection) -> Selection | None:
    """Choose the text, up to the piece to be predicted. None, with the reason on the page, if there is none."""
    if run.config.n_layers < 2:
        states.empty(
            "This model has one layer",
            "A copying circuit takes two: a head that notes which token came before, and in a later layer one that "
            "looks for this note. Train a model with more layers; then this one can be the control in its test.",
            "train.py", "Go to Train",
        )  # fmt: skip
        return None
    with states.loading("Looking for examples in held-out text"):
        examples = examples_of(replace(selection, step=None))
    labels = {str(number): _label(run, example) for number, example in enumerate(examples, start=1)}
    labels[OWN] = "My own text"
    page = f"circuit-{run.folder.id}"
    default = OWN if Address.PROMPT in st.query_params or not examples else "1"
    key = remembered(page, Address.EXAMPLE, default, list(labels))
    chosen = select_box("Example, from text that the model has not seen", labels, key)
    st.query_params[Address.EXAMPLE] = chosen
    if not examples:
        st.caption(
            "The held-out text of this run has no good example: wherever it repeats something, the token before gives "
            "it away. Train on a text in which names recur that cannot be known by heart."
        )
    if chosen == OWN:
        return _choose_own(run, selection)
    forget(Address.PROMPT)
    return replace(selection, tokens=examples[int(chosen) - 1].repetition.prompt)


def _choose_own(run: Run, selection: Selection) -> Selection | None:
    key = Session.CIRCUIT_TEXT.of(selection.run_id)
    label = "Your text: write a name, something else, and then the name again"
    text = text_box(st.text_area, label, Address.PROMPT, key, lambda: opening(run, OPENING), height=80)
    if not text:
        st.caption("Type a few words to see something here.")
        return None
    tokens = run.tokenizer.encode(text)[: min(MAX_TOKENS, run.config.n_ctx)]
    repetition = last_repetition(tokens)
    if repetition is not None and not run.tokenizer.token_text(repetition.piece)[:1].isalnum():
        # the word that is repeated ends here, so its last piece is what is to be predicted
        repetition = last_repetition(tokens, known=True) or repetition
    if repetition is None:
        st.info(f"{NO_REPETITION}.", icon=":material/info:")
        return None
    return replace(selection, tokens=repetition.prompt)


def examples_of(selection: Selection) -> list[CopyingExample]:
    """Examples that the model at the end of its training depends on most."""
    run, data = selection.run(), text_data(selection)

    def find() -> list[CopyingExample]:
        longest = min(MAX_TOKENS, run.config.n_ctx)
        held_out = run_corpus(run.folder, run.tokenizer).excerpt("validation")
        texts = [run.tokenizer.encode(text)[:longest] for text in _passages(held_out)]
        return compute.finish(copying_examples.steps(run.model, texts, data.counted, EXAMPLES))

    return _examples.get((run.folder.path, run.step), find)


def _passages(text: str) -> list[str]:
    """Texts that each begin anew: those between blank lines, or lines, or if these are few, pieces of equal length."""
    for mark in ("\n\n", "\n"):
        passages = [passage for passage in text.split(mark) if passage.strip()]
        if len(passages) >= EXAMPLES:
            return passages[:SEARCHED]
    length = max(1, len(text) // SEARCHED)
    return [text[start : start + length] for start in range(0, len(text), length)][:SEARCHED]


def _label(run: Run, example: CopyingExample) -> str:
    before = run.tokenizer.decode(example.repetition.prompt)[-SHOWN:]
    piece = run.tokenizer.token_text(example.repetition.piece)
    return f"… {escape_token(before).replace('·', ' ')} | {escape_token(piece)}"
