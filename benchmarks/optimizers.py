"""Validation loss after a fixed number of steps, for each optimizer at several learning rates, and each scale of Muon.

    uv run python benchmarks/optimizers.py [--architectures llama] [--sizes small] [--widths 128 384 …] [--steps 200]
        [--batch-size 16] [--seeds 0] [--only muon adamw …] [--rates 0.001 0.002 …]

Trains presets at their own width, or at the given widths with heads of 32, on the default text with the page's defaults
except for the optimizer. The loss does not depend on the speed of the machine. The scales of a Muon step: that of its
author, √max(1, fan_out / fan_in); none; and 0.2 · √max(fan_out, fan_in), which imitates the size of AdamW's steps (Liu
et al. 2025, arXiv:2502.16982).
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from unittest import mock

from llm.config import ModelConfig, TrainingConfig
from llm.data import read_text, train_tokenizer
from llm.presets import preset
from llm.tokenizers import Tokenizer
from llm.training.optimizers.muon import step_scale
from llm.training.setup import start_run

PROJECT = Path(__file__).parents[1]
SCALES: dict[str, Callable[[int, int], float]] = {
    "muon": step_scale,
    "muon-unscaled": lambda fan_out, fan_in: 1.0,
    "muon-like-adamw": lambda fan_out, fan_in: 0.2 * math.sqrt(max(fan_out, fan_in)),
}
RATES = {"muon": (0.01, 0.02, 0.04), "muon-unscaled": (0.01, 0.02, 0.04), "muon-like-adamw": (0.01, 0.02, 0.04),
         "adamw": (0.001, 0.002, 0.004, 0.008)}  # fmt: skip
HEAD = 32  # d_head of the small preset, in every width


def final_loss(model: ModelConfig, training: TrainingConfig, name: str, rate: float, text: str,
               tokenizer: Tokenizer) -> float:  # fmt: skip
    """The validation loss at the end of one run with this optimizer at this rate."""
    rates = {"optimizer": "adamw", "learning_rate": rate} if name == "adamw" else {"muon_learning_rate": rate}
    training = replace(training, **rates)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch("llm.training.optimizers.muon.step_scale", SCALES.get(name, step_scale)),
    ):
        trainer = start_run(model, training, "bpe", text, "training.txt", Path(folder), tokenizer=tokenizer)
        for metrics in trainer:
            if metrics.step == training.steps and metrics.evaluation is not None:
                return float(metrics.evaluation.loss)
    return math.inf


def models(architectures: list[str], sizes: list[str], widths: list[int]) -> Iterator[tuple[str, ModelConfig]]:
    """The presets to train, and what to call them."""
    for architecture, size in product(architectures, sizes):
        changes = [{"d_model": width, "n_heads": width // HEAD} for width in widths] or [{}]
        for changed in changes:
            model = preset(architecture, size, d_vocab=1, **changed)
            yield f"{architecture} {size}, d_model {model.d_model}", model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["llama"])
    parser.add_argument("--sizes", nargs="+", default=["small"])
    parser.add_argument("--widths", nargs="*", type=int, default=[])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=TrainingConfig.batch_size)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--only", nargs="+", default=list(RATES), choices=list(RATES))
    parser.add_argument("--rates", nargs="*", type=float, default=[])
    arguments = parser.parse_args()
    text = read_text(PROJECT / "training.txt")
    tokenizer = train_tokenizer("bpe", text)
    training = TrainingConfig(steps=arguments.steps, batch_size=arguments.batch_size, eval_every=arguments.steps,
                              sample_tokens=0, skill_pairs=0, device="cpu")  # fmt: skip
    for title, model in models(arguments.architectures, arguments.sizes, arguments.widths):
        for name in arguments.only:
            for rate in arguments.rates or RATES[name]:
                losses = [final_loss(model, replace(training, seed=seed), name, rate, text, tokenizer)
                          for seed in arguments.seeds]  # fmt: skip
                print(f"{title:26} {name:16} {rate:<7g} {' '.join(f'{loss:.3f}' for loss in losses)}", flush=True)


if __name__ == "__main__":
    main()
