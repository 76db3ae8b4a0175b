"""Controls for the fields of a config: help, choices and limits come from the dataclass, plain names from a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from components.shared.field_names import GROUPS, PLAIN_NAMES
from llm.config import FieldDescription, describe

FIELD_WIDTH = 295  # pixels: three stand beside each other on a wide page, one below the other on a narrow one


def fields(
    config: type, names: Iterable[str], values: dict[str, Any], key: str, widths: Sequence[float] = (1, 1, 1)
) -> dict[str, Any]:
    """Show a control for each of these fields of `config`, in rows, starting at `values`; returns the chosen values.

    `widths` are the relative widths of a row's columns.
    """
    names = list(names)
    chosen: dict[str, Any] = {}
    for start in range(0, len(names), len(widths)):
        row = st.columns(widths, vertical_alignment="bottom")
        for place, name in zip(row, names[start : start + len(widths)], strict=False):
            with place:
                chosen[name] = _field(config, name, values[name], key)
    return chosen


def all_fields(config: type, values: dict[str, Any], key: str) -> dict[str, Any]:
    """Show a control for each field of `config` that has a starting value, in groups; returns the chosen values.

    A starting value may be a function of the values chosen so far.
    """
    chosen: dict[str, Any] = {}
    for title, names in GROUPS[config.__name__].items():
        st.markdown(f"**{title}**")
        row = st.container(horizontal=True, vertical_alignment="bottom")
        for name in names:
            if name in values:
                value = values[name](chosen) if callable(values[name]) else values[name]
                with row, st.container(width=FIELD_WIDTH):
                    chosen[name] = _field(config, name, value, key)
    return chosen


def _field(config: type, name: str, value: Any, key: str) -> Any:
    label = f"{PLAIN_NAMES[config.__name__][name]} `{name}`"
    return control(describe(config)[name], label, value, control_key(key, name, value))


def control_key(key: str, name: str, value: Any) -> str:
    """The session key of a field's control that starts at `value`: another preset's default makes a new control."""
    return f"{key}-{name}-{value}"


def control(field: FieldDescription, text: str, value: Any, key: str) -> Any:
    """Show the control that fits the field's type, labelled with a text. An empty optional field is None.

    The tab keeps what was chosen, also while another page or another preset is shown.
    """
    more: dict[str, Any] = {"help": field.help, "key": key, "persist_state": "session"}
    if field.choices:
        return st.selectbox(text, field.choices, index=field.choices.index(value), **more)
    if field.kind is bool:
        return st.toggle(text, value, **more)
    if field.kind is int:
        return st.number_input(text, value=value, step=1, placeholder="off", **more)
    if field.kind is float:
        number = None if value is None else float(value)
        return st.number_input(text, value=number, step=_stride(value), format="%g", placeholder="off", **more)
    if field.kind is tuple:
        more["help"] = f"{field.help}, one per line"
        lines = st.text_area(text, "\n".join(value), height=68, **more)
        return tuple(line for line in lines.split("\n") if line)
    return st.text_input(text, value, **more)


def _stride(value: float | None) -> float:
    """The increment of the control's buttons, in proportion to the value."""
    if not value:
        return 0.1
    return float(f"1e{len(str(int(value))) - 2}") if value >= 1 else float(f"{value / 10:.0e}")
