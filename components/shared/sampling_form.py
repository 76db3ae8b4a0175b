"""The sampling settings: a control for each, which the address and the tab keep."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from components.shared import forms
from components.shared.session import Session, keep
from llm.config import SamplingConfig, describe

MOST = 2**53 - 1  # the greatest integer of a browser
LONGEST = 2000  # characters of a value in the address

Draw = Callable[[Mapping[str, Any]], dict[str, Any]]  # shows a control for each value; returns the chosen ones


def choose_sampling(start_key: Session, defaults: Mapping[str, Any], draw: Draw) -> SamplingConfig:
    """Let `draw` show the controls of the settings in `defaults`, from the values that the tab or the address has.

    The address keeps what is not the default. Raises ValueError for an invalid value.
    """
    chosen = draw(st.session_state.setdefault(start_key, sampling_in_address(defaults)))
    config = SamplingConfig(**chosen)
    for name, text in in_address(chosen, defaults).items():
        keep(name, text)
    return config


def in_address(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Each of these settings as the address has it; empty if it is the default, or too long."""
    texts = {name: "\n".join(value) if isinstance(value := values[name], tuple) else str(value) for name in defaults}
    return {name: "" if values[name] == defaults[name] or len(text) > LONGEST else text for name, text in texts.items()}


def sampling_in_address(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the address names, else the defaults; a value that cannot be is left out."""
    found = dict(defaults)
    for name in defaults:
        text = st.query_params.get(name)
        if text is None:
            continue
        kind = describe(SamplingConfig)[name].kind
        try:
            value: Any = None if text == str(None) else tuple(text.split("\n")) if kind is tuple else kind(text)
            dataclasses.replace(SamplingConfig(), **{name: value})
        except ValueError:
            continue
        if kind is tuple or value is None or value <= MOST:
            found[name] = value
    return found


def start_from(start_key: Session, controls_key: str, values: Mapping[str, Any]) -> None:
    """From the next run of the page on, the controls have these values. To be called before they are drawn."""
    st.session_state[start_key] = dict(values)
    for name, value in values.items():
        shown = "\n".join(value) if isinstance(value, tuple) else value
        st.session_state[forms.control_key(controls_key, name, value)] = shown
