"""The texts that a run has generated: each with everything it was made of, to be opened again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from components.shared.session import Session
from llm.checkpoints import RunFolder
from llm.config import SamplingConfig, describe

NEWEST = 50  # of the texts, shown


def kept_texts(folder: RunFolder, open_again: Callable[[dict[str, Any], SamplingConfig], None]) -> None:
    """The texts of this run, newest first; a button opens one again with its settings, if these are known."""
    if st.session_state.pop(Session.GENERATE_OPENED, False):
        st.toast("The text is shown at the top, with its step and settings", icon=":material/arrow_upward:")
    samples = folder.samples()
    if not samples:
        st.caption("None yet: a text that you generate is saved when it is complete.")
    for number, sample in reversed(list(enumerate(samples))[-NEWEST:]):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(" · ".join(about_sample(sample)))
            config = sampling_of(sample)
            key = Session.GENERATE_OPEN.of(folder.id, str(number))
            if config is not None and config.seed is not None and st.button(
                "Open with its settings", key=key, type="tertiary", on_click=open_again, args=(sample, config)
            ):  # fmt: skip
                st.session_state[Session.GENERATE_OPENED] = True  # said by the next run: a toast of this one is lost
                st.rerun()  # all of the page: the step stands outside of this fragment
        st.text(sample["text"])


def sampling_of(sample: dict[str, Any]) -> SamplingConfig | None:
    """The settings of a kept text; None if they are not known, or cannot be."""
    known = sample.get("sampling") or {}
    try:
        return SamplingConfig(**{name: value for name, value in known.items() if name in describe(SamplingConfig)})
    except ValueError:
        return None


def choices_of(sample: dict[str, Any]) -> dict[int, int]:
    """The tokens of a kept text that were chosen, by position."""
    choices = sample.get("choices") or {}
    return {int(position): token for position, token in choices.items() if position.isdecimal() and type(token) is int}


def about_sample(sample: dict[str, Any]) -> Iterator[str]:
    """What is known of a text: its step, each setting that is not off, and its time."""
    if sample.get("step") is not None:
        yield f"Step {sample['step']:,}"
    config = sampling_of(sample)
    if config is not None:
        for name, field in describe(SamplingConfig).items():
            value = getattr(config, name)
            if isinstance(value, tuple):
                if value:
                    yield f"{len(value)} {name} string{'s' * (len(value) > 1)}"
            elif name == "temperature" or value != field.default:
                yield f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
    if choices_of(sample):
        yield f"{len(choices_of(sample))} of its tokens chosen"
    if sample.get("created") is not None:
        yield time.strftime("%d %b %H:%M", time.localtime(sample["created"]))
