"""A select box that identifies a choice by its option, not by the label that was shown for it.

Streamlit identifies a choice by its label. A choice is lost if its label has changed since it was shown, as labels of a
run that trains do, and of equal labels the last one is chosen. Here every label that the tab has shown is mapped to its
option, and equal labels get the option as a prefix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar, cast

import streamlit as st

T = TypeVar("T", bound=Hashable)


def select_box(label: str, options: Mapping[T, str], key: str, default: T | None = None, **more: Any) -> T:
    """Choose one of `options` (shown by their labels); starts with `default`, or with none of them (returns None).

    To choose another, set `st.session_state[key]`. In a callback, `picked` is the choice. No option may be None.
    """
    labels = _distinct(options)
    st.session_state.setdefault(_shown(key), {}).update({text: option for option, text in labels.items()})
    chosen = picked(key)
    if chosen not in labels:
        chosen = default
    if chosen is not None:
        st.session_state[key] = chosen  # also renews its label in the browser
    box = st.selectbox(label, list(labels), index=None if chosen is None else 0, format_func=labels.__getitem__,
                       key=key, **more)  # fmt: skip
    return cast(T, box)


def multi_select(label: str, options: Mapping[T, str], key: str, chosen: Sequence[T], **more: Any) -> list[T]:
    """Choose several of `options` (shown by their labels); starts with those `chosen`.

    In a callback, `picked` is what was chosen.
    """
    labels = _distinct(options)
    st.session_state.setdefault(_shown(key), {}).update({text: option for option, text in labels.items()})
    st.session_state[key] = list(chosen)
    return st.multiselect(label, list(labels), format_func=labels.__getitem__, key=key, **more)


def picked(key: str) -> Any:
    """The option chosen in the box with this key, or the text that was typed; None if there is none.

    Of a `multi_select` a list.
    """
    value, options = st.session_state.get(key), st.session_state.get(_shown(key), {})
    return [options.get(part, part) for part in value] if isinstance(value, list) else options.get(value, value)


def _shown(key: str) -> str:
    """The session key of the labels that the box has shown, with their options."""
    return f"{key}-shown"


def _distinct(options: Mapping[T, str]) -> dict[T, str]:
    count = Counter(options.values())
    return {option: text if count[text] == 1 else f"{option} · {text}" for option, text in options.items()}
