"""A real server in a separate process, and helpers for a real Chromium.

The server runs on a copy of the sources, so that a test may edit it.
"""

import contextlib
import filecmp
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from llm.config import TrainingConfig
from llm.presets import preset
from llm.training.setup import start_run

PROJECT = Path(__file__).parents[2]
SOURCES = ("main.py", "training.txt", "strangers.txt", ".streamlit", "pages", "components", "llm")
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")  # the first takes a fifth less time
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 90_000  # milliseconds: what a slow machine may need for a page

# markup, a script, characters that reorder their neighbours or are invisible, a picture of two code points
HOSTILE = (
    '<img src=x onerror="window.broken = 1"></script><script>window.broken = 1</script> \u202eabc\u0007\u2066 🦊 **b**'
)
TESTER = "the-browser-of-the-tests"  # its cookie
HENS = "The hen sat on the gate.\nThe fox sat under it and waited.\n\n"
TEXT = f"{HOSTILE}\n" + HENS * 200
PROMPT = "The hen sat on the gate. The fox sat"


class Server:
    """`streamlit run main.py` on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.reset()
        self.start()

    def reset(self) -> None:
        """Forget every run, upload and setting, the log of errors, and what a test changed in the sources."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        self._log_begins = self._log_path.stat().st_size if self._log_path.exists() else 0
        for name in SOURCES:
            for source in [PROJECT / name, *(PROJECT / name).rglob("*")]:
                copy = self.folder / source.relative_to(PROJECT)
                if source.is_dir():
                    copy.mkdir(exist_ok=True)
                elif "__pycache__" not in source.parts and not (copy.exists() and filecmp.cmp(source, copy, False)):
                    shutil.copyfile(source, copy)

    def start(self) -> None:
        self.cold = True  # until a file's tests have asked it for pages
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://localhost:{port}"
        self.log = self._log_path.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", str(port)],
            cwd=self.folder,
            # one thread: two servers of two threads each, on two cores, mostly wait for each other
            env=os.environ | {"LLM_HOME": str(self.home), "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, self._log_path.read_text()
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    @property
    def errors(self) -> list[str]:
        """Tracebacks in the server's log since the last reset, each with what follows it."""
        return self._log_path.read_bytes()[self._log_begins :].decode(errors="replace").split("Traceback")[1:]

    @property
    def _log_path(self) -> Path:
        return self.folder / "server.log"


def exported(page: Page, name: str, folder: Path, within: str = ".stMain") -> Path:
    """The file behind the button `name` of the row *Export* of what is drawn `within`, saved in `folder`.

    With the keyboard: when the page is laid out anew just then, a click begins on the button and ends beside it.
    """
    with page.expect_download() as download:
        page.locator(f"{within} .llm-export-button", has_text=re.compile(f"^{name}$")).press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@contextlib.contextmanager
def opened_from_disk(page: Page, path: Path) -> Iterator[Page]:
    """A page that was exported from `page`, in a tab of its own: it needs nothing that it does not contain."""
    alone = page.context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    alone.on("pageerror", lambda error: problems.append(str(error)))
    alone.on("request", lambda request: requests.append(request.url))
    alone.goto(path.as_uri())
    yield alone
    assert [url[:60] for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert problems == []
    alone.close()


def assert_accessible_and_fitting(page: Page, name: str, within: str = ".stMain", marked: str = "llm-") -> None:
    """Dark on a narrow screen and light on a wide one: nothing scrolls sideways, and axe finds nothing serious.

    Only in elements `within` the page that are `marked` as drawn by this project; Streamlit's own captions, for
    example, have a low contrast. The open page changes its look: loading it costs seconds.
    """
    for width, scheme in (800, "dark"), (1440, "light"):
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(600)  # everything is drawn anew
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} scrolls sideways by {overflow} pixels at a width of {width}"
        found = Axe().run(page, {"include": [[within]]}, {"resultTypes": ["violations"]}).response["violations"]
        serious = [
            (violation["id"], [node["target"] for node in violation["nodes"]][:3])
            for violation in found
            if violation["impact"] in ("serious", "critical")
            and any(marked in json.dumps(node["target"]) + node["html"] for node in violation["nodes"])
        ]
        assert serious == [], f"{name}, {scheme}: {serious}"


def finished_run(server: Server, text: str, **model: int) -> Path:
    """A run of a small LLaMA, two steps long, whose every character is a token; its folder."""
    config = preset("llama", d_vocab=1, n_layers=2, **model)
    training = TrainingConfig(steps=2, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=4, device="cpu")
    trainer = start_run(config, training, "char", text, "hens.txt", server.home / "checkpoints", architecture="llama")
    for _ in trainer:
        pass
    assert trainer.folder is not None
    return trainer.folder.path


def never_ask(server: Server) -> None:
    """Views do not ask the browser of the tests for predictions."""
    (server.home / "expectations.json").write_text(json.dumps({TESTER: {"never ask": True}}))


def run_without_questions(server: Server, n_ctx: int, text: str = TEXT) -> Path:
    """A run with grouped heads and rotary positions; views do not ask for predictions."""
    never_ask(server)
    return finished_run(server, text, d_model=32, n_heads=4, n_kv_heads=2, n_ctx=n_ctx)


def address(page: Page) -> dict[str, str]:
    """The query of the address, by name."""
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}
