"""The choice of an intervention: its controls, its settings in the address, and how it reads in words."""

from __future__ import annotations

from typing import cast

import streamlit as st

from components.shared.controls import choose_one, escape_token, remembered
from components.shared.parameters import Query, check_choice, int_param, require_natural
from components.shared.select_box import select_box
from components.shared.selection import Selection
from components.shared.session import Address, forget
from components.views.intervene.figures import WINDOWS
from llm.interpret.attention_override import AttentionOverride, Target
from llm.interpret.intervention import Intervention

KINDS = {"zero": "zero", "mean": "its mean"}
SCALES = ["0", "0.25", "0.5", "0.75", "1", "1.5", "2"]
OVERRIDES = {
    "": "As it is",
    "itself": "To itself",
    "previous": "To the previous token",
    "first": "To the first token",
    "evenly": "Evenly to all",
    "token": "To one token",
}
ALL = "all"  # rows of a pattern
SETTINGS = (  # in the order of the address
    Address.OFF, Address.KIND, Address.SCALE, Address.ATTENTION, Address.LAYER, Address.HEAD, Address.ROW, Address.KEY,
)  # fmt: skip


def choose(selection: Selection) -> tuple[Selection, Query]:
    """Choose what is switched off, what replaces it, and whether a head's attention is overridden."""
    settings: dict[str, str] = {Address.OFF: st.query_params.get(Address.OFF, "")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        settings[Address.KIND] = choose_one(
            "inside", Address.KIND, "Replace what is switched off with", KINDS, "zero",
            help=f"The mean is taken over {WINDOWS} windows of the run's held-out text",
        )  # fmt: skip
        settings[Address.SCALE] = st.select_slider(
            "Scale", SCALES, format_func=_scale_name, key=remembered("inside", Address.SCALE, "0", SCALES), width=240,
            help="0: the part is off. 1: nothing changes. 2: its output is doubled", persist_state="session",
        )  # fmt: skip
        settings[Address.ATTENTION] = st.selectbox(
            "Redirect a head's attention", list(OVERRIDES), format_func=OVERRIDES.__getitem__, width=210,
            key=remembered("inside", Address.ATTENTION, "", list(OVERRIDES)), persist_state="session",
        )  # fmt: skip
    if settings[Address.ATTENTION]:
        settings |= _choose_edit(selection, settings[Address.ATTENTION])
    settings = {name: settings[name] for name in SETTINGS if settings.get(name)}
    st.query_params.update(settings)
    forget(*(name for name in SETTINGS if name not in settings))
    return selection, settings


def _choose_edit(selection: Selection, override: str) -> dict[str, str]:
    """Choose the head, the rows of its attention pattern, and the token to attend to."""
    config, labels = selection.run().config, selection.labels()
    positions = [str(position) for position in range(len(labels))]
    choices = {
        Address.LAYER: [str(layer) for layer in range(config.n_layers)],
        Address.HEAD: [str(head) for head in range(config.n_heads)],
        Address.ROW: [ALL, *positions],
    } | ({Address.KEY: positions} if override == "token" else {})
    titles = {
        Address.LAYER: "Layer",
        Address.HEAD: "Head",
        Address.ROW: "Which query token",
        Address.KEY: "Which key token",
    }

    def label_of(option: str) -> str:
        return "every token" if option == ALL else f"{option} · {escape_token(labels[int(option)])}"

    chosen: dict[str, str] = {}
    with st.container(horizontal=True):
        for name, allowed in choices.items():
            label, width = (label_of, 200) if name in (Address.ROW, Address.KEY) else (str, 110)
            options = {option: label(option) for option in allowed}
            key = remembered("inside", name, allowed[0], allowed)
            chosen[name] = select_box(titles[name], options, key, width=width, persist_state="session")
    return chosen


def _scale_name(scale: str) -> str:
    return {"0": "0 (off)", "1": "1 (as it is)"}.get(scale, scale)


def keep_off(off: str | None) -> None:
    """Store which parts are switched off."""
    if off is not None:
        st.query_params[Address.OFF] = off


def intervention_of(query: Query) -> Intervention:
    """Parse the intervention in a query. `off` as "0.1,2.m": layer 0's head 1 and layer 2's MLP.

    Raises:
        ValueError: a parameter is not one of its possible values; whether the parts exist is checked later.
    """
    heads, mlps = [], []
    for name in query.get(Address.OFF, "").split(",")[:4096]:
        index, _, which = name.partition(".")
        if name and which == "m":
            mlps.append(require_natural(Address.OFF, index))
        elif name:
            heads.append((require_natural(Address.OFF, index), require_natural(Address.OFF, which)))
    scale = float(check_choice(Address.SCALE, query.get(Address.SCALE, "0"), SCALES))
    target, override = query.get(Address.ATTENTION, ""), None
    if target:
        row = None if query.get(Address.ROW, ALL) == ALL else int_param(query, Address.ROW)
        layer, head, key = (int_param(query, name) for name in (Address.LAYER, Address.HEAD, Address.KEY))
        target = check_choice(Address.ATTENTION, target, list(filter(None, OVERRIDES)))
        override = AttentionOverride(layer, head, cast(Target, target), row, key)
    mean = query.get(Address.KIND) == "mean"
    return Intervention(tuple(sorted(set(heads))), tuple(sorted(set(mlps))), scale, mean, override)


def describe(intervention: Intervention) -> str:
    """The intervention in words."""
    parts = [f"head {layer}.{head}" for layer, head in intervention.heads]
    parts += [f"MLP {layer}" for layer in intervention.mlps]
    phrases = []
    if parts:
        instead = f"its mean over {WINDOWS} windows of held-out text" if intervention.mean else "zero"
        how = (
            f"replaced by {instead}"
            if intervention.scale == 0
            else f"moved to {intervention.scale:g} × its distance from {instead}"
        )
        phrases.append(f"{', '.join(parts)}: output {how}")
    if (override := intervention.override) is not None:
        who = "every token" if override.query is None else f"the token at {override.query}"
        target = f"to the token at {override.key}" if override.target == "token" else OVERRIDES[override.target].lower()
        phrases.append(f"head {override.layer}.{override.head}: the attention of {who} goes {target}")
    return "; ".join(phrases) or "Nothing is altered yet: switch a part off"
