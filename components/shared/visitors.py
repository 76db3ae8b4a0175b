"""Who can reach this server: this machine only, or others over a network."""

from __future__ import annotations

import streamlit as st

LOCAL = ("localhost", "127.0.0.1", "::1")


def only_this_machine() -> bool:
    """Whether only this machine can reach the server."""
    return st.get_option("server.address") in LOCAL
