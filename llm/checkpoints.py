"""Run folders: everything that a training run leaves behind, and the only place that knows their files.

    checkpoints/20260131120000/
      config.json                model, training, tokenizer, text, baselines, seed, versions
      tokenizer.json …           the tokenizer (`llm.tokenizers`)
      text.txt                   the training text, so that a run can be resumed
      metrics.jsonl              one line for each optimizer step, only ever appended to
      status.json                running, paused, finished, stopped or failed, and why
      step_000100/               a snapshot: model.safetensors, snapshot.json; the newest also trainer.pt
      best_model.safetensors     the weights with the lowest validation loss
      final_model.safetensors    the weights after the last step
      samples.jsonl              texts that a person had this run's models write

Every file is replaced atomically. Only safetensors, JSON and `torch.load(weights_only=True)` are ever read, so a
hostile folder executes nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import safetensors
import safetensors.torch
import torch

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.costs import parameter_count
from llm.model import Transformer
from llm.runtime.files import TEMPORARY, write_bytes, write_folder, write_json
from llm.tokenizers import Tokenizer, load_tokenizer

RUN_ID = re.compile(r"[0-9]{14}")
SNAPSHOT = re.compile(r"step_([0-9]{6}|[1-9][0-9]{6,})")
ModelFile = Literal["best", "final"]


class DamagedCheckpointError(ValueError):
    """A file of a run folder is not what it must be."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} is damaged: {what if len(what) <= 300 else what[:300] + ' …'}")


class MetricsChunk(NamedTuple):
    """New lines of metrics.jsonl; `reset` says that it was written anew and `rows` begin at its start again."""

    rows: list[dict[str, Any]]
    next_offset: int
    reset: bool


@dataclass(frozen=True)
class RunConfig:
    """config.json: the two configs, and all of it as it was read."""

    model: ModelConfig
    training: TrainingConfig
    raw: dict[str, Any]


@dataclass(frozen=True)
class RunStatus:
    """status.json. A run whose process died while it was running or paused reads as "interrupted"."""

    state: str
    message: str
    step: int
    pid: int
    updated: float


@dataclass(frozen=True)
class RunSummary:
    """What a list of runs shows of one; fields that a damaged folder does not tell are None."""

    id: str
    path: Path
    architecture: str | None
    size: str | None
    text_name: str | None
    tokenizer: str | None
    state: str
    step: int
    steps: int | None
    loss: float | None  # validation loss at the last evaluation, nats per token
    parameters: int | None
    created: datetime | None

    @property
    def label(self) -> str:
        """The run in one line, for a person to pick."""
        parts = [
            " ".join(part for part in (self.architecture or "custom", self.size) if part),
            self.tokenizer,
            self.text_name,
            f"step {self.step:,}",
            f"loss {self.loss:.2f}" if self.loss is not None else None,
            f"{self.created.day} {self.created:%b %H:%M}" if self.created else self.id,
        ]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True)
class Run:
    """A loaded checkpoint: the model in evaluation mode, its tokenizer, and the metrics up to its step."""

    model: Transformer
    tokenizer: Tokenizer
    config: ModelConfig
    metrics: list[dict[str, Any]]
    step: int
    folder: RunFolder


def snapshot_due(step: int, steps: int) -> bool:
    """Whether a snapshot is kept at this step: 0, 1, 2, 4, 8, then four for each doubling, and the last.

    Dense while a model learns fastest, sparse later, so that learning can be replayed.
    """
    if step < 8 or step == steps:
        return step in (0, 1, 2, 4) or step == steps
    quarter = 2 ** (step.bit_length() - 3)  # a quarter of the doubling that step is in
    return step % quarter == 0


