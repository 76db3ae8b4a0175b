"""Circuit: two heads that copy a name which the model read before, found, explained and broken."""

import streamlit as st

from components.shared import prediction, states
from components.shared.selection import choose_selection
from components.shared.view import show
from components.views.circuit import VIEW
from components.views.circuit.example import choose_example

st.title("Circuit")
st.markdown(
    "How does a model write a name that it has never seen before, or say a row of words again? It looks it up. One "
    "head notes, at every token, which token came before; another, in a later layer, finds the note that it needs, and "
    "copies. Follow one word through your own model: find the two heads, see how they work together, and break them."
)
selection = choose_selection("Circuit", choose_example)
if selection is not None:
    try:
        show(VIEW, selection)
    except (ValueError, OSError) as error:
        states.failed(error)
    prediction.switch()
