"""Code: the source of the forward pass that runs, line by line, beside the tensors of a model and text of one's own."""

from functools import partial

import streamlit as st

from components.shared import states
from components.shared.checkpoint_choice import choose_checkpoint
from components.shared.help import explain
from components.shared.selection import forget
from components.views.code import read_code
from components.views.code.editor import editor
from components.views.code.training_code import training_code
from llm.checkpoints import RunFolder, RunSummary
from llm.interop.standalone import standalone_script
from llm.runtime import compute
from llm.trace.layers import LayerTrace
from llm.trace.reading import Reading, open_reading

BEGINNING = 70  # characters of the run's own text that stand there at first: every tokenizer knows its own text
READ = {"forward": "The forward pass", "training": "Sampling and training"}
PLACE = ("layer", "implementation", "line")


def page() -> None:
    """Run, step and text; then the map and the code."""
    st.title("Code")
    st.markdown(
        "The lines below are the ones that run, read from their files just now. Pick a box of the forward pass, step "
        "through its code, and see what each line makes of your text."
    )
    names = list(READ)
    wanted = st.query_params.get("read", names[0])
    what = st.segmented_control("What to read", names, default=wanted if wanted in READ else names[0], required=True,
                                format_func=READ.__getitem__, key="code-read", label_visibility="collapsed",
                                on_change=lambda: forget(*PLACE))  # fmt: skip
    st.query_params["read"] = what
    checkpoint = choose_checkpoint("Reading the code with live numbers")
    if checkpoint is None:
        return
    run, step = checkpoint
    try:
        first = st.query_params.get("prompt")
        first = RunFolder(run.path).text().strip().split("\n")[0][:BEGINNING] if first is None else first
        text = st.text_input("Text", first, key=f"code-text-{run.id}")
        st.query_params["prompt"] = text
        with states.loading("Opening the model"):
            opened = training_code if what == "training" else open_reading
            key, reading = compute.run(opened, run.path, step, text)
        record(reading)
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    if what == "training":
        show(key, reading)
        return
    summary(reading)
    place = show(key, reading)
    with st.expander("Change a line, and see what breaks", icon=":material/experiment:"):
        editor(run.path, step, text, chosen(reading, place))
    with st.container(horizontal=True, vertical_alignment="center"):
        download(run, reading)
        explain("What is being compared?", "trace", "gradient_of_tensor")


def record(reading: Reading) -> None:
    """Have the model run on the text, a layer at a time, and say how far it is."""
    place = st.empty()
    for share in compute.iterate(reading.record()):
        place.progress(share, "Running the model on the text, forward and back")
    place.empty()


def show(key: str, reading: Reading) -> dict[str, str]:
    """The reader at the place that the address names; returns the place now looked at, and has the address say it."""
    place = read_code(key, reading.layers, reading.config, {name: st.query_params.get(name, "") for name in PLACE})
    for name, value in place.items():
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)
    return place


def chosen(reading: Reading, place: dict[str, str]) -> LayerTrace:
    """The code of the layer and implementation that is looked at; attention where the address names none."""
    layers = reading.layers
    path = "" if place["layer"] == "model" else place["layer"]
    if not place["layer"] or path not in layers:
        path = next(path for path, kind in layers.items() if kind == "Attention")
    implementation = next((name for name in reading.names if name == place["implementation"]), reading.names[0])
    return reading.code(path, implementation)


def download(run: RunSummary, reading: Reading) -> None:
    """This model as one script, in the implementation of one's choice."""
    implementation = st.selectbox("Implementation", list(reading.models), key="code-script", width=180,
                                  label_visibility="collapsed")  # fmt: skip
    # made when asked for, in the thread that traces: Python 3.11 cannot parse in two at once (cpython issue 106905)
    script = partial(compute.run, standalone_script, reading.config, implementation, run.tokenizer or "")
    st.download_button("This model as one script", script, f"{run.id}_{implementation}.py", "text/x-python",
                       icon=":material/download:", key="code-download", on_click="ignore",
                       help="Loads this run's weights and writes text; needs torch and safetensors")  # fmt: skip


def summary(reading: Reading) -> None:
    """The text as the model sees it, and how well it does on it."""
    loss = reading.recorded.loss
    said = f"{len(reading.ids)} tokens"
    said += f" · loss on this text {loss:.3f}" if loss is not None else " · one token alone has no next, so no loss"
    if reading.left_out:
        said += f" · the last {reading.left_out} tokens are left out: it reads {len(reading.ids)} at most"
    st.caption(said)


page()
