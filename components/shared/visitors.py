"""Who can reach this server: this machine only, or others over a network."""

from __future__ import annotations

import os

import streamlit as st

from llm.runtime.hosts import is_loopback

PASSWORD = "LLM_PASSWORD"  # the environment variable


def password() -> str | None:
    """The password that visitors must give. None: only this machine gets answers."""
    return os.environ.get(PASSWORD) or None


def only_this_machine() -> bool:
    """Whether only this machine can reach the server. With a password, others are expected."""
    return is_loopback(st.get_option("server.address") or "") and password() is None
