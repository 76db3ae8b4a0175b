"""The induction experiment, offered to a person who looks at a run through training: what to choose, where to look."""

from __future__ import annotations

import streamlit as st

STEPS = """
An **induction head** finds the earlier place where the same token stood, and looks at what came after it there. It
takes two layers, one after the other. So train two runs that differ in nothing but that, and compare:

1. Make the text. `uv run python experiments/induction.py --songs songs.txt` writes the story world's stories with a
   skipping song after each: words in random order, each line sung three times, so that only looking back can tell how
   a line goes on.
2. On *Train*, upload it; choose LLaMA, small, the bpe tokenizer and a vocabulary size of 1,024. Under *Every setting of
   the model* set `n_layers` to 2, `n_ctx` to 48 and `rope_theta` to 10,000, and switch `qk_norm` and `tie_embeddings`
   on; under *Every setting of the training* set `steps` to 1,300, `batch_size` to 42 and `schedule` to constant. Start.
3. When it has finished, start the same once more with `n_layers` at 1: the control.
4. Come back to this view, choose the first of the two runs above and the second under *Compare with a one-layer run*,
   and look at the score *induction* beside the two dashed lines. Where the score rises, the loss bends down. Then train
   the first on the stories alone: there, so small a training found other ways.

What three seeds of each did, and what may be said of it, stands in `docs/induction.md`.
"""


def offer() -> None:
    """How to do the experiment with the app's own controls, folded away."""
    with st.expander("An experiment: does an induction head form?", icon=":material/science:"):
        st.markdown(STEPS)
        st.page_link("train.py", label="Go to Train", icon=":material/play_arrow:", query_params={"new": "1"})
