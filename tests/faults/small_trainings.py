"""Small trainings of each kind, and what they must leave in their folders."""

from pathlib import Path

from run_folders import rows_without_times

from llm.config import ModelConfig, TrainingConfig
from llm.presets import preset
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.weights import read_weights
from llm.training.setup import resume_run, start_run

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
MODEL = preset("llama", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=8)
TRAINING = TrainingConfig(steps=12, batch_size=2, eval_every=3, eval_windows=2, sample_tokens=2, device="cpu")
CASES = {
    "AdamW": {"optimizer": "adamw"},
    "Muon": {"optimizer": "muon"},
    "accumulation": {"accumulation": 2},
    "early stopping": {"eval_every": 1, "patience": 4, "learning_rate": 10.0},
}


def train(checkpoints: Path, training: TrainingConfig, model: ModelConfig = MODEL) -> None:
    """Train the run in this folder to its end; begin it if there is none."""
    runs = list_runs(checkpoints)
    if runs:
        trainer = resume_run(runs[0].path)
    else:
        trainer = start_run(model, training, "char", TEXT, "foxes.txt", checkpoints)
    for _ in trainer:
        pass


def result(checkpoints: Path) -> dict[str, object]:
    """All that a finished run holds, without its times."""
    [run] = list_runs(checkpoints)
    assert (run.state, run.problem) == ("finished", None)
    weights = {str(file.relative_to(run.path)): file.read_bytes() for file in run.path.rglob("*.safetensors")}
    return weights | {"rows": rows_without_times(RunFolder(run.path))}


def newest_snapshot(checkpoints: Path) -> int:
    """The step of the newest snapshot of the run in this folder, -1 without one. All that it has is checked."""
    runs = list_runs(checkpoints)
    if not runs:
        return -1
    [run] = runs
    assert run.problem is None and run.state in ("interrupted", "failed", "finished", "unknown")
    folder = RunFolder(run.path)
    steps = [row["step"] for row in folder.read_metrics().rows]
    assert steps == list(range(len(steps)))
    if not folder.snapshots():
        return -1
    for step in folder.snapshots():
        saved, _ = read_weights(folder.weights_file(step))
        assert saved == step and (folder.path / f"step_{step:06d}" / "snapshot.json").stat().st_size
    newest = folder.snapshots()[-1]
    assert folder.trainer_state(newest)["step"] == newest
    assert newest <= steps[-1]
    return newest
