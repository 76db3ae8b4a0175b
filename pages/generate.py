"""Generate: have any checkpoint of any run continue a text, and see how sure it was of each token."""

import time

import streamlit as st

from components.shared import forms, states
from components.shared.checkpoint_choice import choose_checkpoint
from components.shared.help import explain
from components.views.writing import writing
from llm.background import generations
from llm.checkpoints import RunFolder, RunSummary
from llm.config import SamplingConfig, describe

SHOWN = ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "stop")


def choose_sampling() -> SamplingConfig:
    """The sampling's fields, the common ones first. Raises ValueError for a value that cannot be."""
    values = {name: field.default for name, field in describe(SamplingConfig).items()}
    chosen = forms.fields(SamplingConfig, SHOWN[:4], values, "sampling", (4, 3, 3, 3))  # as long as their names
    with st.expander("More sampling settings", icon=":material/tune:"):
        chosen |= forms.fields(SamplingConfig, SHOWN[4:], values, "sampling", (3, 5, 3, 3))
    return SamplingConfig(**chosen)


def page() -> None:
    """Run and step, prompt and settings, the text as it is written, and the texts kept before."""
    st.title("Generate")
    chosen = choose_checkpoint("Writing")
    if chosen is None:
        return
    run, step = chosen
    first = st.query_params.get("prompt", str(RunFolder(run.path).config().raw.get("prompt", "")))
    prompt = st.text_area("Prompt", first, key=f"generate-prompt-{run.id}", height=90,
                          help="The text to continue. Empty: start from nothing")  # fmt: skip
    st.query_params["prompt"] = prompt
    try:
        config = choose_sampling()
    except ValueError as error:
        states.failed(error)
        return
    explain("How is a token chosen?", "probability", "temperature")
    write(run, step, prompt, config)


@st.fragment  # a press on Generate redraws this part of the page alone, and takes little from a training under way
def write(run: RunSummary, step: int | None, prompt: str, config: SamplingConfig) -> None:
    """The text as it is written, and those kept before."""
    mine = f"generate-text-{run.id}"  # this tab's; a tab opened anew goes on with the run's latest
    current = generations.get(st.session_state.get(mine, "")) or generations.latest(run.path)
    if st.button("Generate", type="primary", icon=":material/edit_note:", key="generate-start"):
        if current is not None:
            current.stop()
        current = generations.start(run.path, step, prompt, config)
    place = st.container()  # above the older texts, which say whether anything waits for the end of this one
    older = st.expander("Texts kept of this run", icon=":material/history:", key="generate-kept", on_change="rerun")
    waiting = current is not None and current.active and bool(older.open)
    if older.open:
        with older:
            history(RunFolder(run.path))
    with place:
        if current is not None:
            st.session_state[mine] = current.id
            writing(current.id, current.prompt, waiting, current.stop, key=f"writing-{run.id}")
        else:
            st.caption("The text appears here token by token, shaded by how sure the model was of each.")


def history(folder: RunFolder) -> None:
    """The texts that this run has written, newest first."""
    kept = folder.samples()
    if not kept:
        st.caption("None yet: a text is kept as soon as it has ended.")
    for sample in reversed(kept[-50:]):
        when = time.strftime("%d %b %H:%M", time.localtime(sample["created"]))
        st.caption(f"Step {sample['step']:,} · temperature {sample['sampling']['temperature']:g} · {when}")
        st.text(sample["text"])


page()
