"""The router: the list of pages. main.py serves this script, so that a link to any page works as the first request."""

import streamlit as st

from components.shared import states, style
from components.shared.assets import COMPONENTS

ABOUT = "A language model that you can build, train, watch, sample and take apart, with the code that runs."

st.set_page_config(
    page_title="LLM from Scratch",
    page_icon=str(COMPONENTS / "frontend" / "icon.svg"),
    layout="wide",
    menu_items={"About": ABOUT},  # without an item there is no menu, and so no switch between light and dark
)
style.apply()
chosen = st.navigation(
    {
        "": [st.Page("home.py", title="Home", icon=":material/home:", default=True)],
        "Make": [
            st.Page("train.py", title="Train", icon=":material/model_training:", url_path="train"),
            st.Page("runs.py", title="Runs", icon=":material/table_rows:", url_path="runs"),
            st.Page("generate.py", title="Generate", icon=":material/edit_note:", url_path="generate"),
            st.Page("compare.py", title="Compare", icon=":material/compare_arrows:", url_path="compare"),
        ],
        "Look inside": [
            st.Page("presets.py", title="Presets", icon=":material/architecture:", url_path="presets"),
            st.Page("tokenizer.py", title="Tokenizer", icon=":material/text_fields:", url_path="tokenizer"),
            st.Page("code.py", title="Code", icon=":material/code:", url_path="code"),
            st.Page("attention.py", title="Attention", icon=":material/visibility:", url_path="attention"),
            st.Page("circuit.py", title="Circuit", icon=":material/account_tree:", url_path="circuit"),
            st.Page("inside.py", title="Inside", icon=":material/biotech:", url_path="inside"),
        ],
    }
)
try:
    chosen.run()
except OSError as error:  # a disk that fails, or a folder that may not be read
    states.failed(error)
