"""Train: choose a text and a model, press Start, and watch loss fall and text turn from noise into sentences."""

import streamlit as st

from components.run_branch import branch_section, show_origin, tree_section
from components.run_controls import controls, open_form, rerun_after
from components.run_form import choose_run, costs, show_time
from components.run_queue import QUEUE_HELP, show_queue
from components.run_sweep import sweep_section
from components.shared import folders, states
from components.shared.run_names import run_name
from components.shared.select_box import picked, select_box
from components.shared.selection import WholeRun
from components.shared.session import Address, Session
from components.view_page import view_sections
from components.views.training_run.figures import figures
from llm.background import queue, trainings
from llm.checkpoints import RUN_ID, RunFolder, list_runs
from llm.costs import parameter_count
from llm.presets import TITLES
from llm.runs.corpus import text_limits
from llm.runs.labels import model_name
from llm.runs.origin import branched
from llm.training.new_run import NewRun
from llm.training.resumes import resumes


def page() -> None:
    """Show the run in the address, or else the run that trains, or else the form for a new run."""
    st.title("Train")
    run_id = st.query_params.get(Address.RUN)
    under_way = trainings.active()
    if run_id is None and under_way and Address.NEW not in st.query_params:
        run_id = st.query_params[Address.RUN] = under_way[0].id
    if run_id is None:
        new_run()
    elif not RUN_ID.fullmatch(run_id) or not (folders.checkpoints() / run_id).is_dir():
        states.failed(f"There is no run {run_id[:80]} in {folders.checkpoints()}.")
        st.button("New run", type="primary", on_click=open_form)
    else:
        try:
            show_run(RunFolder(folders.checkpoints() / run_id))
        except (ValueError, OSError) as error:
            states.failed(error)
            st.button("New run", on_click=open_form)


def new_run() -> None:
    """Show the form and its Start button, and above them any run that is training."""
    under_way = trainings.active()
    earlier = {run.id: run.label for run in list_runs(folders.checkpoints())}
    with st.container():  # one element, whatever is in it: a panel below whose position changes would close
        if earlier:
            select_box("Earlier runs", earlier, Session.TRAIN_EARLIER, on_change=open_earlier,
                       placeholder="Open an earlier run", label_visibility="collapsed")  # fmt: skip
        if under_way:
            with st.container(border=True, horizontal=True, vertical_alignment="center"):
                st.text(f"{run_name(under_way[0].id)} is {under_way[0].state}: one run trains at a time.")
                st.button("Show that run", on_click=lambda: st.query_params.from_dict({Address.RUN: under_way[0].id}))
            rerun_after(under_way[0].id)
        show_queue(None)
    ready = st.container()  # placed above the form, to be visible at once, but filled in after it
    try:
        chosen = choose_run()
    except (ValueError, OSError) as error:
        with ready:
            states.failed(error)
        return
    with ready:
        with st.container(horizontal=True):
            started = st.button("Start", type="primary", icon=":material/play_arrow:", disabled=bool(under_way),
                                key=Session.TRAIN_START)  # fmt: skip
            # with none under way the queue waits until it is started, so that several runs can be prepared
            queued = st.button("Add to the queue", icon=":material/playlist_add:", key=Session.QUEUE_ADD,
                               help=QUEUE_HELP)  # fmt: skip
        what = f"**{TITLES.get(str(chosen.architecture), chosen.architecture)} {chosen.size}**"
        st.caption(f"{what} with the {chosen.tokenizer_kind} tokenizer · {costs(chosen.model, chosen.training)}")
    sweep_section(chosen)
    if started:
        start(chosen)
    elif queued:  # not in a callback, which would have the settings from before the last field was left
        (trainings.enqueue if under_way else queue.add)(chosen)
        st.rerun()
    else:
        with ready:
            if under_way:
                st.caption(
                    "How long it takes is not measured while another run trains: each would slow the other down."
                )
            else:
                show_time(chosen)


def start(chosen: NewRun) -> None:
    """Start the run and open its page."""
    try:
        with states.loading("Reading the text, training the tokenizer and building the model"):
            run = trainings.start(chosen)
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    st.query_params.from_dict({Address.RUN: run.id})
    st.rerun()


def show_run(folder: RunFolder) -> None:
    """One run: what its folder says of it (as plain text, since it may be markup), its controls, charts and views."""
    config = folder.config()
    st.session_state[Session.LAST_RUN] = folder.id
    length = f": {characters:,} characters" if (characters := config.about(int, "text", "characters")) else ""
    given = f"{folder.notes().name}\n".lstrip()
    st.text(
        f"{given}{model_name(config)} with {parameter_count(config.model).total:,} parameters · run {folder.id} · "
        f"{config.about(str, 'tokenizer', 'kind') or 'unknown'} tokenizer of {config.model.d_vocab:,} tokens\n"
        f"Reads {config.about(str, 'text', 'name') or 'a text without a name'}{length}\n{text_limits(config)}".rstrip()
    )
    here, (state, _) = trainings.get(folder.id), trainings.state_of(folder)
    with st.container():  # one element, whatever is in it: a panel below whose position changes would close
        origin = branched(config)
        if origin is not None:
            show_origin(origin)
        for resume in resumes(config):
            st.text(f"Resumed at step {resume.step:,} under other conditions, so from there on not bit for bit as "
                    f"without the pause: {'; '.join(resume.changes)}")  # fmt: skip
        controls(folder, here, state, origin)
        show_queue(folder.id)
        branch_section(folder, config, state)
    figures(folder, config, state)
    tree_section(folder.id)
    view_sections("train", WholeRun(folder.id))


def open_earlier() -> None:
    """Open the run chosen from the list."""
    if run_id := picked(Session.TRAIN_EARLIER):
        st.query_params.from_dict({Address.RUN: run_id})


page()
