"""Home: what this app is, how a model turns text into text, and how to train a first one."""

import streamlit as st

from components.shared import folders, states
from components.shared.session import Address, Session
from components.views.pathway import pathway
from llm.presets import COURSE, DESCRIPTIONS, TITLES, preset
from llm.tokenizers import DEFAULT_D_VOCAB
from llm.training.settings import RunSettings

LATEST = 5


def page() -> None:
    """An introduction, a button that trains, a diagram of a model, and the latest runs."""
    st.title("LLM from Scratch")
    st.markdown(
        "##### Build a language model on your own machine, and understand all of it.\n\n"
        "Pick GPT, LLaMA or OLMo, press a button, and watch your own model learn to write: first noise, then words, "
        "then stories, within minutes on a laptop. "
        "Then let it continue your sentences at any step of its training, and see the probability of each token. "
        "Everything you see is computed here, by code short enough to read."
    )
    label = "Train a model" if any(folders.checkpoints().glob("*/config.json")) else "Train your first model"
    if st.button(label, type="primary", icon=":material/play_arrow:", key=Session.HOME_TRAIN):
        train()
    st.subheader("How a model turns text into text")
    architecture = st.segmented_control(
        "Architecture", list(COURSE), default="gpt", required=True, key=Session.HOME_ARCHITECTURE,
        format_func=TITLES.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    st.caption(DESCRIPTIONS[architecture] + " The diagram shows the shapes of its small size.")
    pathway(preset(architecture, "small", d_vocab=DEFAULT_D_VOCAB), key=Session.HOME_PATHWAY)
    st.subheader("Latest runs")
    latest_runs()


def train() -> None:
    """Start a run with the default settings, unless one is training, and open its page."""
    from llm.background import trainings  # this import loads torch, so it waits until the page is shown

    settings = RunSettings.from_names({"data": folders.DEFAULT_TEXT, "checkpoints_dir": folders.checkpoints()})
    under_way = trainings.active()
    try:
        with states.loading("Reading the text, training the tokenizer and building the model"):
            run = under_way[0] if under_way else trainings.start(settings.new_run())
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    st.switch_page("train.py", query_params=[(Address.RUN, run.id)])


def latest_runs() -> None:
    """The newest runs, each with links to its pages."""
    with states.loading("Finding runs"):
        from llm.checkpoints import list_runs

        runs = list_runs(folders.checkpoints())
    if not runs:
        st.caption("None yet. The first one takes minutes; on Train you see how many are left.")
    for run in runs[:LATEST]:
        with st.container(border=True):
            about, open_with = st.columns([3, 1], vertical_alignment="center")
            about.text(f"{run.label} · {run.state}")
            there = [(Address.RUN, run.id)]
            with open_with.container(horizontal=True, horizontal_alignment="right"):
                st.page_link("train.py", label="Open", query_params=there, icon=":material/show_chart:")
                st.page_link("generate.py", label="Generate", query_params=there, icon=":material/edit_note:")
    if len(runs) > LATEST:
        st.page_link("runs.py", label=f"And {len(runs) - LATEST} more", icon=":material/table_rows:")


page()
