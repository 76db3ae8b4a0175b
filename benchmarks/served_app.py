"""Shared by the benchmarks of the app: a separate server, and a Chromium without background activity."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from components.shared.visitors import PERSON

PROJECT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@contextmanager
def serve(home: Path) -> Iterator[str]:
    """The URL of `streamlit run main.py` on a free port, with its runs in `home`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", str(port)],
        cwd=PROJECT, env=os.environ | {"LLM_HOME": str(home)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not _responds(url):
            if server.poll() is not None:
                raise RuntimeError(f"the server exited with code {server.returncode} before it responded")
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium installed on this machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


def never_ask(home: Path, context: BrowserContext, url: str) -> None:
    """Views ask this browser for no predictions."""
    (home / "expectations.json").write_text('{"the-benchmarks-browser": {"never ask": true}}')
    context.add_cookies([{"name": PERSON, "value": "the-benchmarks-browser", "url": url}])


def _responds(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
        return True
    except OSError:
        return False
