"""Filling in the blanks of a text, in place of generating one: what a model that sees both sides of a token can do."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from components.shared import states
from components.shared.explanation import Explanation
from components.shared.help import explain
from components.shared.session import Address, Session
from components.shared.text_box import text_box
from components.shared.texts import opening
from llm.background.opened import open_run
from llm.checkpoints import RunFolder, RunSummary
from llm.data.masking import Masking
from llm.filling import BLANK, Blank, fill, with_blank
from llm.runtime import compute

FILLING = Explanation(
    "How a blank is filled in",
    "A blank is one token. The model reads a mask token in its place and all that is before and after it; the softmax "
    "of its logits at that position are the probabilities. It was trained on such texts: of each window some tokens "
    "were masked, and the loss is that of these alone. Several blanks are filled in independently of each other.",
    r"p(\text{token} \mid \text{everything else}) = \text{softmax}(z_\text{blank})[\text{token}]",
    (fill, Masking.hide),
    "Devlin et al. 2018, arXiv:1810.04805",
)


def can_write(run: RunSummary) -> bool:
    """Whether the run's model continues texts; a config that cannot be read is reported by what opens it."""
    try:
        return RunFolder(run.path).config().model.causal
    except (ValueError, OSError):
        return True


@st.fragment
def fill_in(run: RunSummary, step: int | None) -> None:
    """Say why the model writes no text; a text with blanks, and for each the likeliest tokens with bars."""
    st.markdown(
        "Each token of this model sees those after it, so it has never learned to predict the next one: it cannot "
        "continue a text. It can **fill in blanks**, from what is before and after them."
    )
    try:
        opened = open_run(run.path, step)
        text = text_box(
            st.text_area, "Text with blanks", Address.PROMPT, Session.GENERATE_BLANKS.of(run.id),
            lambda: with_blank(opened.tokenizer, opening(opened, 20)), height=90,
            help=f"{BLANK} stands for one token, which the model fills in",
        )  # fmt: skip
        blanks = compute.run(fill, opened.model, opened.tokenizer, text)
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    with st.container(horizontal=True):
        for number, blank in enumerate(blanks, 1):
            with st.container(width=360):
                _show(number, blank)
    explain("How is a blank filled in?", FILLING)


def _show(number: int, blank: Blank) -> None:
    """The likeliest tokens of a blank; quotation marks show the spaces in them."""
    table = pd.DataFrame(
        {
            "token": [f"“{candidate.text}”".replace("\n", "↵") for candidate in blank.candidates],
            "probability": [100 * candidate.probability for candidate in blank.candidates],
        }
    )
    st.dataframe(
        table, key=Session.GENERATE_BLANK.of(str(number)), hide_index=True, height="content",
        column_config={
            "token": st.column_config.TextColumn(f"Blank {number}"),
            "probability": st.column_config.ProgressColumn("Probability", format="%.1f%%", min_value=0, max_value=100),
        },
    )  # fmt: skip
