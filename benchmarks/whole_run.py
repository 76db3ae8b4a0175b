"""A default run as a whole, and training beside busy neighbours.

`run-steps`: a default run on the story world with all that it measures and writes, beside its optimizer steps alone, by
the run's own clock. `neighbour`: training steps while as many processes as there are cores do nothing but compute,
beside the same steps alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from benchmarks.models import D_VOCAB, trainer
from benchmarks.rows import Row, times
from llm import Trainer, TrainingConfig, preset
from llm.data import read_text
from llm.training.setup import start_run

TEXT = Path(__file__).parents[1] / "training.txt"


@cache
def default_run() -> Trainer:
    """A finished run with every default."""
    with tempfile.TemporaryDirectory() as folder:
        model = preset("llama", "small", d_vocab=1)
        run = start_run(model, TrainingConfig(device="cpu"), "bpe", read_text(TEXT), TEXT.name, folder)
        for _ in run:
            pass
    return run


def run_beside_its_steps() -> Row:
    return Row(lambda: default_run().elapsed, lambda: default_run().seconds, "its steps alone", 0.9, once=True)


def with_neighbours(work: Callable[[], object]) -> float:
    """The seconds that this work takes while other processes keep every core busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(0.5)
        started = time.perf_counter()
        work()
        return time.perf_counter() - started
    finally:
        for process in busy:
            process.kill()
            process.wait()


def neighbour() -> Row:
    work = times(40, partial(next, trainer(preset("llama", "small", d_vocab=D_VOCAB), device="cpu")))
    return Row(partial(with_neighbours, work), work, "alone", 0.4)


ROWS: dict[str, Callable[[], Row]] = {"run-steps": run_beside_its_steps, "neighbour": neighbour}
