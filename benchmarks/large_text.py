"""A large text: how long it takes to tokenise, then to the first step once it is cached, and how much memory.

    uv run python benchmarks/large_text.py TEXT [TEXT …] [--tokenizer char] [--steps 100]

The runs and the token cache are written to a temporary folder beside the first text, and removed.
"""

from __future__ import annotations

import argparse
import json
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
    """Take the first step, and some more; "before" is a process that has imported the library."""
    from llm.config import TrainingConfig
    from llm.data.token_cache import FOLDER
    from llm.data.tokenise import token_cache
    from llm.presets import preset
    from llm.training.setup import start_run

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    began, busy = time.perf_counter(), time.process_time()
    cache = token_cache(texts, kind, None, folder / FOLDER)
    training = TrainingConfig(steps=steps, sample_tokens=0, skill_pairs=0, eval_every=steps)
    trainer = start_run(preset("gpt", d_vocab=1), training, kind, cache, cache.about["name"], folder)
    started = time.perf_counter()
    trainer.initial_metrics()
    evaluated = time.perf_counter()
    next(trainer)
    first_step, busy = time.perf_counter(), time.process_time() - busy
    list(trainer)
    return {
        "seconds to a trainer": started - began,
        "seconds of evaluation": evaluated - started,
        "seconds of the first step": first_step - evaluated,
        "seconds of processor time until then": busy,
        "MB before": before,
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


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
            print(f"{title:<10}", ", ".join(f"{value:,.1f} {what}" for what, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
