"""Links from a run to the pages that use it."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from components.shared import folders
from components.shared.runs_choice import joined
from components.shared.session import Address, Session
from llm.checkpoints import RUN_ID
from llm.runs.origin import Branched

PAGES = {  # label, icon, and the name of the run in the page's address
    "train.py": ("Train", ":material/model_training:", Address.RUN),
    "generate.py": ("Generate", ":material/edit_note:", Address.RUN),
    "compare.py": ("Compare", ":material/compare_arrows:", Address.RUNS),
    "attention.py": ("Attention", ":material/visibility:", Address.RUN),
    "circuit.py": ("Circuit", ":material/account_tree:", Address.RUN),
    "inside.py": ("Inside", ":material/biotech:", Address.RUN),
    "code.py": ("Code", ":material/code:", Address.RUN),
}
ON_TRAIN = ("compare.py", "attention.py", "circuit.py")


def links(run_id: str, origin: Branched | None) -> None:
    """On the page Train: a button to generate text with the run, and links to compare it and to look inside it."""
    if st.button("Generate text", icon=":material/edit_note:", key=Session.TRAIN_GENERATE):
        st.switch_page("generate.py", query_params={Address.RUN.value: run_id})
    page_links(run_id, origin, ON_TRAIN)


def page_links(run_id: str, origin: Branched | None, pages: Iterable[str] = PAGES) -> None:
    """A link to each of these pages, which then shows the run, and Compare beside it the run that it goes on from."""
    compared = [run_id]
    if origin is not None and RUN_ID.fullmatch(origin.run) and (folders.checkpoints() / origin.run).is_dir():
        compared.insert(0, origin.run)
    for page in pages:
        label, icon, name = PAGES[page]
        st.page_link(page, label=label, icon=icon,
                     query_params=[(name, joined(compared) if name == Address.RUNS else run_id)])  # fmt: skip
