"""Presets: two to four recipes of models beside each other, and why each part is as it is."""

import streamlit as st

from components.preset_table import preset_table
from components.shared import states
from components.shared.select_box import multi_select, picked
from components.shared.session import Address, Session
from llm.presets import ARCHITECTURES, SIZE_DESCRIPTIONS, SIZES, TITLES
from llm.presets.comparison import FIRST, MOST, compare_presets

SEPARATOR = "."


def page() -> None:
    """Choose presets and a size; a table of what differs."""
    st.title("Presets")
    st.markdown(
        "What is different about GPT-2, Llama 3 or Gemma? Choose two to four presets: the table has only the settings "
        "in which they differ, with the reason and the paper. Each of them can be trained here, and changed."
    )
    wanted = st.query_params.get(Address.PRESETS, SEPARATOR.join(FIRST)).split(SEPARATOR)
    known = [name for name in dict.fromkeys(wanted) if name in ARCHITECTURES][:MOST]
    if known != wanted and wanted != [""]:
        states.failed(f"This link does not name presets as it should: known are {', '.join(ARCHITECTURES)}.")
    chosen = multi_select("Presets", TITLES, Session.PRESETS, known, max_selections=MOST, on_change=keep_picked,
                          placeholder=f"Choose 2 to {MOST} presets")  # fmt: skip
    st.query_params[Address.PRESETS] = SEPARATOR.join(chosen)
    size = st.segmented_control("Size", list(SIZES), default="small", required=True, key=Session.PRESETS_SIZE)
    st.caption(SIZE_DESCRIPTIONS[size])
    try:
        rows = compare_presets(chosen, size)
    except ValueError:
        st.info("Choose two presets or more.")
        return
    if not rows:
        st.info("These presets do not differ.")
        return
    preset_table(chosen, rows)
    st.caption(f"{len(rows)} settings differ." if len(rows) > 1 else "1 setting differs.")
    st.caption("All of these predict the next token. By contrast, BERT sees both sides of a token and fills in masked "
               "ones: train any preset with *What a token sees* set to bidirectional.")  # fmt: skip
    st.page_link("train.py", label="Train one of them", icon=":material/model_training:")


def keep_picked() -> None:
    """Keep the choice in the address."""
    st.query_params[Address.PRESETS] = SEPARATOR.join(picked(Session.PRESETS))


page()
