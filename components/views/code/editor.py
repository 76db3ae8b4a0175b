"""An editor on a copy of a layer's code: predict what a change does, try it in a separate process, and see."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import streamlit as st

from components.shared import states
from components.shared.session import Session
from components.shared.visitors import only_this_machine
from llm.trace.layer_trace import LayerTrace
from llm.trace.sandbox import Trial, forward_source, try_edit
from llm.trace.wall import wall_stands

MONOSPACE = '<style>[class*="st-key-code-edit-"] textarea { font-family: monospace; font-size: 0.85rem; }</style>'
WALL = ("A wall of the Linux kernel (seccomp) stands around it: it can compute, with limited time and memory, but "
        "can't open files, use the network or start programs.")  # fmt: skip
NO_WALL = ("Only these ready-made edits can be tried: your own code may only run behind a wall, which needs Linux "
           "with seccomp on an x86-64 or ARM64 processor.")  # fmt: skip
OUTCOMES = {"rises": "Loss rises", "same": "Loss stays the same", "falls": "Loss falls", "breaks": "It breaks"}

# edits to try, by name: the code to replace and its replacement; offered if the layer has that code
SUGGESTIONS = {
    "Remove the scaling": (" / math.sqrt(self.d_head)", ""),
    "Remove the mask": ("scores.masked_fill(hidden, -torch.inf)", "scores"),
    "Swap two axes": ("-> batch head pos d_head", "-> batch head d_head pos"),
    "Do not subtract the mean": ("centred = x - mean", "centred = x"),
    "Remove γ": (" * self.w", ""),
    "Remove the nonlinearity": ("self.activation(pre)", "pre"),
    "Remove the gate": ("gate * pre", "pre"),
    "Remove attention": ("resid = resid + attention_out", "resid = resid"),
    "Remove the MLP": ("resid = resid + mlp_out", "resid = resid"),
}


def editor(run: Path, step: int | None, text: str, trace: LayerTrace) -> None:
    """The editor of one layer's `forward`; off unless only this machine can reach the server.

    Where no wall stands, only the ready-made edits can be tried.
    """
    if not only_this_machine():
        st.caption("The editor is off: other machines can reach this server, and code edited here runs on this one. "
                   "To turn it on, start the app at localhost, without a password.")  # fmt: skip
        return
    walled = wall_stands()
    original = forward_source(trace)
    edits = {name: original.replace(old, new, 1) for name, (old, new) in SUGGESTIONS.items() if old in original}
    key = Session.CODE_EDIT.of(trace.class_name)
    st.caption(f"A copy of the forward pass of every {trace.class_name} in this model. It runs in a separate process; "
               f"the files and the model stay as they are. {WALL if walled else NO_WALL}")  # fmt: skip
    trial_key = partial(Session.CODE_EDIT.of, trace.class_name)
    with st.container(horizontal=True):
        for name, edit in edits.items():
            st.button(name, key=trial_key(name), on_click=_set_code, args=(key, edit))
        st.button("Reset", key=trial_key("reset"), icon=":material/undo:", on_click=_set_code, args=(key, original))
    code = _code(key, original) if walled else _ready_made_code(key, original, edits)
    predicted = st.segmented_control(
        "Your prediction", list(OUTCOMES), format_func=OUTCOMES.__getitem__, key=trial_key("guess")
    )
    undecided = predicted is None
    if st.button("Try it", type="primary", icon=":material/experiment:", key=Session.CODE_TRY, disabled=undecided,
                 help="Predict first, then try"):  # fmt: skip
        try:
            with states.loading("Running the edited code in a separate process"):
                trial = try_edit(run, step, text, trace, code, walled=walled)
        except (ValueError, OSError) as error:
            states.failed(error)
            return
        _show(trial, predicted)


def _code(key: str, original: str) -> str:
    """The edited code, kept for this tab, on other pages too."""
    st.html(MONOSPACE)
    return st.text_area("Code", original, key=key, height=340, label_visibility="collapsed", persist_state="session")


def _ready_made_code(key: str, original: str, edits: dict[str, str]) -> str:
    """The chosen one of the ready-made edits; whatever else the session holds is not run."""
    chosen: str = st.session_state.get(key, original)
    code = chosen if chosen in edits.values() else original
    st.code(code, "python")
    return code


def _set_code(key: str, code: str) -> None:
    st.session_state[key] = code


def _show(trial: Trial, predicted: str | None) -> None:
    """Show the outcome beside the prediction, then what broke and where."""
    actual = outcome(trial)
    verdict = "As you predicted." if actual == predicted else f"You predicted: {OUTCOMES.get(predicted or '', '')}."
    st.markdown(f"**{OUTCOMES[actual]}.** {verdict}")
    if trial.loss_before is not None and trial.loss_after is not None:
        before, after = st.columns(2)
        before.metric("Loss on this text, unedited", f"{trial.loss_before:.4f}")
        after.metric("With the edit", f"{trial.loss_after:.4f}", f"{trial.loss_after - trial.loss_before:+.4f}",
                     delta_color="inverse")  # fmt: skip
    if trial.error is not None:
        where = f"line {trial.error_line}: " if trial.error_line is not None else ""
        states.failed(f"{where}{trial.error}")
    if trial.first_change is not None:
        st.text(f"First change, line {trial.first_change.line}: {trial.first_change.text}")
    for message in trial.wrong_shapes:
        st.text(f"Shape, line {message.line}: {message.text}")


def outcome(trial: Trial) -> str:
    """Which of `OUTCOMES` a trial had."""
    if trial.error is not None or (trial.loss_after is not None and not math.isfinite(trial.loss_after)):
        return "breaks"
    if trial.loss_before is None or trial.loss_after is None or abs(trial.loss_after - trial.loss_before) < 1e-6:
        return "same"
    return "rises" if trial.loss_after > trial.loss_before else "falls"
