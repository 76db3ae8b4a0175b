"""Inside: what a model holds at each layer, what pushes it to a token, and what changes when a part is switched off."""

import streamlit as st

from components.shared import expect, states
from components.shared.answers import choose_one
from components.shared.selection import choose, forget
from components.views import attribution, embeddings, intervene, lens, neurons, patching, residual

VIEWS = {  # name in the address: its label, and what shows it
    "lens": ("Logit lens", lens.show),
    "attribution": ("Attribution", attribution.show),
    "intervene": ("Intervene", intervene.show),
    "patching": ("Patching", patching.show),
    "embeddings": ("Embeddings", embeddings.show),
    "neurons": ("Neurons", neurons.show),
    "residual": ("Residual stream", residual.show),
}


def page() -> None:
    """Run, step and text; then one of the views."""
    st.title("Inside")
    st.markdown(
        "Each token travels through the layers as a vector, the *residual stream*, to which every head and MLP adds "
        "something. Here one sees what it would say on the way, who wrote it, and what happens without them."
    )
    look = choose()
    if look is None:
        return
    view = choose_one(
        "inside", "view", "View", {name: label for name, (label, _) in VIEWS.items()}, "lens",
        label_visibility="collapsed", on_change=forget, args=("locked",),  # what one view holds is not the next one's
    )  # fmt: skip
    try:
        VIEWS[view][1](look)
    except (ValueError, OSError) as error:
        states.failed(error)
    expect.switch()


page()
