"""The figures of a run on the Train page: live, on the test part once asked for, and what they mean."""

from __future__ import annotations

import streamlit as st

from components.shared import states
from components.shared.explanations import LOSS
from components.shared.help import explain
from components.shared.session import Session
from components.views.training_run import watch
from components.views.training_run.explanations import explanations
from components.views.training_run.what_happened import what_happened
from llm.background.opened import open_run
from llm.checkpoints import RunConfig, RunFolder
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache
from llm.runtime.text import with_error
from llm.training.run_evaluation import RunEvaluation, evaluate_run

_tested: ResultCache[RunEvaluation] = ResultCache(50)


def figures(folder: RunFolder, config: RunConfig, state: str) -> None:
    """Show them all; `state` is the state that the page shows."""
    if not config.model.causal:
        st.caption(
            "Trained to fill in masked tokens: this loss cannot be compared with that of predicting the next token."
        )
    watch(folder.id, config, state)
    with st.container(horizontal=True, vertical_alignment="center"):
        explain("What do these figures mean?", LOSS, *explanations(config))
        has_test = config.about(int, "text", "test_characters") and folder.has("final")
        measure = has_test and st.toggle(
            "Measure the test part", key=Session.TRAIN_TEST.of(folder.id),
            help="The part of the text used neither to train nor to choose the best weights",
        )  # fmt: skip
    if measure:
        _show_test(folder)
    what_happened(folder, state)


def _show_test(folder: RunFolder) -> None:
    """The final weights on all of the test part."""
    try:
        with states.loading("Measuring the test part"):
            tested = _test_evaluation(folder)
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    measured = tested.evaluation
    bits = with_error(measured.bits_per_character, measured.bits_per_character_standard_error)
    seen = tested.sentences_seen_in_training
    new = "" if seen is None else f" {100 * seen:.0f}% of its sentences occur word for word in the training part."
    lines = tested.baselines
    line = "" if lines is None else f"trigram line {with_error(lines.trigram, lines.trigram_standard_error)} · "
    st.markdown(
        f"**Test loss {with_error(measured.loss, measured.standard_error)}** on all {measured.characters:,} characters "
        f"· {line}"
        f"{bits} bits per character · accuracy {100 * measured.accuracy:.1f}%.{new}"
    )


def _test_evaluation(folder: RunFolder) -> RunEvaluation:
    """What is measured on the test part; kept, so that showing it again is immediate."""

    def measure() -> RunEvaluation:
        return compute.finish(evaluate_run.steps(open_run(folder.path, None), "test", skill_pairs=0))

    return _tested.get(folder.weights_version(None), measure)
