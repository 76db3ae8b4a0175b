"""Links to a text on the page Generate: its run, step, prompt and settings, the seed it was drawn with, and choices.

So a link opens the same text: if the server has it no more, it is generated again, from the same settings and seed.
Any web page can open a link in a user's browser, so a long text is not begun by one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

from components.shared.parameters import parse_natural
from components.shared.sampling_form import in_address
from components.shared.session import Address, forget
from llm.background import generations
from llm.background.generations import Generation
from llm.checkpoints import RunFolder
from llm.config import SamplingConfig, describe

DEFAULTS = {name: field.default for name, field in describe(SamplingConfig).items()}
MOST_TOKENS = 2_000
CHOICE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)


def keep_in_address(text: Generation, step: int | None, prompt: str, config: SamplingConfig) -> None:
    """Name this text in the address if its other settings are those on the page."""
    if text.made_with(step, prompt, config):
        st.query_params[Address.WRITTEN] = _name(text)
    else:
        forget(Address.WRITTEN)


def link(text: Generation) -> str:
    """The address, seen from any page, that opens this text with its step and settings, whatever its page shows."""
    kept = text.step if text.step in RunFolder(text.path).snapshots() else text.asked_step
    settings = {name: value for name, value in in_address(vars(text.config), DEFAULTS).items() if value}
    query: dict[str, str] = {Address.RUN: text.path.name, Address.PROMPT: text.prompt}
    query |= settings | {Address.WRITTEN: _name(text)} | ({} if kept is None else {Address.STEP: str(kept)})
    return f"generate?{urlencode(query)}"


def _name(text: Generation) -> str:
    """Seed and choices of a text, for the address."""
    return ".".join((str(text.config.seed), *(f"{position}-{token}" for position, token in text.choices.items())))


def text_in_address(path: Path, step: int | None, prompt: str, config: SamplingConfig) -> Generation | None:
    """The text that the address names, generated again if need be; None if it names none."""
    found = parse_text(st.query_params.get(Address.WRITTEN, ""))
    if found is None:
        return None
    seed, choices = found
    settings = path, step, prompt, replace(config, seed=seed), choices
    if config.max_new_tokens <= MOST_TOKENS:
        return generations.find_or_start(*settings)
    text = generations.find(*settings)
    if text is None:
        st.caption(f"A link starts a text of at most {MOST_TOKENS:,} tokens; for a longer one, press *Generate*.")
    return text


def parse_text(text: str) -> tuple[int, Mapping[int, int]] | None:
    """Seed and choices of a text as the address has them; None for anything else."""
    first, *rest = text.split(".")
    seed, choices = parse_natural(first, 16), [CHOICE.fullmatch(part) for part in rest]
    if seed is None or not all(choices):
        return None
    return seed, {int(choice[1]): int(choice[2]) for choice in choices if choice}
