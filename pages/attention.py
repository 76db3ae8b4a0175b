"""Attention: where every head of a model looks, one head with all its arithmetic, and how both grew in training."""

import streamlit as st

from components import attention, attention_experiment, attention_routes
from components.attention_state import ALL, ONE, TRAINING, move_to_step, open_head, open_head_at_step
from components.shared import expect, states
from components.shared.answers import choose_one, hold, numbers, remembered
from components.shared.help import explain
from components.shared.selection import Look, choose, one_layer_runs

VIEWS = {"heads": "All heads", "head": "One head", "training": "Through training"}


def all_heads(look: Look) -> None:
    """Every head's pattern, with its name and score."""
    count = look.run().config.n_layers * look.run().config.n_heads
    question = f"This model has {count} heads. How many give more than half of their attention to one kind of place?"
    if not expect.expect("attention-heads", question, ["None of them", "A few", "About half", "Nearly all"]):
        return
    order = choose_one("attention", "order", "Order", attention.ORDERS, "layer")
    attention.heads_component.mount(key=ALL, data=attention.heads_data(look, order), on_opened_change=open_head)
    if guess := expect.expected("attention-heads"):
        named = sum(label is not None for row in attention_routes.scores_of(look)["label"] for label in row)
        st.markdown(f"You expected: **{guess.lower()}**. Measured: **{named} of {count}**.")
    explain("What do these figures mean?", "attention", *attention_routes.HEAD_SCORES)


def one_head(look: Look) -> None:
    """One head's pattern on the text, with the arithmetic of every cell."""
    answers = ["To itself", "To the token just before", "To the first token", "Further back"]
    question = "The last token of your text looks back. Where will most of its attention go?"
    if not expect.expect("attention-head", question, answers):
        return
    config = look.run().config
    places = {
        "layer": [str(one) for one in range(config.n_layers)],
        "head": [str(one) for one in range(config.n_heads)],
    }
    row = st.container(horizontal=True, vertical_alignment="bottom")
    chosen = {}
    for name, allowed in places.items():
        with row:
            key = remembered("attention", name, "0", allowed)
            chosen[name] = st.selectbox(name.capitalize(), allowed, key=key, width=110)
        st.query_params[name] = chosen[name]
    shown = 5 if config.positional in attention.BY_DISTANCE else 3
    matrices = dict(list(attention.MATRICES.items())[:shown])
    with row:
        matrix = choose_one("attention", "matrix", "Show", matrices, "pattern")
        rest = st.toggle("Hide the first token", st.query_params.get("rest") == "1", key="attention-rest",
                         help="And share the rest out anew, so that each row sums to 1 again")  # fmt: skip
    st.query_params["rest"] = str(int(rest))
    locked = numbers(st.query_params.get("locked", ""), [len(look.tokens)] * 2)
    layer, head = int(chosen["layer"]), int(chosen["head"])
    attention.head_component.mount(
        key=ONE, data=attention.head_data(look, layer, head, matrix, rest, locked),
        on_locked_change=lambda: hold(ONE),
    )  # fmt: skip
    if guess := expect.expected("attention-head"):
        st.markdown(f"You expected: **{guess.lower()}**. {attention_routes.last_look(look, layer, head)}")
    with st.container(horizontal=True):
        explain("What do these figures mean?", "attention", "value_weighted", "position_part")
        explain("Why the first token?", "sink")
        step = {} if look.step is None else {"step": str(look.step)}
        st.page_link("code.py", label="The lines that computed it", icon=":material/code:", query_params={
            "run": look.run_id, **step, "prompt": st.query_params["prompt"], "layer": f"blocks.{layer}.attention",
        })  # fmt: skip


def through_training(look: Look) -> None:
    """A slider over the snapshots, and every head's score beside the loss and the in-context score."""
    question = "When will the heads find their jobs, while the loss falls?"
    answers = ["From the first step", "Little by little", "All at once, somewhere on the way", "Only at the end"]
    if not expect.expect("attention-training", question, answers):
        return
    scores = {name: label for name, label in attention.ORDERS.items() if name != "layer"}
    score = choose_one("attention", "score", "Score", scores, "induction")
    controls = one_layer_runs(look.run_id)
    control = st.selectbox("Compare with a one-layer run", [None, *controls], key="attention-control", width=420,
                           format_func=lambda one: controls.get(one, "none"), disabled=not controls,
                           help="A control: one layer alone cannot form an induction head")  # fmt: skip
    attention.training_component.mount(
        key=TRAINING, data=attention.training_data(look, score, control),
        on_opened_change=open_head_at_step, on_moved_change=move_to_step,
    )  # fmt: skip
    if guess := expect.expected("attention-training"):
        st.markdown(f"You expected: **{guess.lower()}**. See the first chart; dashed: the untrained model.")
    explain("What do these figures mean?", "loss", "in_context", *attention_routes.HEAD_SCORES)
    attention_experiment.offer()


def page() -> None:
    """Run, step and text; then one of the views."""
    st.title("Attention")
    st.markdown(
        "In every layer, each token looks back at earlier ones and takes over what it needs. Each *head* does so in "
        "its own way. Where a head looks says where information **may** flow: not yet that it is used, nor what for."
    )
    look = choose()
    if look is None:
        return
    view = choose_one("attention", "view", "View", VIEWS, "heads", label_visibility="collapsed")
    try:
        {"heads": all_heads, "head": one_head, "training": through_training}[view](look)
    except (ValueError, OSError) as error:
        states.failed(error)
    expect.switch()


page()
