"""The picture in README.md: the page Train with a finished run, in the browser.

    uv run llm train
    uv run python experiments/readme_picture.py --run checkpoints/20260131120000

Writes docs/train.png. The app is started beside a copy of the run, so that no other run is in the picture.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import tyro
from PIL import Image
from playwright.sync_api import Error, sync_playwright
from typing_extensions import Doc

PROJECT = Path(__file__).parents[1]
TARGET = PROJECT / "docs" / "train.png"
SIZE = {"width": 1440, "height": 1050}
COLOURS = 128  # of the file, which is a third of the size with as few
BROWSER = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main(run: Annotated[Path, Doc("Folder of a finished run.")]) -> None:
    """Start the app, open the run and write the picture."""
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(run, Path(home, "checkpoints", run.name))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        command = [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", port]
        server = subprocess.Popen(command, cwd=PROJECT, env=os.environ | {"LLM_HOME": home})
        try:
            picture = photographed(f"http://localhost:{port}/train?run={run.name}")
        finally:
            server.terminate()
            server.wait(60)
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS).save(TARGET, optimize=True)


def photographed(address: str) -> bytes:
    """The page at this address once its curves are drawn, as a PNG file."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        page = browser.new_page(viewport={"width": SIZE["width"], "height": SIZE["height"]})
        for _ in range(60):
            try:
                page.goto(address)
                break
            except Error:  # the server does not answer yet
                page.wait_for_timeout(1000)
        page.locator(".js-line").first.wait_for(timeout=90_000)
        page.wait_for_timeout(3000)
        picture = page.screenshot()
        browser.close()
    return picture


if __name__ == "__main__":
    tyro.cli(main)
