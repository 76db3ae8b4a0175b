"""What the app is made of: views, forms and page states, and the read-only routes that feed them.

Every page imports this package, so this is where a server without the guard is refused: `streamlit run pages/train.py`
would answer whoever the guard turns away.
"""

import sys
import threading

import streamlit as st

from llm.runtime.process import process_wide

GUARDED = process_wide("guarded", threading.Event)  # set by `components.guard`

# AppTest, which runs a page without a server, answers nobody
served = st.runtime.exists() and "streamlit.testing.v1.app_test" not in sys.modules
if served and not GUARDED.is_set():
    st.error("A page alone is not protected from other sites and machines. Start the app with "
             "`uv run streamlit run main.py`.")  # fmt: skip
    st.stop()
