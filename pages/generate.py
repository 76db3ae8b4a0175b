"""Generate: let any checkpoint of any run continue a text, and see the probability of each token."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import streamlit as st

from components.shared import forms, states
from components.shared.checkpoint_choice import choose_checkpoint
from components.shared.explanations import PROBABILITY
from components.shared.help import explain
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.views.novelty import novelty
from components.views.novelty.explanations import MATCHES
from components.views.writing import writing
from components.views.writing.explanations import SAMPLING_FILTERS
from llm.background import generations
from llm.background.generations import Generation
from llm.checkpoints import RunFolder, RunSummary
from llm.config import SamplingConfig, describe

SHOWN = ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "stop")


def choose_sampling() -> SamplingConfig:
    """The sampling settings, the common ones first. Raises ValueError for an invalid value."""
    values = {name: field.default for name, field in describe(SamplingConfig).items()}
    key = Session.GENERATE_SAMPLING
    # columns in proportion to the lengths of the names
    chosen = forms.fields(SamplingConfig, SHOWN[:4], values, key, (4, 3, 3, 3))
    with st.expander("More sampling settings", icon=":material/tune:"):
        chosen |= forms.fields(SamplingConfig, SHOWN[4:], values, key, (3, 5, 3, 3))
    return SamplingConfig(**chosen)


def page() -> None:
    """Run and step, prompt and settings, the text as it is generated, and earlier texts."""
    st.title("Generate")
    chosen = choose_checkpoint("Generating text")
    if chosen is None:
        return
    run, step = chosen
    prompt = text_box(
        st.text_area, "Prompt", Address.PROMPT, Session.GENERATE_PROMPT.of(run.id),
        lambda: RunFolder(run.path).config().about(str, "prompt") or "", height=90,
        help="The text to continue. Leave it empty to start without one",
    )  # fmt: skip
    try:
        config = choose_sampling()
    except ValueError as error:
        states.failed(error)
        return
    explain("How is a token chosen?", PROBABILITY, SAMPLING_FILTERS)
    write(run, step, prompt, config)


@st.fragment  # pressing Generate reruns only this part of the page, which hardly slows a training run
def write(run: RunSummary, step: int | None, prompt: str, config: SamplingConfig) -> None:
    """The text as it is generated, and earlier ones."""
    mine = Session.GENERATE_TEXT.of(run.id)  # the text that this tab started; a new tab shows the run's latest
    current = generations.get(st.session_state.get(mine, "")) or generations.latest(run.path)
    if st.button("Generate", type="primary", icon=":material/edit_note:", key=Session.GENERATE_START):
        if current is not None:
            current.stop()
        current = generations.start(run.path, step, prompt, config)
    # drawn above the earlier texts; their section decides whether the page waits for this text to end
    newest = st.container()
    sources = st.expander("Copied, recombined or new?", icon=":material/plagiarism:", key=Session.GENERATE_SOURCES,
                          on_change="rerun")  # fmt: skip
    earlier = st.expander("Earlier texts of this run", icon=":material/history:", key=Session.GENERATE_KEPT,
                          on_change="rerun")  # fmt: skip
    waiting = current is not None and current.active and bool(earlier.open)
    if earlier.open:
        with earlier:
            history(RunFolder(run.path))
    with newest:
        if current is not None:
            st.session_state[mine] = current.id
            writing(current, waiting, Session.GENERATE_WRITING.of(run.id), partial(show, run))
            if sources.open:
                with sources:
                    novelty(current.id, current.prompt, key=Session.GENERATE_NOVELTY.of(run.id))
                    explain("What counts as a match?", MATCHES)
        else:
            st.caption("The text appears here token by token, shaded by its probability.")
            sources.caption("First generate a text; then each part of it is searched in the training text.")


def show(run: RunSummary, text: Generation) -> None:
    """From now on the tab shows this text."""
    st.session_state[Session.GENERATE_TEXT.of(run.id)] = text.id


def history(folder: RunFolder) -> None:
    """The texts that this run has generated, newest first."""
    samples = folder.samples()
    if not samples:
        st.caption("None yet: a text is saved when it is complete.")
    for sample in reversed(samples[-50:]):
        st.caption(" · ".join(about_sample(sample)))
        st.text(sample["text"])


def about_sample(sample: dict[str, Any]) -> Iterator[str]:
    """Step, temperature and time of a text, those that are known."""
    if sample.get("step") is not None:
        yield f"Step {sample['step']:,}"
    if sample.get("sampling") is not None:
        yield f"temperature {sample['sampling']['temperature']:g}"
    if sample.get("created") is not None:
        yield time.strftime("%d %b %H:%M", time.localtime(sample["created"]))


page()
