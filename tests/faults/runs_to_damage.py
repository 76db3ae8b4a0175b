"""Stopped runs of every kind of tokenizer and optimizer, and whatever reads their files."""

import functools
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from llm.cli.terminal import describe_run
from llm.config import TrainingConfig
from llm.model import Transformer
from llm.presets import preset
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.loading import load_run
from llm.runs.notes import RunNotes
from llm.runtime.regular_files import IrregularFileError
from llm.tokenizers import build_tokenizer
from llm.tokenizers.gpt2 import Gpt2Tokenizer
from llm.training.divergence import TrainingDiverged
from llm.training.setup import resume_run, start_run
from llm.training.trainer import Trainer

TEXT = "a red fox saw a red bird\nand sat down by it, twice.\n" * 40
D_VOCAB = {"bpe": 300, "sentencepiece": 60}
FOLDER = tempfile.TemporaryDirectory(prefix="llm-faults-")  # removed when the process ends


@functools.cache
def stopped_run(tokenizer: str, optimizer: str) -> Path:
    """The folder of a run that was stopped at step 3 of 12; it has every file that a run can have."""
    model = preset("llama", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=16)
    training = TrainingConfig(
        steps=12, batch_size=2, eval_windows=2, eval_every=2, sample_tokens=2, device="cpu",
        optimizer=optimizer, accumulation=2,
    )  # fmt: skip
    if tokenizer == "gpt2":  # its own file needs the internet
        built = Gpt2Tokenizer([*(bytes([byte]) for byte in range(256)), b"he", b"the", b" the"])
    else:
        built = build_tokenizer(tokenizer, TEXT, D_VOCAB.get(tokenizer))
    trainer = start_run(model, training, tokenizer, TEXT, "foxes.txt", FOLDER.name, tokenizer=built, size="small")
    folder = trainer.folder
    for _ in range(3):
        next(trainer)
    trainer.snapshot()
    folder.save_model("final", trainer.model, 3)
    folder.write_notes(RunNotes("mine", "a note", ("good",)))
    folder.append_sample({"step": 1, "prompt": "", "text": "a", "sampling": {"temperature": 1.0}, "created": 1.0})
    return folder.path


def copy_of(run: Path, checkpoints: Path) -> Path:
    """A fresh copy of a run, the only one in its folder."""
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Path(shutil.copytree(run, checkpoints / run.name))


def resume(run: Path) -> Trainer:
    """Resume, and describe the run as the command line does."""
    trainer = resume_run(run)
    describe_run(trainer, Console(file=io.StringIO()))
    return trainer


def resume_and_step(run: Path) -> None:
    trainer = resume(run)
    if not trainer.finished:
        next(trainer)


def read_list(run: Path) -> None:
    """List the runs: this one is among them, with the reason if it is damaged."""
    [listed] = list_runs(run.parent)
    assert listed.label and (listed.problem is None) == (listed.state != "damaged")


def read_metrics(run: Path) -> None:
    folder = RunFolder(run)
    folder.read_metrics()
    folder.last_measures()
    folder.truncate_metrics(2)


def load_best(run: Path) -> None:
    folder = RunFolder(run)
    folder.load_weights(Transformer(folder.config().model), "best")


READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    "config.json": (read_list, load_run, resume),
    "status.json": (read_list, lambda run: RunFolder(run).status()),
    "training.lock": (read_list, lambda run: RunFolder(run).status(), resume),
    "metrics.jsonl": (read_list, read_metrics),
    "notes.json": (read_list,),
    "samples.jsonl": (lambda run: RunFolder(run).samples(),),
    "text.txt": (resume_and_step,),
    "tokenizer.json": (load_run, resume),
    "tokenizer.model": (load_run, resume),
    "best_model.safetensors": (load_best,),
    "final_model.safetensors": (load_run,),
    "step_000003/model.safetensors": (resume_and_step,),
    "step_000003/snapshot.json": (resume,),
    "step_000003/trainer.pt": (resume_and_step,),
}


def read_all(run: Path, name: str) -> str:
    """Everything that reads this file: "read", or "refused" if it is reported in a sentence."""
    result = "read"
    for reader in READERS[name]:
        try:
            reader(run)
        except TrainingDiverged:  # the weights or the settings are other ones
            result = "refused"
        except ValueError as error:
            assert type(error) in (ValueError, DamagedCheckpointError, IrregularFileError), type(error)
            assert "\n" not in str(error) and len(str(error)) < 800, error
            assert run.name in str(error) or "torch device" in str(error), error
            result = "refused"
    return result
