"""Generate: let any checkpoint of any run continue a text, and see how each token was chosen."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from components.fill_in import can_write, fill_in
from components.int8_section import int8_section
from components.kept_texts import choices_of, kept_texts
from components.other_checkpoint import beside
from components.shared import forms, states
from components.shared.checkpoint_choice import NEWEST, choose_checkpoint
from components.shared.explanations import PROBABILITY
from components.shared.help import explain
from components.shared.sampling_form import choose_sampling, start_from
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.shared.text_link import DEFAULTS, keep_in_address, text_in_address
from components.views.novelty import novelty
from components.views.novelty.explanations import MATCHES
from components.views.writing import writing
from components.views.writing.explanations import SAMPLING_FILTERS
from llm.background import generations
from llm.background.generations import Generation
from llm.checkpoints import RunFolder, RunSummary
from llm.config import SamplingConfig

COMMON = ("max_new_tokens", "temperature", "top_k", "top_p", "seed")
WIDTH, WIDTH_INSIDE = 284, 254  # pixels of a control: one fills the column beside the text, and its section


def page() -> None:
    """Run and step; prompt and settings beside the text as it is generated; and what else can be done with the text."""
    st.title("Generate")
    chosen = choose_checkpoint("Generating text")
    if chosen is not None and can_write(chosen[0]):
        desk(*chosen)
    elif chosen is not None:
        fill_in(*chosen)


@st.fragment  # a change here reruns only this part of the page, which hardly slows a training run
def desk(run: RunSummary, step: int | None) -> None:
    """Settings and text side by side, or one above the other where there is no room: `style.STYLE`."""
    with st.container(key=Session.GENERATE_DESK):
        settings, result = st.container(key=Session.GENERATE_SETTINGS), st.container(key=Session.GENERATE_RESULT)
    with settings:
        prompt = text_box(
            st.text_area, "Prompt", Address.PROMPT, Session.GENERATE_PROMPT.of(run.id),
            lambda: RunFolder(run.path).config().about(str, "prompt") or "", height=90,
            help="The text to continue. Leave it empty to start without one",
        )  # fmt: skip
        place = st.container()
        try:
            config = choose_sampling(Session.GENERATE_SAMPLING_START, DEFAULTS, draw_controls)
        except ValueError as error:
            states.failed(error)
            return
    with place:
        current = start_or_shown(run, step, prompt, config)
    with result:
        written = st.container()
    waiting = more(run, step, current)
    with written:
        if current is None:
            st.caption("The text appears here token by token, shaded by its probability.")
            return
        show(run, current)
        keep_in_address(current, step, prompt, config)
        writing(current, waiting and current.active, Session.GENERATE_WRITING.of(run.id), partial(show, run))


def draw_controls(start: Mapping[str, Any]) -> dict[str, Any]:
    """A control for each sampling setting, the common ones first."""
    values, key = dict(start), Session.GENERATE_SAMPLING
    chosen = forms.wrapping_fields(SamplingConfig, COMMON, values, key, WIDTH)
    with st.expander("More sampling settings", icon=":material/tune:"):
        more = [name for name in DEFAULTS if name not in COMMON]
        return chosen | forms.wrapping_fields(SamplingConfig, more, values, key, WIDTH_INSIDE)


def start_or_shown(run: RunSummary, step: int | None, prompt: str, config: SamplingConfig) -> Generation | None:
    """The text that a press on the button starts, or else the one that the tab shows, at first that of its link.

    A tab without one begins with the newest text of these very settings.
    """
    shown = generations.get(st.session_state.get(Session.GENERATE_TEXT.of(run.id), ""))
    current = shown or text_in_address(run.path, step, prompt, config)
    current = current or generations.find(run.path, step, prompt, config, {})
    if st.button("Generate", type="primary", icon=":material/edit_note:", key=Session.GENERATE_START):
        if current is not None:
            current.stop()
        current = generations.start(run.path, step, prompt, config)
    return current


def show(run: RunSummary, text: Generation) -> None:
    """From now on the tab shows this text."""
    st.session_state[Session.GENERATE_TEXT.of(run.id)] = text.id


def more(run: RunSummary, step: int | None, current: Generation | None) -> bool:
    """What else there is of a text; returns whether an open section waits for its end."""
    explain("How is a token chosen?", PROBABILITY, SAMPLING_FILTERS)
    other = st.expander("Beside another checkpoint", Address.BESIDE in st.query_params, key=Session.GENERATE_OTHER,
                        icon=":material/splitscreen_right:", on_change="rerun")  # fmt: skip
    if other.open:
        with other:
            if current is None:
                st.caption("First generate a text; then another step or run writes it with the same prompt and seed.")
            else:
                beside(current)
    else:
        st.query_params.pop(Address.BESIDE, None)
    sources = st.expander("Copied, recombined or new?", icon=":material/plagiarism:", key=Session.GENERATE_SOURCES,
                          on_change="rerun")  # fmt: skip
    if sources.open:
        with sources:
            if current is None:
                st.caption("First generate a text; then each part of it is searched in the training text.")
            else:
                novelty(current.id, current.prompt, key=Session.GENERATE_NOVELTY.of(run.id))
                explain("What counts as a match?", MATCHES)
    integers = st.expander("With weights as integers of 8 bits", icon=":material/compress:", key=Session.GENERATE_INT8,
                           on_change="rerun")  # fmt: skip
    if integers.open:
        with integers:
            int8_section(run, step, current)
    earlier = st.expander("Earlier texts of this run", icon=":material/history:", key=Session.GENERATE_KEPT,
                          on_change="rerun")  # fmt: skip
    if earlier.open:
        with earlier:
            kept_texts(RunFolder(run.path), partial(open_again, run))
    return bool(earlier.open)


def open_again(run: RunSummary, sample: dict[str, Any], config: SamplingConfig) -> None:
    """Show a kept text as it was made: the controls with its settings, and its tokens."""
    prompt, step = sample.get("prompt") or "", sample.get("step")
    kept = step if step in RunFolder(run.path).snapshots() else None
    start_from(Session.GENERATE_SAMPLING_START, Session.GENERATE_SAMPLING, vars(config))
    st.query_params[Address.PROMPT] = st.session_state[Session.GENERATE_PROMPT.of(run.id)] = prompt
    st.session_state[Session.CHECKPOINT_STEP.of(run.id)] = NEWEST if kept is None else kept
    show(run, generations.find_or_start(run.path, kept, prompt, config, choices_of(sample)))


page()
