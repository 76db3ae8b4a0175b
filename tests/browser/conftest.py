"""A real server in a process of its own, and a real Chromium that looks at it.

The server runs on a copy of the sources, so that a test may edit one under it.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).parents[2]
SOURCES = ("main.py", "training.txt", ".streamlit", "pages", "components", "llm")
CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 90_000  # milliseconds: what a slow machine may need for a page


class Server:
    """`streamlit run main.py` on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        for name in SOURCES:
            if (PROJECT / name).is_dir():
                shutil.copytree(
                    PROJECT / name, folder / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(PROJECT / name, folder / name)
        self.start()

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://localhost:{port}"
        self.log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", str(port)],
            cwd=self.folder,
            env=os.environ | {"LLM_HOME": str(self.home), "PYTHONPATH": str(self.folder)},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    @property
    def errors(self) -> list[str]:
        """Tracebacks in the server's log."""
        return [line for line in (self.folder / "server.log").read_text().splitlines() if "Traceback" in line]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "with CI set the browser tests must run, and there is no chromium"
        pytest.skip("there is no chromium on this machine: `apt install chromium`")
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()
    assert running.errors == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(server: Server, browser: Browser) -> Iterator[Page]:
    """A tab of a browser without a past; an error in a script on the page fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []
