"""Generate: have any checkpoint of any run continue a text, and see how sure it was of each token."""

import time

import streamlit as st

from components import forms, places, states
from components.help import explain
from components.tokens import writing
from llm import generations
from llm.checkpoints import RunFolder, RunSummary, list_runs
from llm.config import SamplingConfig, describe

SHOWN = ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "stop")


def choose_run() -> RunSummary | None:
    """A run, by a label that can be read; the address remembers it."""
    found = {run.id: run for run in list_runs(places.checkpoints()) if run.state != "damaged"}
    wanted = st.query_params.get("run")
    if not found:
        states.empty("No run yet", "A text is written by a model, and a model has to be trained first: a minute is "
                     "enough.", "train.py", "Train your first model")  # fmt: skip
        return None
    if wanted is not None and wanted not in found:
        states.failed(f"There is no run {wanted[:80]} in {places.checkpoints()}; choose one of these.")
    ids = list(found)
    run_id = st.selectbox(
        "Run", ids, index=ids.index(wanted) if wanted in found else 0, format_func=lambda one: found[one].label,
        on_change=lambda: [st.query_params.pop(name, None) for name in ("step", "prompt", "text")],
    )  # fmt: skip
    st.query_params["run"] = run_id
    return found[run_id]


def choose_step(folder: RunFolder) -> int | None:
    """A step of the run: its end (or best, or newest), or any snapshot."""
    losses = {row["step"]: row["evaluation"]["loss"] for row in folder.read_metrics().rows if row["evaluation"]}
    newest = "The end of the run" if folder.has("final") else "The best so far"
    steps: list[int | None] = [None, *reversed(folder.snapshots())]

    def label(step: int | None) -> str:
        if step is None:
            return newest
        loss = f" · validation loss {losses[step]:.2f}" if step in losses else ""
        return f"Step {step:,}{' · untrained' if step == 0 else loss}"

    wanted = st.query_params.get("step", "")
    index = steps.index(int(wanted)) if wanted.isdigit() and int(wanted) in steps else 0
    step = st.selectbox(
        "Step", steps, index=index, format_func=label, help="Earlier snapshots write as the model did then"
    )
    if step is None:
        st.query_params.pop("step", None)
    else:
        st.query_params["step"] = str(step)
    return step


def choose_sampling() -> SamplingConfig:
    """The sampling's fields, the common ones first. Raises ValueError for a value that cannot be."""
    values = {name: field.default for name, field in describe(SamplingConfig).items()}
    chosen = forms.fields(SamplingConfig, SHOWN[:4], values, "sampling", columns=4)
    with st.expander("More sampling settings", icon=":material/tune:"):
        chosen |= forms.fields(SamplingConfig, SHOWN[4:], values, "sampling", columns=4)
    return SamplingConfig(**chosen)


def page() -> None:
    """Run and step, prompt and settings, the text as it is written, and the texts kept before."""
    st.title("Generate")
    left, right = st.columns([3, 2])
    with left:
        run = choose_run()
    if run is None:
        return
    folder = RunFolder(run.path)
    with right:
        step = choose_step(folder)
    first = st.query_params.get("prompt", str(folder.config().raw.get("prompt", "")))
    prompt = st.text_area("Prompt", first, key=f"generate-prompt-{run.id}", height=90,
                          help="The text to continue. Empty: start from nothing")  # fmt: skip
    st.query_params["prompt"] = prompt
    try:
        config = choose_sampling()
    except ValueError as error:
        states.failed(error)
        return
    current = generations.get(st.query_params.get("text", ""))
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Generate", type="primary", icon=":material/edit_note:", key="generate-start"):
            if current is not None:
                current.stop()
            current = generations.start(run.path, step, prompt, config)
            st.query_params["text"] = current.id
        active = current is not None and current.active
        if st.button("Stop", icon=":material/stop:", key="generate-stop", disabled=not active) and current is not None:
            current.stop()
        explain("How is a token chosen?", "probability", "temperature")
    if current is not None:
        writing(current.id, current.prompt, current.state, key=f"writing-{current.id}")
    else:
        st.caption("The text appears here token by token, shaded by how sure the model was of each.")
    history(folder)


def history(folder: RunFolder) -> None:
    """The texts that this run has written, newest first."""
    kept = folder.samples()
    if not kept:
        return
    with st.expander(f"Texts kept of this run ({len(kept)})", icon=":material/history:"):
        for sample in reversed(kept[-50:]):
            when = time.strftime("%d %b %H:%M", time.localtime(sample["created"]))
            st.caption(f"Step {sample['step']:,} · temperature {sample['sampling']['temperature']:g} · {when}")
            st.text(sample["text"])


page()
