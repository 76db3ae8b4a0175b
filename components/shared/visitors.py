"""Who can reach this server: this machine only, or others over a network; and which browser a page is shown in."""

from __future__ import annotations

import os
import re

import streamlit as st

from llm.runtime.hosts import is_loopback

PASSWORD = "LLM_PASSWORD"  # the environment variable
PERSON = "llm_person"  # the cookie that tells one browser from another (`components.guard`)
PERSON_ID = re.compile(r"[\w-]{16,64}", re.ASCII)


def password() -> str | None:
    """The password that visitors must give. None: only this machine gets answers."""
    return os.environ.get(PASSWORD) or None


def only_this_machine() -> bool:
    """Whether only this machine can reach the server. With a password, others are expected."""
    return is_loopback(st.get_option("server.address") or "") and password() is None


def person() -> str:
    """The browser in which the page is shown, by its cookie; empty for one that keeps none."""
    given = str(st.context.cookies.get(PERSON, ""))
    return given if PERSON_ID.fullmatch(given) else ""
