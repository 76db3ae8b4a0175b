"""A run folder, and the only place that knows the names of its files.

    checkpoints/20260131120000/
      config.json                model, training, tokenizer, text, baselines, seed, versions
      tokenizer.json …           the tokenizer (`llm.tokenizers`)
      text.txt                   the training text, so that a run can be resumed (`llm.runs.corpus`: or a token cache)
      metrics.jsonl              one line for each optimizer step, only ever appended to
      status.json                running, paused, finished, stopped or failed, and why
      training.lock              locked by the process that trains the run
      step_000100/               a snapshot (`llm.runs.snapshots`)
      best_model.safetensors     the weights with the lowest validation loss
      final_model.safetensors    the weights after the last step
      samples.jsonl              texts that a user generated with this run's models
      notes.json                 a name, a note and tags, if a user gave any
      tasks.json                 what tasks of lm-eval measured, if somebody asked for it

Every file is replaced atomically. Only safetensors, JSON and `torch.load(weights_only=True)` are read, so a hostile
folder executes nothing. Links in a run folder are not followed, and only regular files are opened, so that nothing
outside the folder is read or changed and no reader blocks (`llm.runtime.regular_files`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from llm.model import Transformer
from llm.runs import metrics, snapshots, status
from llm.runs.abandoned import FILLING
from llm.runs.config import RunConfig, read_config
from llm.runs.curves import loss_curve
from llm.runs.errors import DamagedCheckpointError
from llm.runs.ids import claim_folder
from llm.runs.metrics import LastMeasures, MetricsChunk
from llm.runs.notes import RunNotes, read_notes, write_notes
from llm.runs.status import RunStatus
from llm.runs.weights import GatheredWeights, load_weights, read_weights, weights_as_bytes
from llm.runtime.files import remove_if_possible, remove_unfinished, write_bytes, write_json
from llm.runtime.lock import LockHeldError, ProcessLock
from llm.runtime.regular_files import IrregularFileError, is_folder, is_regular, read_regular, require_regular
from llm.tokenizers import Tokenizer

ModelFile = Literal["best", "final"]
FILES = {
    "config.json", "tokenizer.json", "tokenizer.model", "text.txt", "metrics.jsonl", "status.json",
    "best_model.safetensors", "final_model.safetensors", "samples.jsonl", "notes.json", "tasks.json", status.LOCK,
}  # fmt: skip


class RunFolder:
    """One run's folder; see the module's docstring for its files."""

    def __init__(self, path: Path | str) -> None:
        """An existing run folder. Raises FileNotFoundError where there is none."""
        self.path = Path(path)
        self._lock: ProcessLock | None = None
        try:
            (self.path / "config.json").lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                f"{self.path} is not a run folder (it has no config.json): `uv run llm runs` lists the runs there are"
            ) from None

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @classmethod
    def create(
        cls,
        checkpoints_dir: Path | str,
        config: dict[str, Any],
        tokenizer: Tokenizer,
        text: str | None,
        fill: Callable[[Path], None] | None = None,
    ) -> RunFolder:
        """Make the folder of a new run, named after the current time, or the next free second.

        Without a text, config.json refers to a token cache (`llm.runs.corpus`). `fill` writes further files into it.
        """
        path = claim_folder(Path(checkpoints_dir), datetime.now())
        try:
            tokenizer.save(path)
            if text is not None:
                write_bytes(path / "text.txt", text.encode())
            write_bytes(path / "metrics.jsonl", b"")
            if fill is not None:
                (path / FILLING).touch()
                fill(path)
            lock = ProcessLock(path / status.LOCK)  # before others can see the run, and resume it
            write_json(path / "config.json", config)  # last: without it the folder is no run yet
            folder = cls(path)
            folder._lock = lock
            remove_unfinished(path)  # FILLING, no longer needed
            folder.write_status("running", "", 0)
        except BaseException:
            remove_if_possible(path)
            raise
        return folder

    def lock(self) -> None:
        """Take the lock of the run, which its trainer needs: until `unlock`, the end of the run or of the process.

        What a process left unfinished in the folder when it was killed is removed.

        Raises ValueError if the run is being trained, by another process or in this one.
        """
        try:
            if self._lock is None:
                self._lock = ProcessLock(self.path / status.LOCK)
                remove_unfinished(self.path)
        except LockHeldError as error:
            where = "this process" if error.pid == os.getpid() else f"another process (pid {error.pid or 'unknown'})"
            raise ValueError(f"run {self.id} is being trained in {where}: stop it there before resuming") from None

    def unlock(self) -> None:
        """Release the lock, so that others can train the run."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def require_regular_files(self) -> None:
        """Raise IrregularFileError if one of the run's files, or a snapshot's folder, is something else."""
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name in FILES and not entry.is_file(follow_symlinks=False):
                    require_regular(self.path / entry.name)
                if snapshots.SNAPSHOT.fullmatch(entry.name) and not entry.is_dir(follow_symlinks=False):
                    raise IrregularFileError(f"{self.path / entry.name} is not a folder: it cannot be a snapshot")

    def config(self) -> RunConfig:
        """config.json, checked. Raises DamagedCheckpointError, or IrregularFileError if it is not a regular file."""
        return read_config(self.path / "config.json")

    def write_config(self, content: dict[str, Any]) -> None:
        """Replace config.json; whoever calls it holds the run's lock."""
        write_json(self.path / "config.json", content)

    def text(self) -> str:
        """The training text, exactly: no line end is translated. Raises DamagedCheckpointError."""
        path = self.path / "text.txt"
        try:
            return read_regular(path).decode()
        except FileNotFoundError:
            raise DamagedCheckpointError(path, "it is missing, and without it training cannot continue") from None
        except UnicodeDecodeError as error:
            raise DamagedCheckpointError(path, f"it is not UTF-8 ({error})") from None

    def write_status(self, state: str, message: str, step: int) -> None:
        """Replace the run's status. A state other than running and paused ends its training, so it unlocks the run."""
        try:
            status.write_status(self.path / "status.json", state, message, step)
        finally:
            if state not in status.ACTIVE:
                self.unlock()

    def status(self) -> RunStatus:
        """The run's status; "unknown" without a readable status.json."""
        return status.read_status(self.path / "status.json")

    def notes(self) -> RunNotes:
        """The name, note and tags that a user gave the run; empty ones where there are none."""
        return read_notes(self.path / "notes.json")

    def write_notes(self, notes: RunNotes) -> None:
        """Replace the name, note and tags, also while the run trains."""
        write_notes(self.path / "notes.json", notes)

    @property
    def tasks_file(self) -> Path:
        """What tasks measured; see `llm.runs.task_metrics`."""
        return self.path / "tasks.json"

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        metrics.append_row(self.path / "metrics.jsonl", row)

    def read_metrics(self, offset: int = 0) -> MetricsChunk:
        """The complete lines of metrics.jsonl from this byte on; see `llm.runs.metrics.read_metrics`."""
        return metrics.read_metrics(self.path / "metrics.jsonl", offset)

    def truncate_metrics(self, step: int) -> None:
        """Remove the metrics after this step: a resumed run writes them again."""
        metrics.truncate_metrics(self.path / "metrics.jsonl", step)

    def last_measures(self) -> LastMeasures:
        """The newest evaluation on validation text and the newest skills; empty where there are none."""
        return metrics.last_measures(self.path / "metrics.jsonl")

    def loss_curve(self) -> list[float]:
        """The validation loss through the run; see `llm.runs.curves`."""
        return loss_curve(self.path / "metrics.jsonl")

    def append_sample(self, sample: dict[str, Any]) -> None:
        """Store a text that a user generated with this run's model."""
        metrics.append_row(self.path / "samples.jsonl", sample)

    def samples(self) -> list[dict[str, Any]]:
        """The texts stored by `append_sample`, oldest first."""
        return metrics.read_samples(self.path / "samples.jsonl")

    def save_snapshot(
        self,
        step: int,
        model: Transformer | GatheredWeights,
        info: dict[str, Any],
        trainer_state: dict[str, Any],
        keep_mb: int,
    ) -> None:
        """Store the weights of this step and the trainer's state; see `llm.runs.snapshots.save_snapshot`."""
        snapshots.save_snapshot(self.path, step, model, info, trainer_state, keep_mb)

    def tidy_snapshots(self, keep_mb: int) -> None:
        """Remove what is not kept of older snapshots: the process that wrote the newest was perhaps killed before."""
        snapshots.tidy_snapshots(self.path, keep_mb)

    def snapshots(self) -> list[int]:
        """Steps of the snapshots, ascending."""
        return snapshots.snapshot_steps(self.path)

    def resumable_snapshots(self) -> list[int]:
        """Steps of the snapshots that training can continue from, ascending."""
        return snapshots.resumable_steps(self.path)

    def trainer_state(self, step: int) -> dict[str, Any]:
        """The trainer state given to `save_snapshot`. Raises DamagedCheckpointError."""
        return snapshots.load_trainer_state(self.path, step)

    def copy_until(self, step: int, path: Path) -> None:
        """Copy into a new folder: metrics until this step, its snapshot, and the best weights unless they are later."""
        rows = [row for row in self.read_metrics().rows if row["step"] <= step]
        if rows:
            rows[-1] |= dict.fromkeys(("final_evaluation", "passages") & rows[-1].keys())  # of this run's end
        metrics.write_rows(path / "metrics.jsonl", rows)
        snapshots.copy_snapshot(self.path, step, path)
        if self.has("best"):
            copy = path / self._model_file("best").name
            write_bytes(copy, read_regular(self._model_file("best")))
            if read_weights(copy)[0] > step:
                copy.unlink()

    def save_model(self, which: ModelFile, model: Transformer | GatheredWeights, step: int) -> None:
        """Replace the best or the final weights."""
        write_bytes(self._model_file(which), weights_as_bytes(model, step))

    def has(self, which: ModelFile) -> bool:
        """Whether there are best or final weights."""
        return is_regular(self._model_file(which))

    def choose_weights(self, step: int | None) -> int | ModelFile:
        """Which weights to load: of this step; None: the final ones, else the best, else those of the newest snapshot.

        Raises FileNotFoundError where there are none yet.
        """
        if step is not None:
            return step
        if self.has("final"):
            return "final"
        if self.has("best"):
            return "best"
        if steps := self.snapshots():
            return steps[-1]
        raise FileNotFoundError(f"Run {self.id} has no weights yet: it has not taken its first step")

    def weights_file(self, source: int | ModelFile) -> Path:
        """The file of these weights. Raises FileNotFoundError where there is none."""
        if isinstance(source, int):
            path = snapshots.snapshot_path(self.path, source) / "model.safetensors"
        else:
            path = self._model_file(source)
        # a snapshot's folder must not be a link either
        if not is_regular(path) or (isinstance(source, int) and not is_folder(path.parent)):
            steps = ", ".join(map(str, self.snapshots())) or "none"
            wanted = f"of step {source}" if isinstance(source, int) else f"called {source}"
            raise FileNotFoundError(f"Run {self.id} has no weights {wanted}: its snapshots are {steps}")
        return path

    def weights_version(self, step: int | None) -> tuple[Path, int]:
        """The file of the weights that `choose_weights` chooses, and when it was written, in nanoseconds.

        It differs once other weights have been saved: "the end" of a run moves while the run trains. Raises
        FileNotFoundError.
        """
        file = self.weights_file(self.choose_weights(step))
        return file, file.stat().st_mtime_ns

    def load_weights(self, model: Transformer, source: int | ModelFile) -> int:
        """Load saved weights into `model`; returns their step.

        Raises:
            FileNotFoundError: that step has none.
            DamagedCheckpointError: the file cannot be read, or does not fit the model.
        """
        return load_weights(self.weights_file(source), model)

    def _model_file(self, which: ModelFile) -> Path:
        return self.path / f"{which}_model.safetensors"
