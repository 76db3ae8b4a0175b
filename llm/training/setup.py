"""Set up a trainer: of a new run, or of a resumed one."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import torch

from llm.config import Implementation, ModelConfig, TrainingConfig
from llm.costs import memory
from llm.data import DATA_ORDER, TextData, train_tokenizer
from llm.data.token_cache import COUNTED_TOKENS, MEASURED_CHARACTERS, TokenCache
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
from llm.runtime.code_version import code_version
from llm.runtime.conditions import current_conditions
from llm.runtime.device import (
    choose_device,
    choose_precision,
    machine_memory,
    require_compiler,
    resolved_precision,
)
from llm.runtime.text import normalize_text, readable_name
from llm.tokenizers import Tokenizer, load_tokenizer
from llm.training.baselines import measure_baselines
from llm.training.evaluators import sample_prompts
from llm.training.novelty import seen_in_training
from llm.training.resumes import record_resume
from llm.training.trainer import Trainer
from llm.training.trainer_state import check_state


def start_run(
    model_config: ModelConfig,
    training_config: TrainingConfig,
    tokenizer_kind: str,
    text: str | TokenCache,
    text_name: str,
    checkpoints_dir: Path | str = "checkpoints",
    d_vocab_requested: int | None = None,
    architecture: str | None = None,
    size: str | None = None,
    implementation: Implementation = "fused",
    tokenizer: Tokenizer | None = None,
) -> Trainer:
    """A trainer at step 0 with a new run folder.

    The model's d_vocab is the tokenizer's, whatever `model_config` says; architecture and size are only recorded as
    names. If a `tokenizer` is given, it is used, and none is trained on the text; a token cache has its own.

    Raises:
        ValueError: a device, tokenizer, text or prompt that cannot work together, or more memory than this machine has.
            Then nothing has been written.
    """
    check_machine(training_config)
    if not isinstance(text, str):
        corpus: Corpus = text
    else:
        corpus = WholeText(text, tokenizer or train_tokenizer(tokenizer_kind, text, d_vocab_requested))
    tokenizer = corpus.tokenizer
    prompt = normalize_text(training_config.sample_prompt)
    training_config = dataclasses.replace(training_config.for_model(model_config), sample_prompt=prompt)
    tokenizer.encode(prompt)  # unknown characters are reported before a folder is made
    model_config = dataclasses.replace(model_config, d_vocab=tokenizer.d_vocab)
    require_memory(model_config, training_config, implementation, "choose a smaller size, n_ctx or batch_size")

    def build() -> Trainer:
        data = corpus.data(model_config.n_ctx)
        torch.manual_seed(training_config.seed)
        model = Transformer(model_config, implementation)
        about = _describe(model, training_config, corpus, data, text_name)
        about["tokenizer"]["d_vocab_requested"] = d_vocab_requested
        about |= {"architecture": architecture, "size": size}
        folder = RunFolder.create(checkpoints_dir, about, tokenizer, text if isinstance(text, str) else None)
        return Trainer(model, tokenizer, data, training_config, folder)

    return compute.run(build)


def resume_run(path: Path | str) -> Trainer:
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
    folder = RunFolder(Path(path))
    folder.lock()
    try:
        return _trainer_from_snapshot(folder)
    except BaseException:
        folder.unlock()
        raise


def _trainer_from_snapshot(folder: RunFolder) -> Trainer:
    config = folder.config()
    check_machine(config.training)
    implementation = _implementation(folder, config)
    tokenizer = fitting_tokenizer(folder, config.model)
    corpus = _original_corpus(folder, config, tokenizer)
    steps = folder.snapshots()
    if steps:
        require_room(folder.weights_file(steps[-1]), config.model)
    require_memory(config.model, config.training, implementation, "resume the run on a machine with more")
    try:
        data = corpus.data(config.model.n_ctx)
        torch.manual_seed(config.training.seed)
        model = Transformer(config.model, implementation)
        trainer = Trainer(model, tokenizer, data, config.training, folder)
    except ValueError as error:  # a window longer than the text, a prompt with unknown characters
        problem = f"its text, tokenizer.json and config.json do not fit together ({error})"
        raise DamagedCheckpointError(folder.path, problem) from None
    if steps:
        folder.load_weights(model, steps[-1])
        state = folder.trainer_state(steps[-1])
        try:
            check_state(state, trainer.state(), trainer.optimizers, steps[-1])
            folder.truncate_metrics(steps[-1])  # only now: nothing can fail before these rows are written again
            folder.tidy_snapshots(config.training.max_disk_mb)
            trainer.load_state(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:  # the right format, but not a trainer state
            path = snapshot_path(folder.path, steps[-1]) / "trainer.pt"
            raise DamagedCheckpointError(path, f"it does not hold this run's trainer state ({error})") from None
    else:
        folder.truncate_metrics(-1)
    if not trainer.finished:
        record_resume(folder, config, trainer.step)
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
    return start_run(
        config.model,
        dataclasses.replace(config.training, max_disk_mb=1),
        kind,
        corpus if isinstance(corpus, TokenCache) else corpus.text,
        config.about(str, "text", "name") or "",
        checkpoints_dir,
        # runs of earlier versions lack it; then the size that came out is the best guess
        requested if "d_vocab_requested" in recorded else config.model.d_vocab,
        implementation=_implementation(folder, config),
    )


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
    if isinstance(corpus, WholeText) and _sha256(corpus.text) != config.about(str, "text", "sha256"):
        raise DamagedCheckpointError(folder.path / "text.txt", "it is not the text that the run began with")
    return corpus


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def check_machine(config: TrainingConfig) -> None:
    """Raise ValueError if this machine lacks the device of a run, its precision or a compiler."""
    device = choose_device(config.device)
    choose_precision(config.precision, device)
    if config.compile:
        compute.run(require_compiler, device)


def require_memory(model: ModelConfig, training: TrainingConfig, implementation: Implementation, remedy: str) -> None:
    """Raise ValueError if training needs more memory than this machine has, before the attempt makes it swap."""
    if choose_device(training.device).type == "cuda":
        return  # torch says at once, and in numbers, that a GPU's memory is full
    needed = memory(model, training, implementation, resolved_precision(training)).resident
    available = machine_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"Training this model takes about {needed / 1e9:,.1f} GB of memory, and this machine has "
            f"{available / 1e9:,.1f} GB: {remedy}"
        )


def _describe(
    model: Transformer, training: TrainingConfig, corpus: Corpus, data: TextData, text_name: str
) -> dict[str, Any]:
    """The contents of a run's config.json."""
    device, tokenizer = choose_device(training.device), corpus.tokenizer
    passages = data.validation
    choices = [passages.evenly_spaced(count) for count in (training.eval_windows, len(passages))]
    on_chosen, on_all = measure_baselines(data.counted, passages, choices, tokenizer.d_vocab)
    return {
        "model": dataclasses.asdict(model.config),
        "training": dataclasses.asdict(training),
        "tokenizer": {"kind": tokenizer.kind, "d_vocab": tokenizer.d_vocab},
        "implementation": model.implementation,
        "text": {
            "name": readable_name(text_name),
            "train_tokens": len(data.train),
            "validation_tokens": len(passages.tokens),
            **(_describe_cache(corpus) if isinstance(corpus, TokenCache) else _describe_text(corpus)),
        },
        "prompt": sample_prompts(tokenizer, data, training)[0],
        "baselines": dataclasses.asdict(on_chosen),
        "baselines_of_all": dataclasses.asdict(on_all),
        "data_order": {"scheme": DATA_ORDER, "seed": training.seed},
        "conditions": dataclasses.asdict(current_conditions(device, choose_precision(training.precision, device))),
        "code": code_version(),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _describe_text(whole: WholeText) -> dict[str, Any]:
    parts = whole.parts
    validation_seen, test_seen = seen_in_training(parts.train, parts.validation, parts.test)
    return {
        "sha256": _sha256(whole.text),
        "characters": len(whole.text),
        "validation_characters": len(parts.validation),
        "test_characters": len(parts.test),
        "sentences_seen_in_training": {"validation": validation_seen, "test": test_seen},
    }


def _describe_cache(cache: TokenCache) -> dict[str, Any]:
    characters = cache.about["characters"]
    return {
        "sha256": cache.about["content"],
        "characters": sum(characters.values()),
        "validation_characters": characters["validation"],
        "test_characters": characters["test"],
        "measured_characters": MEASURED_CHARACTERS,
        "counted_tokens": COUNTED_TOKENS,
        "files": [readable_name(file) for file in cache.about["files"]],
        "cache": {"folder": cache.path.name, "sha256": cache.about["sha256"]},
    }
