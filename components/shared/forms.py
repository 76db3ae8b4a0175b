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


def wrapping_fields(config: type, names: Iterable[str], values: dict[str, Any], key: str, width: int) -> dict[str, Any]:
    """As `fields`, each so many pixels wide: as many stand beside each other as there is room for."""
    chosen: dict[str, Any] = {}
    row = st.container(horizontal=True)
    for name in names:
        with row, st.container(width=width):
            chosen[name] = _field(config, name, values[name], key)
    return chosen


def all_fields(
    config: type, values: dict[str, Any], key: str, title: str, usual: str, first: Sequence[str] = ()
) -> dict[str, Any]:
    """Show a control for each field of `config` that has a starting value; returns the chosen values.

    All are in a section, but for the `first` ones, which stand above it. A starting value may be a function of the
    values chosen so far. Below the section stands what differs from them, also where the tab remembers it from an
    earlier visit; `usual` says whose values they are.
    """
    chosen: dict[str, Any] = {}
    changed: dict[str, Any] = {}  # the starting values of the fields that have another

    def show(names: Iterable[str]) -> None:
        row = st.container(horizontal=True, vertical_alignment="bottom")
        for name in names:
            start = values[name](chosen) if callable(values[name]) else values[name]
            with row, st.container(width=FIELD_WIDTH):
                chosen[name] = _field(config, name, start, key, marked=True)
            if chosen[name] != start:
                changed[name] = start

    if first:
        show(first)
    with st.expander(title, icon=":material/tune:"):
        for group, names in GROUPS[config.__name__].items():
            if rest := [name for name in names if name in values and name not in first]:
                st.markdown(f"**{group}**")
                show(rest)
    if changed:
        with st.container(horizontal=True, vertical_alignment="center"):
            differing = ", ".join(f"{name} {chosen[name]} instead of {start}" for name, start in changed.items())
            st.text(f"Changed from {usual}: {differing}")
            st.button("Reset", icon=":material/undo:", type="tertiary", key="-".join((key, "reset")), on_click=_reset,
                      args=(config, changed, key))  # fmt: skip
    return chosen


def _reset(config: type, starts: dict[str, Any], key: str) -> None:
    for name, start in starts.items():
        st.session_state[control_key(key, name, start)] = _in_control(describe(config)[name], start)


def _field(config: type, name: str, value: Any, key: str, marked: bool = False) -> Any:
    field, at = describe(config)[name], control_key(key, name, value)
    start = _in_control(field, value)
    mark = " :orange-badge[changed]" if marked and st.session_state.get(at, start) != start else ""
    return control(field, f"{PLAIN_NAMES[config.__name__][name]}{mark} `{name}`", value, at)


def control_key(key: str, name: str, value: Any) -> str:
    """The session key of a field's control that starts at `value`: another preset's default makes a new control."""
    return f"{key}-{name}-{value}"


def control(field: FieldDescription, text: str, value: Any, key: str) -> Any:
    """Show the control that fits the field's type, labelled with a text. An empty optional field is None.

    The tab keeps what was chosen, also while another page or another preset is shown.
    """
    more: dict[str, Any] = {"help": field.help, "key": key, "persist_state": "session"}
    start = _in_control(field, value)
    if field.choices:
        return st.selectbox(text, field.choices, index=field.choices.index(start), **more)
    if field.kind is bool:
        return st.toggle(text, start, **more)
    if field.optional:  # a field that begins with a number in Streamlit cannot be emptied
        st.session_state.setdefault(key, start)
        start = None
    if field.kind is int:
        return st.number_input(text, value=start, step=1, placeholder="off", **more)
    if field.kind is float:
        return st.number_input(text, value=start, step=_stride(value), format="%g", placeholder="off", **more)
    if field.kind is tuple:
        more["help"] = f"{field.help}, one per line"
        lines = st.text_area(text, start, height=68, **more)
        return tuple(line for line in lines.split("\n") if line)
    return st.text_input(text, start, **more)


def _in_control(field: FieldDescription, value: Any) -> Any:
    """A field's value as its control has it."""
    if field.kind is tuple:
        return "\n".join(value)
    return float(value) if field.kind is float and value is not None else value


def _stride(value: float | None) -> float:
    """The increment of the control's buttons, in proportion to the value."""
    if not value:
        return 0.1
    return float(f"1e{len(str(int(value))) - 2}") if value >= 1 else float(f"{value / 10:.0e}")
