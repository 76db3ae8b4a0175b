"""How long a list of many runs takes: 300 run folders, each as large as a small training leaves it."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from benchmarks.rows import Row
from components.run_table import run_table
from llm.config import TrainingConfig
from llm.data import read_text
from llm.presets import preset
from llm.runs.listing import list_runs
from llm.training.setup import start_run

RUNS = 300
LIST_SECONDS = 0.5
STEPS, EVAL_EVERY = 450, 25
FIRST = datetime(2026, 1, 1)


@lru_cache
def checkpoints() -> Path:
    """A folder of 300 runs, made when first needed: copies of one, with other settings and 450 steps of metrics."""
    folder = Path(tempfile.mkdtemp(prefix="llm-runs-"))
    atexit.register(shutil.rmtree, folder)
    training = TrainingConfig(steps=1, batch_size=1, eval_windows=1, device="cpu")
    model, text = preset("llama", d_vocab=1), read_text("training.txt")[:20_000]
    trainer = start_run(model, training, "char", text, "training.txt", folder, architecture="llama", size="small")
    next(trainer)
    assert trainer.folder is not None
    original = trainer.folder.path
    for weights in original.rglob("*.safetensors"):
        weights.write_bytes(b"")  # they are never read for a list, and 300 times as many would fill the disk
    config, rows = json.loads((original / "config.json").read_text()), trainer.folder.read_metrics().rows
    plain = rows[-1] | {"evaluation": None, "sample": None, "skills": None, "final_evaluation": None}
    for number in range(RUNS):
        run = original.with_name(f"{FIRST + timedelta(minutes=number):%Y%m%d%H%M%S}")
        shutil.copytree(original, run)
        config["model"]["n_layers"], config["training"]["seed"] = 1 + number % 7, number
        (run / "config.json").write_text(json.dumps(config))
        steps = (rows[-1] if step % EVAL_EVERY == 0 else plain for step in range(STEPS))
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in steps))
    shutil.rmtree(original)
    return folder


def limit() -> float:
    return LIST_SECONDS


ROWS: dict[str, Callable[[], Row]] = {
    "runs-list": lambda: Row(lambda: list_runs(checkpoints()), limit, "0.5 s", 1.0),
    "runs-table": lambda: Row(lambda: run_table(list_runs(checkpoints())), limit, "0.5 s", 1.0),
}
