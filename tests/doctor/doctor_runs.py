"""Real trainings of a second or two, each of which provokes something that the doctor knows."""

import functools
import random
import tempfile
from contextlib import suppress
from pathlib import Path

import torch
from tiny_training import start

from llm.config import TrainingConfig
from llm.training.divergence import TrainingDiverged

SETTINGS = {
    "steps": 200, "batch_size": 8, "eval_every": 20, "eval_windows": 8, "sample_tokens": 0, "device": "cpu",
    "optimizer": "adamw", "learning_rate": 0.01, "precision": "float32",
}  # fmt: skip
RUNS = tempfile.TemporaryDirectory(prefix="llm-doctor-")  # removed when the process ends
FOXES = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(400) for word in ("red", "old", "shy"))
LETTERS = "".join(random.Random(0).choices("abcdefgh ", [30, 20, 10, 5, 5, 5, 5, 5, 15], k=40_000))  # drawn one by one


@functools.cache
def trained(text: str = FOXES, at: int = 0, change: str = "", stop: int = 0, wide: int = 16, **settings) -> Path:
    """The folder of such a run; before step `at` its weights are changed, after step `stop` it ends as if killed."""
    folder = tempfile.mkdtemp(dir=RUNS.name)
    trainer = start(Path(folder), TrainingConfig(**(SETTINGS | settings)), text=text, d_model=wide)
    with suppress(TrainingDiverged):
        while not trainer.finished:
            if trainer.step == at and change:
                CHANGES[change](trainer.model)
            next(trainer)
            if trainer.step == stop:
                break
    return trainer.folder.path


@torch.no_grad()
def disturb(model):
    """As if the memory had been damaged."""
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.5)


@torch.no_grad()
def silence(model):
    """A block of zeros: it writes nothing, and products of two zeros have no gradient."""
    for parameter in model.blocks[1].parameters():
        parameter.zero_()


CHANGES = {"disturb": disturb, "silence": silence}
