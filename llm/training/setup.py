"""Set up a trainer: of a new run, or of a resumed one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.data.split import SplitText
from llm.data.token_cache import TokenCache
from llm.data.whole_text import Corpus, WholeText
from llm.model import Transformer
from llm.runs.config import RunConfig
from llm.runs.corpus import run_corpus
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.loading import fitting_tokenizer
from llm.runs.snapshots import snapshot_path
from llm.runs.weights import require_room
from llm.runtime import compute
from llm.runtime.processes import Processes
from llm.tokenizers import Tokenizer, load_tokenizer
from llm.training.description import text_sha256
from llm.training.machine import check_machine, require_memory
from llm.training.new_run import NewRun, Prepared, training_data
from llm.training.resumes import record_resume
from llm.training.trainer import Trainer
from llm.training.trainer_state import check_state


def start_run(
    model_config: ModelConfig,
    training_config: TrainingConfig,
    tokenizer_kind: str,
    text: str | SplitText | TokenCache,
    text_name: str,
    checkpoints_dir: Path | str = "checkpoints",
    d_vocab_requested: int | None = None,
    architecture: str | None = None,
    size: str | None = None,
    implementation: Implementation = "fused",
    tokenizer: Tokenizer | None = None,
) -> Trainer:
    """For scripts: the trainer of a `NewRun` with these fields."""
    return NewRun(
        model_config, training_config, tokenizer_kind, text, text_name, checkpoints_dir, d_vocab_requested,
        architecture, size, implementation, tokenizer,
    ).start()  # fmt: skip


def start_together(prepare: Callable[[], Prepared] | None, processes: Processes) -> Trainer:
    """The same by several processes: the first one prepares, the others, which need not, read the run folder.

    Raises:
        ValueError: any of them cannot; in all of them.
    """
    own = processes.together(lambda: prepare() if processes.first and prepare is not None else None)
    path = str(processes.gathered(own and own.folder.path)[0])
    prepared = processes.together(lambda: own or _prepared(RunFolder(path), processes))
    return compute.run(Trainer, *prepared, processes=processes)


def resume_run(path: Path | str, processes: Processes | None = None) -> Trainer:
    """The trainer of this run folder, continued from its newest snapshot.

    Steps after that snapshot are taken again: on a CPU bit for bit as before, as long as the conditions are the same
    (`llm.training.resumes`). A run that was killed before its first snapshot starts again from its seed. A run that has
    finished gives a finished trainer. A run from before there was a test part trains on as before; its validation text
    is still the last tenth, from now on measured on passages of it.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: its files are damaged or do not fit together, another process is training it, or its device is not
            available or has too little memory.
    """
    processes = processes or Processes()
    folder = RunFolder(Path(path))
    try:
        processes.together(lambda: folder.lock() if processes.first else None)
        return _trainer_from_snapshot(folder, processes)
    except BaseException:
        folder.unlock()
        raise


def _prepared(folder: RunFolder, processes: Processes) -> Prepared:
    """What a trainer is made of, from a run folder, with the weights of its newest snapshot."""
    config = folder.config()
    check_machine(config.training, config.model, processes)
    implementation = _implementation(folder, config)
    tokenizer = fitting_tokenizer(folder, config.model)
    corpus = _original_corpus(folder, config, tokenizer)
    steps = folder.snapshots()
    if steps:
        require_room(folder.weights_file(steps[-1]), config.model)
    require_memory(config.model, config.training, implementation, processes, "resume the run on a machine with more")
    try:
        data = training_data(corpus, config.model, config.training)
        torch.manual_seed(config.training.seed)
        model = Transformer(config.model, implementation)
        tokenizer.encode(config.training.sample_prompt)
    except ValueError as error:  # a window longer than the text, a prompt with unknown characters
        problem = f"its text, tokenizer.json and config.json do not fit together ({error})"
        raise DamagedCheckpointError(folder.path, problem) from None
    if steps:
        folder.load_weights(model, steps[-1])
    return Prepared(model, tokenizer, data, config.training, folder)


def _trainer_from_snapshot(folder: RunFolder, processes: Processes) -> Trainer:
    prepared = processes.together(lambda: _prepared(folder, processes))
    step = max(folder.snapshots(), default=None)
    state = processes.together(lambda: folder.trainer_state(step) if step is not None else None)
    trainer = Trainer(*prepared, processes=processes)
    if step is not None and state is not None:
        try:
            check_state(state, trainer.state(), trainer.optimizers, step)
            if processes.first:
                folder.truncate_metrics(step)  # only now: nothing can fail before these rows are written again
                folder.tidy_snapshots(trainer.config.max_disk_mb)
            trainer.load_state(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # the right format, but not a trainer state
            path = snapshot_path(folder.path, step) / "trainer.pt"
            raise DamagedCheckpointError(path, f"it does not hold this run's trainer state ({error})") from None
    elif processes.first:
        folder.truncate_metrics(-1)
    if processes.first and not trainer.finished:
        record_resume(folder, folder.config(), trainer.step, processes.count)
    return trainer


def start_again(path: Path | str, checkpoints_dir: Path | str) -> Trainer:
    """A trainer at step 0 of a new run with the config and the text of the run in `path`, and nothing else of it.

    It keeps the first and the newest snapshot only. Raises as `resume_run`.
    """
    folder = RunFolder(path)
    config = folder.config()
    kind = config.about(str, "tokenizer", "kind")
    if kind is None:
        raise DamagedCheckpointError(folder.path / "config.json", "it does not name the tokenizer")
    recorded = config.about(dict, "tokenizer") or {}
    requested = config.about(int, "tokenizer", "d_vocab_requested")
    corpus = _original_corpus(folder, config, load_tokenizer(folder.path))
    if isinstance(corpus, TokenCache):
        corpus.verify()
    new = NewRun(
        config.model,
        dataclasses.replace(config.training, max_disk_mb=1),
        kind,
        corpus if isinstance(corpus, TokenCache) else corpus.whole,
        config.about(str, "text", "name") or "",
        checkpoints_dir,
        # runs of earlier versions lack it; then the size that came out is the best guess
        requested if "d_vocab_requested" in recorded else config.model.d_vocab,
        implementation=_implementation(folder, config),
    )
    return new.start()


def _implementation(folder: RunFolder, config: RunConfig) -> Implementation:
    choices: tuple[Implementation, ...] = get_args(Implementation)
    named = config.about(str, "implementation")
    for choice in choices:
        if choice == named:
            return choice
    problem = f"implementation must be one of {', '.join(choices)}, got {named!r:.80}"
    raise DamagedCheckpointError(folder.path / "config.json", problem)


def _original_corpus(folder: RunFolder, config: RunConfig, tokenizer: Tokenizer) -> Corpus:
    """What the run trains on, if it is what config.json describes."""
    corpus = run_corpus(folder, tokenizer)
    if isinstance(corpus, WholeText) and text_sha256(corpus.text) != config.about(str, "text", "sha256"):
        raise DamagedCheckpointError(folder.path / "text.txt", "it is not the text that the run began with")
    return corpus
