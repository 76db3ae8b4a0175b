"""A large text: how long it takes to tokenise, then to the first step once it is cached, and how much memory.

    uv run python benchmarks/large_text.py TEXT [TEXT …] [--tokenizer char] [--steps 100]

The runs and the token cache are written to a temporary folder beside the first text, and removed. Each time is given
twice, by the clock and, "busy", as processor time, on which other processes have less influence. Training starts as
`llm train` does, with the evaluation and the sample of the untrained model before the first step; the time counts from
the start of the process, so Python's and torch's imports are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def tokenise(folder: Path, texts: list[Path], kind: str) -> dict[str, float]:
    """Tokenise, or find it done; megabytes are the peak of this process."""
    from llm.data.token_cache import FOLDER
    from llm.data.tokenise import token_cache

    began = time.perf_counter()
    cache = token_cache(texts, kind, None, folder / FOLDER)
    return {
        "seconds": time.perf_counter() - began,
        "million tokens": sum(cache.about["tokens"].values()) / 1e6,
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def train(folder: Path, texts: list[Path], kind: str, steps: int) -> dict[str, float]:
    """Take the first step, and some more; "MB before" is a process that has imported the library."""
    found: dict[str, float] = {}
    at = [time.perf_counter() - time.clock_gettime(time.CLOCK_BOOTTIME) + _process_start(), 0.0]

    def passed(name: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        found[f"s {name}"], found[f"s {name}, busy"] = (later - before for later, before in zip(now, at, strict=True))
        at[:] = now

    import torch  # noqa: F401  # measured by itself

    passed("to import torch")
    from llm.config import TrainingConfig
    from llm.data.token_cache import FOLDER
    from llm.data.tokenise import token_cache
    from llm.presets import preset
    from llm.training.setup import start_run

    passed("to import the library")
    found["MB before"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    cache = token_cache(texts, kind, None, folder / FOLDER)
    passed("to find the cache")
    training = TrainingConfig(steps=steps, eval_every=steps)
    trainer = start_run(preset("gpt", d_vocab=1), training, kind, cache, cache.about["name"], folder)
    passed("to a trainer")
    trainer.initial_metrics()
    passed("to evaluate")
    next(trainer)
    passed("for the first step")
    list(trainer)
    return found | {"MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


def _process_start() -> float:
    """When this process began, in seconds since the machine did (Linux)."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Each measurement in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--tokenizer", default="bpe")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        name, folder = arguments.part
        measure = tokenise if name == "tokenise" else train
        more = [arguments.steps] if name == "train" else []
        print(json.dumps(measure(Path(folder), arguments.texts, arguments.tokenizer, *more)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.texts[0].parent) as folder:
        for name, title in (("tokenise", "tokenised"), ("tokenise", "cached"), ("train", "trained")):
            words = [sys.executable, *sys.argv, "--part", name, folder]
            found = json.loads(
                subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
            )
            print(f"{title:<10}", ", ".join(f"{value:,.2f} {what}" for what, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