class RunFolder:
    """One run's folder; see the module's docstring for its files."""

    def __init__(self, path: Path | str) -> None:
        """An existing run folder. Raises FileNotFoundError where there is none."""
        self.path = Path(path)
        if not (self.path / "config.json").is_file():
            raise FileNotFoundError(
                f"{self.path} is not a run folder (it has no config.json): `uv run llm runs` lists the runs there are"
            )

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @classmethod
    def create(cls, checkpoints_dir: Path | str, config: dict[str, Any], tokenizer: Tokenizer, text: str) -> RunFolder:
        """Make the folder of a new run, named after the time; of two in one second the other takes the next second."""
        Path(checkpoints_dir).mkdir(parents=True, exist_ok=True)
        moment = datetime.now()
        while True:
            path = Path(checkpoints_dir) / f"{moment:%Y%m%d%H%M%S}"
            try:
                path.mkdir()  # fails if it exists: whoever makes it owns it
                break
            except FileExistsError:
                moment += timedelta(seconds=1)
        tokenizer.save(path)
        write_bytes(path / "text.txt", text.encode())
        write_bytes(path / "metrics.jsonl", b"")
        write_json(path / "config.json", config)  # last: without it the folder is no run yet
        folder = cls(path)
        folder.write_status("running", "", 0)
        return folder

    def config(self) -> RunConfig:
        """config.json, checked. Raises DamagedCheckpointError."""
        path = self.path / "config.json"
        raw = _read_json(path)
        try:
            return RunConfig(_config(ModelConfig, raw["model"]), _config(TrainingConfig, raw["training"]), raw)
        except (KeyError, ValueError, OverflowError) as error:  # OverflowError: a whole number beyond all floats
            problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise DamagedCheckpointError(path, problem) from None

    def text(self) -> str:
        """The training text, to the character: no line end is translated. Raises DamagedCheckpointError."""
        path = self.path / "text.txt"
        try:
            return path.read_bytes().decode()
        except FileNotFoundError:
            raise DamagedCheckpointError(path, "it is missing, and without it training cannot go on") from None
        except UnicodeDecodeError as error:
            raise DamagedCheckpointError(path, f"it is not UTF-8 ({error})") from None

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def read_metrics(self, offset: int = 0) -> MetricsChunk:
        """The whole lines from this byte on; a line that is still being written waits for the next call.

        Where no line begins at `offset`, the file is no longer the one in which it was the end of what had been read.
        """
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return MetricsChunk([], 0, offset > 0)
        with path.open("rb") as file:
            file.seek(max(0, offset - 1))
            reset = offset > 0 and file.read(1) != b"\n"
            start = file.seek(0 if reset else offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        rows = [row for row in _parse_rows(whole) if type(row.get("step")) is int]
        return MetricsChunk(rows, start + len(whole), reset)

    def truncate_metrics(self, step: int) -> None:
        """Forget the lines after this step: a resumed run writes them again."""
        rows = [row for row in self.read_metrics().rows if row["step"] <= step]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_bytes(self.path / "metrics.jsonl", lines.encode())

    def write_status(self, state: str, message: str, step: int) -> None:
        """Say how the run stands."""
        status = RunStatus(state, message, step, os.getpid(), time.time())
        write_json(self.path / "status.json", dataclasses.asdict(status))

    def status(self) -> RunStatus:
        """How the run stands; "unknown" where no readable status.json says it."""
        try:
            raw = json.loads((self.path / "status.json").read_bytes())
            status = RunStatus(
                str(raw["state"]), str(raw["message"]), int(raw["step"]), int(raw["pid"]), float(raw["updated"])
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return RunStatus("unknown", "", 0, 0, 0.0)
        if status.state in ("running", "paused") and not _is_alive(status.pid):
            message = "its process ended; it can be resumed from its newest snapshot"
            return dataclasses.replace(status, state="interrupted", message=message)
        return status

    def save_snapshot(
        self, step: int, model: Transformer, info: dict[str, Any], trainer_state: dict[str, Any], keep_mb: int
    ) -> None:
        """Keep the weights of this step, and the trainer's state in the newest snapshot alone.

        Beyond `keep_mb` megabytes, snapshots are dropped where they stand closest on a logarithmic scale of steps; the
        first and the newest always stay.
        """

        def fill(folder: Path) -> None:
            (folder / "model.safetensors").write_bytes(_weights(model, step))
            (folder / "snapshot.json").write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")
            torch.save(trainer_state, folder / "trainer.pt")

        write_folder(self.snapshot_path(step), fill)
        for unfinished in self.path.glob(f"{TEMPORARY}step_*"):  # of a process that was killed while it wrote one
            shutil.rmtree(unfinished, ignore_errors=True)
        for older in self.snapshots():
            if older != step:
                (self.snapshot_path(older) / "trainer.pt").unlink(missing_ok=True)
        self._thin(keep_mb * 1_000_000)

    def save_model(self, which: ModelFile, model: Transformer, step: int) -> None:
        """Replace the best or the final weights."""
        write_bytes(self._model_file(which), _weights(model, step))

    def snapshots(self) -> list[int]:
        """Steps of the snapshots, ascending."""
        names = (SNAPSHOT.fullmatch(entry.name) for entry in os.scandir(self.path) if entry.is_dir())
        return sorted(int(match[1]) for match in names if match)

    def has(self, which: ModelFile) -> bool:
        """Whether there are best or final weights."""
        return self._model_file(which).is_file()

    def trainer_state(self, step: int) -> dict[str, Any]:
        """What `save_snapshot` was given. Raises DamagedCheckpointError."""
        path = self.snapshot_path(step) / "trainer.pt"
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise DamagedCheckpointError(path, "it is missing, and without it training cannot go on") from None
        except Exception as error:  # whatever a hostile or cut file makes the reader raise
            raise DamagedCheckpointError(path, f"it cannot be read ({type(error).__name__})") from None
        if not isinstance(state, dict):
            raise DamagedCheckpointError(path, "it does not hold a trainer's state")
        return state

    def choose_weights(self, step: int | None) -> int | ModelFile:
        """This step; None: the final weights, else the best, else those of the newest snapshot.

        Raises FileNotFoundError where there are none yet.
        """
        if step is not None:
            return step
        if self.has("final"):
            return "final"
        if self.has("best"):
            return "best"
        if snapshots := self.snapshots():
            return snapshots[-1]
        raise FileNotFoundError(f"Run {self.id} has no weights yet: it has not taken its first step")

    def weights_file(self, source: int | ModelFile) -> Path:
        """The file of these weights. Raises FileNotFoundError where there is none."""
        path = self.snapshot_path(source) / "model.safetensors" if isinstance(source, int) else self._model_file(source)
        if not path.is_file():
            steps = ", ".join(map(str, self.snapshots())) or "none"
            wanted = f"of step {source}" if isinstance(source, int) else f"called {source}"
            raise FileNotFoundError(f"Run {self.id} has no weights {wanted}: its snapshots are {steps}")
        return path

    def load_weights(self, model: Transformer, source: int | ModelFile) -> int:
        """Put saved weights into `model`; returns the step that they are of.

        Raises:
            FileNotFoundError: there are none of that step.
            DamagedCheckpointError: the file cannot be read, or does not fit the model.
        """
        path = self.weights_file(source)
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                step = int((file.metadata() or {})["step"])
            tensors = safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
            raise DamagedCheckpointError(path, f"it cannot be read as safetensors ({error})") from None
        parameters = dict(model.named_parameters())
        for name in sorted(parameters.keys() ^ tensors.keys()):
            side = "lacks" if name in parameters else "has, beyond the model's parameters,"
            raise DamagedCheckpointError(path, f"it {side} {name}")
        for name, parameter in parameters.items():
            if tensors[name].shape != parameter.shape:
                found, wanted = list(tensors[name].shape), list(parameter.shape)
                raise DamagedCheckpointError(path, f"{name} is {found}, and the model needs {wanted}")
            if not tensors[name].is_floating_point():
                raise DamagedCheckpointError(path, f"{name} holds {tensors[name].dtype}, which are no weights")
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(tensors[name])
        return step

    def append_sample(self, sample: dict[str, Any]) -> None:
        """Keep a text that a person had this run's model write."""
        with (self.path / "samples.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(sample, ensure_ascii=False) + "\n")

    def samples(self) -> list[dict[str, Any]]:
        """The texts kept by `append_sample`, oldest first."""
        path = self.path / "samples.jsonl"
        return _parse_rows(path.read_bytes()) if path.exists() else []

    def snapshot_path(self, step: int) -> Path:
        """The folder of the snapshot of this step, whether it is there or not."""
        return self.path / f"step_{step:06d}"

    def _model_file(self, which: ModelFile) -> Path:
        return self.path / f"{which}_model.safetensors"

    def _require_room(self, config: ModelConfig, source: int | ModelFile) -> None:
        """A damaged config.json may ask for more memory than there is: refuse before the model is built."""
        path = self.weights_file(source)
        needed, size = parameter_count(config).total, path.stat().st_size
        if needed > size:
            problem = f"its {size:,} bytes cannot hold the {needed:,} parameters of the model in config.json"
            raise DamagedCheckpointError(path, problem)

    def _thin(self, bound: int) -> None:
        steps = self.snapshots()
        sizes = {step: sum(file.stat().st_size for file in self.snapshot_path(step).iterdir()) for step in steps}
        while len(steps) > 2 and sum(sizes[step] for step in steps) > bound:
            gaps = {
                steps[i]: math.log((steps[i + 1] + 1) / (steps[i - 1] + 1)) for i in range(1, len(steps) - 1)
            }  # how large a gap would be left by dropping this one
            dropped = min(gaps, key=lambda step: gaps[step])
            shutil.rmtree(self.snapshot_path(dropped))
            steps.remove(dropped)


def list_runs(checkpoints_dir: Path | str = "checkpoints") -> list[RunSummary]:
    """Every run, newest first; one whose files are damaged is listed too.

    Of each run it reads config.json, status.json and the end of metrics.jsonl.
    """
    if not Path(checkpoints_dir).is_dir():
        return []
    names = sorted((entry.name for entry in os.scandir(checkpoints_dir) if RUN_ID.fullmatch(entry.name)), reverse=True)
    paths = (Path(checkpoints_dir) / name for name in names)
    return [summary for path in paths if (summary := _summary(path)) is not None]


def load_run(
    path: Path | str,
    step: int | None = None,
    implementation: Implementation = "fused",
    device: torch.device | str = "cpu",
) -> Run:
    """Open a checkpoint. `step=None`: the final weights, else the best, else those of the newest snapshot.

    Raises:
        FileNotFoundError: there is no such run or step.
        DamagedCheckpointError: its files cannot be read, or do not fit together.
    """
    folder = RunFolder(path)
    config = folder.config().model
    tokenizer = load_tokenizer(folder.path)
    if tokenizer.d_vocab != config.d_vocab:
        problem = f"it has {tokenizer.d_vocab} tokens, and the model's d_vocab is {config.d_vocab}"
        raise DamagedCheckpointError(folder.path / "tokenizer.json", problem)
    source = folder.choose_weights(step)
    folder._require_room(config, source)
    model = Transformer(config, implementation)
    step = folder.load_weights(model, source)
    metrics = [row for row in folder.read_metrics().rows if row["step"] <= step]
    return Run(model.to(device).eval(), tokenizer, config, metrics, step, folder)


def _summary(path: Path) -> RunSummary | None:
    """None where there is no run, or no more: somebody may be removing it."""
    try:
        folder = RunFolder(path)
        config = folder.config()
    except FileNotFoundError:
        return None
    except (DamagedCheckpointError, OSError):
        return RunSummary(path.name, path, None, None, None, None, "damaged", 0, None, None, None, None)
    raw, status = config.raw, folder.status()
    return RunSummary(
        id=folder.id,
        path=folder.path,
        architecture=_string(raw, "architecture"),
        size=_string(raw, "size"),
        text_name=_string(raw, "text", "name"),
        tokenizer=_string(raw, "tokenizer", "kind"),
        state=status.state,
        step=status.step,
        steps=config.training.steps,
        loss=_last_loss(folder.path / "metrics.jsonl"),
        parameters=parameter_count(config.model).total,
        created=_moment(folder.id),
    )


def _string(content: Any, *keys: str) -> str | None:
    """The string at content[key][key]…, if there is one: in a file from outside, anything may be anywhere."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, str) else None


def _moment(run_id: str) -> datetime | None:
    try:
        return datetime.strptime(run_id, "%Y%m%d%H%M%S")
    except ValueError:  # fourteen digits, but no time
        return None


def _last_loss(path: Path, tail: int = 200_000) -> float | None:
    """The newest validation loss in the last `tail` bytes of metrics.jsonl."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - tail))
        lines = file.read().split(b"\n")
    for line in reversed(lines):
        if b'"evaluation": {' in line:
            for row in _parse_rows(line):
                with suppress(KeyError, TypeError, ValueError, OverflowError):
                    return float(row["evaluation"]["loss"])
    return None


def _weights(model: Transformer, step: int) -> bytes:
    tensors = {name: parameter.detach().cpu().contiguous() for name, parameter in model.named_parameters()}
    return safetensors.torch.save(tensors, metadata={"step": str(step)})


def _config(kind: Any, raw: dict[str, Any]) -> Any:
    """A config from JSON; a field that it does not name keeps its default, one that is unknown is an error."""
    if not isinstance(raw, dict):
        raise ValueError(f"its {kind.__name__} is no JSON object")
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if unknown := raw.keys() - defaults.keys():
        raise ValueError(f"it has fields that no {kind.__name__} has: {', '.join(sorted(unknown))}")
    required = {name for name, default in defaults.items() if default is dataclasses.MISSING}
    if lacking := required - raw.keys():
        raise ValueError(f"its {kind.__name__} lacks {', '.join(sorted(lacking))}")
    return kind(**raw)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpointError(path, f"it is not JSON ({error})") from None
    if not isinstance(content, dict):
        raise DamagedCheckpointError(path, "it does not hold a JSON object")
    return content


def _parse_rows(content: bytes) -> list[dict[str, Any]]:
    """JSON objects, one a line. A line that is none (a disk that was full in its middle) is passed over."""
    rows = []
    for line in content.split(b"\n"):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError, TypeError):
        return False
    except PermissionError:  # somebody else's process
        return True
    return pid > 0
