"""Run folders to compare, made without training."""

import json
from collections.abc import Iterable
from pathlib import Path

from run_folders import ABOUT, new_run

ROWS = [
    {"step": step, "tokens": 10 * step, "seconds": step / 4, "loss": None if step == 0 else 3.0 - step / 10}
    for step in range(5)
]
EVALUATION = {
    "loss": 2.5, "standard_error": 0.25, "bits_per_character": 1.5, "bits_per_character_standard_error": 0.125,
    "passages": 2, "characters": 800,
}  # fmt: skip
TEXT = {
    "name": "foxes.txt", "sha256": "ab" * 32, "train_tokens": 90, "characters": 40, "validation_characters": 6,
    "test_characters": 4,
}  # fmt: skip
CONDITIONS = {"device": "cpu", "processor": "a chip", "precision": "float32", "threads": 1, "processes": 1}


def compared_run(
    checkpoints: Path,
    training: dict = {},  # noqa: B006 (only read)
    model: dict = {},  # noqa: B006
    text: dict = {},  # noqa: B006
    conditions: dict = {},  # noqa: B006
    rows: Iterable[dict] = ROWS,
    evaluation: dict = EVALUATION,
    state: str = "finished",
) -> Path:
    """A run of four steps, measured at its end; returns its folder."""
    about = ABOUT | {
        "model": ABOUT["model"] | model,
        "training": ABOUT["training"] | {"steps": 4} | training,
        "text": TEXT | text,
        "conditions": CONDITIONS | conditions,
        "implementation": "fused",
        "code": {"commit": "c" * 40, "uncommitted_changes": False},
    }
    folder = new_run(checkpoints, about)
    rows = [dict(row) for row in rows]
    rows[-1] |= {"evaluation": evaluation, "final_evaluation": evaluation | {"loss": 2.25, "bits_per_character": 1.25}}
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.write_status(state, "", rows[-1]["step"])
    folder.unlock()
    return folder.path
