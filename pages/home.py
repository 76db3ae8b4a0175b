"""Home: what this is, the way from text to text, and the way to a first model."""

import streamlit as st

from components.run_form import TITLES
from components.shared import folders, states
from components.views.pathway import pathway
from llm.config import TrainingConfig
from llm.presets import ARCHITECTURES, DESCRIPTIONS, preset
from llm.tokenizers import DEFAULT_D_VOCAB, DEFAULT_TOKENIZER

LATEST = 5


def page() -> None:
    """Three sentences, one button, the picture, the latest runs."""
    st.title("LLM from Scratch")
    st.markdown(
        "##### Build a language model on your own machine, and understand all of it.\n\n"
        "Pick GPT, LLaMA or OLMo, press a button, and watch a model of your own learn to write: first noise, then "
        "words, then stories, within a minute on a laptop. "
        "Then have it continue your sentences from any moment of its training, and see how sure it was of each token. "
        "Everything you see is computed here, by code short enough to read."
    )
    if st.button("Train your first model", type="primary", icon=":material/play_arrow:", key="home-train"):
        train()
    st.subheader("From text to text")
    architecture = st.segmented_control(
        "Architecture", list(ARCHITECTURES), default="gpt", required=True, key="home-architecture",
        format_func=lambda name: TITLES.get(name, name), label_visibility="collapsed",
    )  # fmt: skip
    st.caption(DESCRIPTIONS[architecture] + " These are the shapes of its small size.")
    pathway(preset(architecture, "small", d_vocab=DEFAULT_D_VOCAB), key="home-pathway")
    st.subheader("Latest runs")
    latest_runs()


def train() -> None:
    """Start a run with every default, unless one is under way, and go and watch it."""
    from llm.background import trainings
    from llm.data import read_text  # this and all else that brings torch: the page is on the screen before it is loaded

    under_way = trainings.active()
    try:
        with states.loading("Reading the text, learning its tokens and building the model"):
            run = under_way[0] if under_way else trainings.start(
                preset("gpt", "small", d_vocab=DEFAULT_D_VOCAB), TrainingConfig(), DEFAULT_TOKENIZER,
                read_text(folders.DEFAULT_TEXT), folders.DEFAULT_TEXT.name, folders.checkpoints(),
                architecture="gpt", size="small",
            )  # fmt: skip
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    st.switch_page("train.py", query_params={"run": run.id})


def latest_runs() -> None:
    """The newest runs, each with its pages."""
    with states.loading("Looking for runs"):
        from llm.checkpoints import list_runs

        found = list_runs(folders.checkpoints())
    if not found:
        st.caption("None yet. The first one takes a minute.")
    for run in found[:LATEST]:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.text(run.label)
            st.caption(run.state)
            st.space("stretch")
            st.page_link("train.py", label="Look", query_params={"run": run.id}, icon=":material/show_chart:")
            st.page_link("generate.py", label="Write", query_params={"run": run.id}, icon=":material/edit_note:")
    if len(found) > LATEST:
        st.caption(f"And {len(found) - LATEST} more, on the Generate page.")


page()
