"""A model from Hugging Face as a run folder, which every page opens.

Only config.json, safetensors and the tokenizer's files are read, as data. All is checked before the run appears: a
field that cannot be represented, a tensor that is missing or has the wrong shape, a tokenizer that does not fit, each
ends in a sentence, and nothing is left.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from llm.config import ModelConfig, TrainingConfig
from llm.costs import parameter_count
from llm.interop.conversion import their_shapes, to_ours, weights_of
from llm.interop.families import REGISTRY, read_model_config
from llm.interop.families.family import Family
from llm.interop.families.weight import Weight
from llm.interop.tensor_files import TensorFile, read_tensors, tensor_files
from llm.runs.errors import DamagedCheckpointError, read_json_object
from llm.runs.folder import RunFolder
from llm.runs.notes import MAX_NAME, RunNotes, one_line
from llm.runs.weights import GatheredWeights, weights_as_bytes
from llm.runtime.files import write_bytes
from llm.runtime.regular_files import is_folder, read_regular
from llm.tokenizers import MAX_FILE_BYTES, Tokenizer
from llm.tokenizers.huggingface import HuggingFaceTokenizer
from llm.tokenizers.sentencepiece_model import SentencePieceModelTokenizer

BYTES_OF_A_NUMBER = 2  # at least, in the formats that are read


def import_huggingface(source: Path, checkpoints_dir: Path | str, name: str = "") -> RunFolder:
    """Make a run folder from a folder with config.json, safetensors and tokenizer; `name` is what the run is called.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, or means what cannot be represented here.
    """
    if not is_folder(source.resolve()):
        raise FileNotFoundError(f"{source} is not a folder with a model")
    path = source / "config.json"
    if not path.exists():
        raise FileNotFoundError(f"{source} has no config.json, so it is no folder of a model")
    content = read_json_object(path)
    try:
        model_type, config = read_model_config(content)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path} cannot be imported: {error}") from None
    files = tensor_files(source)
    tokenizer = _tokenizer(source, config, content)
    tensors = _converted(path, REGISTRY[model_type], config, files)
    about = _about(config, tokenizer, model_type, one_line(name or source.resolve().name))

    def fill(folder: Path) -> None:
        write_bytes(folder / "final_model.safetensors", weights_as_bytes(GatheredWeights(tensors), 0))

    folder = RunFolder.create(checkpoints_dir, about, tokenizer, None, fill)
    folder.write_status("finished", "imported, not trained here", 0)
    folder.write_notes(RunNotes(name=about["imported"]["from"][:MAX_NAME]))
    return folder


def _converted(
    path: Path, family: Family, config: ModelConfig, files: dict[str, TensorFile]
) -> dict[str, torch.Tensor]:
    """Our parameters from their tensors, as float32, once every name and shape has been checked."""
    room = sum(file.stat().st_size for file in {found.path for found in files.values()})
    if (needed := parameter_count(config).total) * BYTES_OF_A_NUMBER > room:
        problem = f"its model has {needed:,} parameters, which the {room:,} bytes of its weights cannot hold"
        raise DamagedCheckpointError(path, problem)
    weights = weights_of(family, config)
    found = _renamed(family, files)
    _check(path.parent, weights, config, found, family)
    by_name = {entry.theirs: entry for entry in weights}
    read = read_tensors({name: found[name] for name in by_name})
    return to_ours(((by_name[name], tensor.to(torch.float32)) for name, tensor in read), config)


def _renamed(family: Family, files: dict[str, TensorFile]) -> dict[str, TensorFile]:
    """The weights by the family's names: in older files all but the unembedding's lack the prefix."""
    prefixed = any(name.startswith(family.prefix) for name in files)
    known = {entry.theirs for entry in family.weights}
    names = {name if prefixed or name in known else family.prefix + name: name for name in files}
    return {name: files[file_name] for name, file_name in names.items() if not family.is_buffer(name)}


def _check(
    folder: Path, weights: list[Weight], config: ModelConfig, found: dict[str, TensorFile], family: Family
) -> None:
    """Raise DamagedCheckpointError unless exactly these tensors are there, in their shapes."""
    expected = their_shapes(weights, config)
    copies = (
        {entry.theirs for entry in family.weights if entry.ours == ("unembed.W_U",)} if config.tie_embeddings else set()
    )
    for name in sorted(expected.keys() - found.keys()):
        raise DamagedCheckpointError(folder, f"its weights lack {name}")
    for name in sorted(found.keys() - expected.keys() - copies):
        raise DamagedCheckpointError(folder, f"its weights have {name!r:.80}, which this model has no place for")
    for name, shape in expected.items():
        if found[name].shape != shape:
            problem = f"{name} is {list(found[name].shape)}, and config.json needs {list(shape)}"
            raise DamagedCheckpointError(found[name].path, problem)
    embedding = next(entry.theirs for entry in weights if entry.ours == ("embed.W_E",))
    for name in copies & found.keys():
        pair = dict(read_tensors({name: found[name]})), dict(read_tensors({embedding: found[embedding]}))
        if not torch.equal(pair[0][name], pair[1][embedding]):
            problem = f"{name} differs from {embedding}, and config.json says that they are one (tie_word_embeddings)"
            raise DamagedCheckpointError(found[name].path, problem)


def _tokenizer(folder: Path, config: ModelConfig, content: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a folder. Raises FileNotFoundError or ValueError."""
    end = content.get("eos_token_id")
    for name in ("tokenizer.json", "tokenizer.model"):
        path = folder / name
        if not path.exists():
            continue
        data = read_regular(path, MAX_FILE_BYTES)
        try:
            if name == "tokenizer.json":
                end_of_text = end if type(end) is int and 0 <= end < config.d_vocab else None
                return HuggingFaceTokenizer(data, config.d_vocab, end_of_text)
            return SentencePieceModelTokenizer(data, config.d_vocab)
        except ValueError as error:
            raise ValueError(f"{path} cannot be imported: {error}") from None
    raise FileNotFoundError(f"{folder} has neither a tokenizer.json nor a tokenizer.model")


def _about(config: ModelConfig, tokenizer: Tokenizer, model_type: str, name: str) -> dict[str, Any]:
    """The content of the run's config.json."""
    return {
        "model": dataclasses.asdict(config),
        "training": dataclasses.asdict(TrainingConfig().for_model(config)),
        "tokenizer": {"kind": tokenizer.kind, "d_vocab": tokenizer.d_vocab},
        "imported": {"from": name, "family": model_type},
        "parameters": parameter_count(config).total,
    }
