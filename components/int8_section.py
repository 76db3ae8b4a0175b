"""What weights as integers of 8 bits save and cost, measured, and how the text that is shown goes on with them."""

from __future__ import annotations

from itertools import islice

import pandas as pd
import streamlit as st

from components.shared import states
from components.shared.explanation import Explanation
from components.shared.help import explain
from components.shared.session import Session
from llm.background.generations import Generation
from llm.background.opened import open_run
from llm.checkpoints import RunFolder, RunSummary
from llm.int8 import quantise, quantised
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache
from llm.sampling import stream
from llm.training.int8_cost import CostRow, Int8Cost, cost_rows, in_words, int8_cost

ROUNDING = Explanation(
    "Integers of 8 bits",
    "All weights that add up to one output number share a scale, which makes the largest of them 127 or −127. Each "
    "weight is rounded to the nearest of these 255 values. Norms, biases, tables of positions and routers stay as they "
    "are. Size is that of the weights in memory; the time of a token is from its id to the logits after it, for one "
    "text on this machine. Losses and skills are of both models on the same text, and the change of the loss has the "
    "error of its differences, passage by passage.",
    r"s_{\text{out}} = \tfrac{1}{127} \max_{\text{in}} |W_{\text{out},\text{in}}| \qquad"
    r"W_{\text{out},\text{in}} \approx s_{\text{out}} \cdot \operatorname{round}(W_{\text{out},\text{in}} / "
    r"s_{\text{out}})",
    (quantise, int8_cost),
    "Krishnamoorthi 2018, arXiv:1806.08342",
)

_costs: ResultCache[Int8Cost] = ResultCache(20)
_texts: ResultCache[str] = ResultCache(20)


def int8_section(run: RunSummary, step: int | None, text: Generation | None) -> None:
    """A toggle that measures the chosen checkpoint, and what was found."""
    st.caption("The same weights rounded to integers of 8 bits take about a quarter of the memory. What does it cost?")
    with st.container(horizontal=True, vertical_alignment="center"):
        explain("What is rounded, and what is measured?", ROUNDING)
        if not st.toggle("Measure it on the validation text", key=Session.GENERATE_INT8_MEASURE.of(run.id)):
            return
    try:
        with states.loading("Measuring the model twice"):
            cost = _cost(RunFolder(run.path), step)
        st.table(pd.DataFrame(cost_rows(cost), columns=["", *CostRow._fields[1:]]).set_index(""))
        st.markdown(in_words(cost))
        if text is None or text.active:
            st.caption("Generate a text above, and this shows what the integers write with the same seed.")
        else:
            with states.loading("Generating the text once more"):
                _show_beside(text, _texts.get((text.id, len(text.tokens)), lambda: _with_integers(text)))
    except (ValueError, OSError) as error:
        states.failed(error)


def _cost(folder: RunFolder, step: int | None) -> Int8Cost:
    """What is measured of this checkpoint; kept, so that showing it again is immediate."""
    return _costs.get(
        folder.weights_version(step), lambda: compute.finish(int8_cost.steps(open_run(folder.path, step)))
    )


def _with_integers(text: Generation) -> str:
    """The same prompt, settings and seed, as many tokens at most."""
    run = text.open_run()
    model = compute.run(quantised, run.model)
    drawn = stream(model, run.tokenizer, text.prompt, text.config, choices=text.choices)
    return text.prompt + "".join(token.text for token in compute.iterate(islice(drawn, len(text.tokens))))


def _show_beside(text: Generation, with_integers: str) -> None:
    same = next((at for at, (one, other) in enumerate(zip(text.text, with_integers, strict=False)) if one != other),
                min(len(text.text), len(with_integers)))  # fmt: skip
    if text.text == with_integers:
        st.markdown("With the integers, the same seed writes the same text as above.")
        return
    st.markdown(f"With the integers, the same seed writes the same for {same:,} characters, then goes another way:")
    st.code(with_integers, language=None, wrap_lines=True)
