"""The queue of runs on the page Train: what waits, and what could not be started."""

from __future__ import annotations

import streamlit as st

from components.shared import states
from components.shared.session import Address, Session
from llm.background import queue, trainings

QUEUE_HELP = "Runs in the queue train one after the other. Change the settings and add more before or while one trains"


def show_queue(shown: str | None) -> None:
    """The runs that wait, each with buttons that remove it or move it to the front; nothing where none waits.

    `shown` is the run of the page, if it is one's page.
    """
    waiting = queue.waiting()
    for problem in queue.problems():
        states.failed(f"A run of the queue could not be started. {problem}")
    if queue.problems():
        st.button("Dismiss", on_click=queue.forget_problems, key=Session.QUEUE_DISMISS)
    if not waiting:
        return
    under_way = trainings.active()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Queue** · {_in_words(len(waiting), bool(under_way))}")
            if not under_way:
                st.button("Start the queue", icon=":material/play_arrow:", on_click=_start_next, key=Session.QUEUE_NEXT)
            elif shown not in (None, under_way[0].id):
                st.button("Show the run that trains", on_click=_show, args=(under_way[0].id,), key=Session.QUEUE_SHOW)
        for place, (number, new) in enumerate(waiting.items()):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button("Remove", icon=":material/close:", type="tertiary", on_click=queue.remove, args=(number,),
                          key=Session.QUEUE_REMOVE.of(str(number)))  # fmt: skip
                st.button("To the front", icon=":material/vertical_align_top:", type="tertiary", disabled=place == 0,
                          on_click=queue.to_front, args=(number,), key=Session.QUEUE_FRONT.of(str(number)))  # fmt: skip
                st.text(new.title)


def _in_words(runs: int, under_way: bool) -> str:
    if not under_way:
        return "1 run waits" if runs == 1 else f"{runs} runs wait"
    starts = "starts when the run that is training has finished; if you stop that run, the queue waits"
    return f"1 run {starts}" if runs == 1 else f"{runs} runs; the first {starts}"


def _start_next() -> None:
    run = trainings.start_next()
    if run is not None:
        _show(run.id)


def _show(run_id: str) -> None:
    st.query_params.from_dict({Address.RUN: run_id})
