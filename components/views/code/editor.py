"""An editor on a copy of a layer's code: guess what a change does, try it in a process of its own, and see."""

from __future__ import annotations

import math
from pathlib import Path

import streamlit as st

from components.shared import states
from llm.trace.layers import LayerTrace
from llm.trace.sandbox import Trial, forward_source, try_edit

LOCAL = ("localhost", "127.0.0.1", "::1")
MONOSPACE = '<style>[class*="st-key-code-edit-"] textarea { font-family: monospace; font-size: 0.85rem; }</style>'
GUESSES = {"rises": "Loss rises", "same": "Loss stays the same", "falls": "Loss falls", "breaks": "It breaks"}

# what to try, and the change that does it where the code has such a line
SUGGESTIONS = {
    "Drop the scale": (" / math.sqrt(self.d_head)", ""),
    "Forget the mask": ("scores.masked_fill(_future(scores), -torch.inf)", "scores"),
    "Swap two axes": ("-> batch head pos d_head", "-> batch head d_head pos"),
    "Do not centre": ("centred = x - mean", "centred = x"),
    "Forget γ": (" * self.w", ""),
    "Leave out the non-linearity": ('pre * _normal_cdf(pre) if self.activation == "gelu" else pre.clamp(min=0)', "pre"),
    "Leave out the gate": ("gate * pre", "pre"),
    "Leave out attention": ("resid = resid + attention_out", "resid = resid"),
    "Leave out the MLP": ("resid = resid + mlp_out", "resid = resid"),
}


def editor(run: Path, step: int | None, text: str, trace: LayerTrace) -> None:
    """The editor of one layer's `forward`; off unless this server is for this machine alone."""
    if st.get_option("server.address") not in LOCAL:
        st.caption("The editor is off: this server can be reached from other machines, and whoever edits code here "
                   "runs it on this one. It is on with `--server.address localhost`.")  # fmt: skip
        return
    original = forward_source(trace)
    key = f"code-edit-{trace.class_name}"
    st.caption(f"A copy of the forward pass of every {trace.class_name} in this model. It runs in a process apart, "
               "with little time and memory; the files and the model stay as they are.")  # fmt: skip
    with st.container(horizontal=True):
        for name, (old, new) in SUGGESTIONS.items():
            if old in original:
                st.button(name, key=f"{key}-{name}", on_click=_put, args=(key, original.replace(old, new, 1)))
        st.button("Start again", key=f"{key}-reset", icon=":material/undo:", on_click=_put, args=(key, original))
    st.html(MONOSPACE)
    code = st.text_area("Code", original, key=key, height=340, label_visibility="collapsed")
    guess = st.segmented_control("Your guess", list(GUESSES), format_func=GUESSES.__getitem__, key=f"{key}-guess")
    if st.button("Try it", type="primary", icon=":material/experiment:", key="code-try", disabled=guess is None,
                 help="First guess, then try"):  # fmt: skip
        try:
            with states.loading("Running the edited code in a process of its own"):
                trial = try_edit(run, step, text, trace, code)
        except (ValueError, OSError) as error:
            states.failed(error)
            return
        _show(trial, guess)


def _put(key: str, code: str) -> None:
    st.session_state[key] = code


def _show(trial: Trial, guess: str | None) -> None:
    """The outcome beside the guess, then what broke and where."""
    happened = outcome(trial)
    verdict = "You guessed it." if happened == guess else f"Your guess was: {GUESSES.get(guess or '', '')}."
    st.markdown(f"**{GUESSES[happened]}.** {verdict}")
    if trial.loss_before is not None and trial.loss_after is not None:
        before, after = st.columns(2)
        before.metric("Loss on this text, as it is", f"{trial.loss_before:.4f}")
        after.metric("With the edit", f"{trial.loss_after:.4f}", f"{trial.loss_after - trial.loss_before:+.4f}",
                     delta_color="inverse")  # fmt: skip
    if trial.error is not None:
        where = f"line {trial.error_line}: " if trial.error_line is not None else ""
        states.failed(f"{where}{trial.error}")
    if trial.first_change is not None:
        st.text(f"First change, line {trial.first_change.line}: {trial.first_change.text}")
    for remark in trial.shapes:
        st.text(f"Shape, line {remark.line}: {remark.text}")


def outcome(trial: Trial) -> str:
    """Which of the guesses came true."""
    if trial.error is not None or (trial.loss_after is not None and not math.isfinite(trial.loss_after)):
        return "breaks"
    if trial.loss_before is None or trial.loss_after is None or abs(trial.loss_after - trial.loss_before) < 1e-6:
        return "same"
    return "rises" if trial.loss_after > trial.loss_before else "falls"
