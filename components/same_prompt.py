"""The same prompt, settings and seed for several runs, and what each of them writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components.shared import forms, states
from components.shared.sampling_form import choose_sampling
from components.shared.select_box import select_box
from components.shared.session import Address, Session, keep
from components.shared.text_box import text_box
from components.views.writing import writing
from llm.background import generations
from llm.checkpoints import RunFolder
from llm.comparison.run import ComparedRun
from llm.config import SamplingConfig
from llm.sampling import with_seed

END = "end"  # in the list of steps: the end of each run
DEFAULTS: dict[str, Any] = {"max_new_tokens": 100, "temperature": 0.8, "seed": 0}  # of a link that says nothing else


@st.fragment  # pressing Generate reruns only this part of the page, which hardly slows a training run
def side_by_side(runs: Sequence[ComparedRun]) -> None:
    """Let every run continue the same prompt with the same settings and seed, at one step or at its end."""
    silent = [run.letter for run in runs if not run.config.model.causal]
    runs = [run for run in runs if run.config.model.causal]
    if silent:
        st.caption(f"Without {', '.join(silent)}: trained to fill in blanks, which the page Generate shows.")
    if not runs:
        return
    step = choose_step(runs)
    prompt = text_box(st.text_area, "Prompt", Address.PROMPT, Session.COMPARE_PROMPT,
                      lambda: runs[0].config.about(str, "prompt") or "", height=80)  # fmt: skip
    try:
        config = choose_sampling(Session.COMPARE_SAMPLING_START, DEFAULTS, draw_controls)
    except ValueError as error:
        states.failed(error)
        return
    texts: dict[str, str] = st.session_state.setdefault(Session.COMPARE_TEXTS, {})
    if st.button("Generate with each run", type="primary", icon=":material/edit_note:", key=Session.COMPARE_GENERATE):
        config = with_seed(config)  # without one, another each time, but the same for all runs
        for run in runs:
            if (earlier := generations.get(texts.get(run.summary.id, ""))) is not None:
                earlier.stop()
            texts[run.summary.id] = generations.start(run.summary.path, step, prompt, config).id
    written = [(run, text) for run in runs if (text := generations.get(texts.get(run.summary.id, ""))) is not None]
    for start in range(0, len(written), 2):
        for column, (run, text) in zip(st.columns(2), written[start : start + 2], strict=False):
            with column:
                st.text(f"{run.letter} · {run.summary.title}")
                writing(text, False, key=Session.COMPARE_WRITING.of(run.summary.id))


def draw_controls(start: Mapping[str, Any]) -> dict[str, Any]:
    """A control for each of these settings."""
    return forms.fields(SamplingConfig, start, dict(start), Session.COMPARE_SAMPLING)


def choose_step(runs: Sequence[ComparedRun]) -> int | None:
    """Choose one of the snapshots that all of the runs have, or the end of each (None); the address keeps it."""
    common = set.intersection(*(set(RunFolder(run.summary.path).snapshots()) for run in runs))
    labels: dict[str, str] = {END: "The end of each run"} | {
        str(step): f"Step {step:,}" for step in sorted(common, reverse=True)
    }
    wanted = st.query_params.get(Address.STEP, END)
    step = select_box("Step", labels, Session.COMPARE_STEP, wanted if wanted in labels else END,
                      help="The snapshots that all of these runs have")  # fmt: skip
    keep(Address.STEP, "" if step == END else step)
    return None if step == END else int(step)
