"""LLM from Scratch: a language model that can be read, trained, sampled and taken apart.

The public names below are imported when first used, so that `llm --help` does not wait for torch. Nothing that takes
time is imported, `typing` included: until `llm.cli` handles Ctrl-C, it would be a traceback.
"""

from __future__ import annotations

import importlib
import os

TYPE_CHECKING = False  # type checkers take it for typing's
if TYPE_CHECKING:
    from llm.comparison import compare
    from llm.config import ModelConfig, SamplingConfig, TrainingConfig
    from llm.doctor import diagnose
    from llm.model import Transformer
    from llm.presets import preset
    from llm.runs.table import runs_table
    from llm.training.entry import branch, sweep, train
    from llm.training.trainer import Trainer

_MODULES = {
    "ModelConfig": "llm.config",
    "SamplingConfig": "llm.config",
    "TrainingConfig": "llm.config",
    "Trainer": "llm.training.trainer",
    "Transformer": "llm.model",
    "branch": "llm.training.entry",
    "compare": "llm.comparison",
    "diagnose": "llm.doctor",
    "preset": "llm.presets",
    "runs_table": "llm.runs.table",
    "sweep": "llm.training.entry",
    "train": "llm.training.entry",
}

__all__ = [
    "ModelConfig",
    "SamplingConfig",
    "Trainer",
    "TrainingConfig",
    "Transformer",
    "branch",
    "compare",
    "diagnose",
    "preset",
    "runs_table",
    "sweep",
    "train",
]

# A thread of torch's pool that waits for another one spins on its core, by default for milliseconds. Where other
# programs keep the cores busy, it so keeps from its core the very thread that it waits for (docs/speed.md). Torch's
# library, libgomp, reads this when torch is loaded: how many rounds to spin before a thread sleeps.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'llm' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
