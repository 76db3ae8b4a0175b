"""What the tests of pages share: a tiny run, and the app as AppTest runs it."""

import functools
import json
import shutil
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from components.routes import selection as selection_route
from llm.background import generations, queue, trainings
from llm.checkpoints import load_run
from llm.config import TrainingConfig
from llm.presets import preset
from llm.training.new_run import NewRun
from llm.training.setup import start_run

PROJECT = Path(__file__).parents[2]
TEXT = "The hen sat on the gate.\nThe fox sat under it & waited.\n\n" * 60
HEN = "The hen sat on t"
SOON = 30  # seconds: far more than any of these need
# Before each run of a page AppTest reads the metadata of every installed package: once is enough.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

ORIGINALS = tempfile.TemporaryDirectory(prefix="llm-runs-")  # removed when the process ends


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of runs and uploads, empty; what a test leaves training or waiting is stopped."""
    monkeypatch.setenv("LLM_HOME", str(tmp_path))
    monkeypatch.chdir(PROJECT)
    yield tmp_path
    for number in queue.waiting():
        queue.remove(number)
    queue.forget_problems()
    trainings.stop_all(SOON)


def tiny_run(home: Path, steps: int = 3, **settings) -> Path:
    """A finished run of the tiniest model; returns its folder."""
    return finished_run(home, "gpt", settings | {"steps": steps}, d_model=8, n_layers=1, n_heads=1, n_ctx=16)


def finished_run(home: Path, architecture: str, training: Mapping[str, Any] | None = None, **model: Any) -> Path:
    """A finished run of a small model, by default with two layers and a step or two; returns its folder."""
    original = _trained(architecture, tuple((training or {}).items()), tuple(model.items()))
    checkpoints = home / "checkpoints"
    if (checkpoints / original.name).exists():  # a second run with the same settings, so with an id of its own
        return _train(checkpoints, architecture, dict(training or {}), model)
    return Path(shutil.copytree(original, checkpoints / original.name))


@functools.cache
def _trained(architecture: str, training: tuple[tuple[str, Any], ...], model: tuple[tuple[str, Any], ...]) -> Path:
    """A run that is trained once in this process and copied from then on."""
    return _train(Path(ORIGINALS.name), architecture, dict(training), dict(model))


def _train(checkpoints: Path, architecture: str, training: dict[str, Any], model: dict[str, Any]) -> Path:
    config = preset(architecture, d_vocab=1, **({"d_model": 16, "n_layers": 2} | model))
    settings = {"steps": 2, "batch_size": 2, "eval_every": 2, "eval_windows": 2, "sample_tokens": 4, "device": "cpu"}
    trainer = start_run(
        config, TrainingConfig(**(settings | training)), "char", TEXT, "hens.txt", checkpoints,
        architecture=architecture, size="small",
    )  # fmt: skip
    for _ in trainer:
        pass
    assert trainer.folder is not None
    return trainer.folder.path


def training_run(home: Path) -> trainings.BackgroundRun:
    """A tiny run that trains in the background for as long as a test needs it."""
    return trainings.start(tiny_new_run(home))


def tiny_new_run(home: Path) -> NewRun:
    """What such a run is made of."""
    model = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=16)
    training = TrainingConfig(steps=100_000, batch_size=2, eval_windows=2, sample_tokens=0, device="cpu")
    return NewRun(model, training, "char", TEXT, "hens.txt", home / "checkpoints", architecture="gpt", size="small")


def never_ask(home: Path) -> None:
    """No view asks for a prediction."""
    (home / "expectations.json").write_text('{"": {"never ask": true}}')  # of a browser without a cookie


def selection_request(page: str, path: Path, what: str = "", step: str = "end", text: str = HEN, **query) -> Request:
    """A request to a route of a page's views for the tokens of `text`, unless `tokens` says otherwise."""
    query = {"tokens": ".".join(map(str, load_run(path).tokenizer.encode(text)))} | query
    params = {"run_id": path.name, "step": step, "page": page, "what": what}
    return Request({"type": "http", "path_params": params, "query_string": urlencode(query).encode(), "headers": []})


def run_request(path: Path, what: str, **query: str) -> Request:
    """A request to a route of the views of a whole run."""
    params = {"run_id": path.name, "page": "train", "what": what}
    return Request({"type": "http", "path_params": params, "query_string": urlencode(query).encode(), "headers": []})


def view_response(page: str, path: Path, *what: str, **query) -> Response:
    """The answer to such a request."""
    return selection_route(selection_request(page, path, *what, **query))


def open_page(name: str, **query: str) -> AppTest:
    """The page of this name through the app's own router, without an exception."""
    app = AppTest.from_file(str(PROJECT / "pages" / "navigation.py"), default_timeout=SOON)
    for key, value in query.items():
        app.query_params[key] = value
    app.switch_page(f"{name}.py").run()
    assert not app.exception, app.exception[0].message
    return app


def newest_text(path: Path) -> generations.Generation | None:
    """The newest text of the run in this folder, as the server has it."""
    return next((text for text in reversed(generations._registry().values()) if text.path == path), None)


def texts(app: AppTest) -> str:
    """All text of the page, in one string."""
    return "\n".join(element.value for kind in ("title", "header", "subheader", "markdown", "caption", "text")
                     for element in app.get(kind))  # fmt: skip


def button(app: AppTest, key: str):
    """The button with this key."""
    return next(button for button in app.button if button.key == key)


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """The arrays that `components.shared.packing.pack` wrote."""
    (length,) = struct.unpack_from("<I", content)
    start, arrays = 4 + length, {}
    for entry in json.loads(content[4:start]):
        array = np.frombuffer(content, np.dtype(entry["dtype"]).newbyteorder("<"), int(np.prod(entry["shape"])), start)
        arrays[entry["name"]] = array.reshape(entry["shape"])
        start += -(-array.nbytes // 8) * 8
    return arrays
