"""A run as a GGUF file, which llama.cpp and the programs built on it read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. It holds the weights in float32, the sizes, and a
byte-pair tokenizer.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from llm.interop.conversion import to_theirs
from llm.interop.families import REGISTRY, family_of
from llm.interop.families.family import Family
from llm.interop.families.gguf import BYTE_PAIRS, GgufArchitecture, gguf_weights
from llm.interop.families.weight import weight
from llm.runs.loading import Run
from llm.runtime.files import write_file
from llm.tokenizers import Tokenizer
from llm.tokenizers.huggingface import byte_characters

MISSING = "A GGUF file needs the package gguf: uv sync --inexact --extra gguf"
PLAIN, CONTROL = 1, 3  # types of tokens


def export_gguf(run: Run, target: Path) -> str:
    """Write a loaded run into one new file; returns what was written, in a sentence.

    Raises:
        ValueError: the package is missing, or llama.cpp has no such model or tokenizer.
        FileExistsError: there is something at `target` already.
    """
    try:
        import gguf
    except ModuleNotFoundError:
        raise ValueError(MISSING) from None
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists already: name another file")
    name, _ = family_of(run.config)
    family = REGISTRY[name]
    if (architecture := family.gguf) is None:
        raise ValueError(f"A GGUF file cannot be written for {family.label}, which llama.cpp does not have")
    architecture.check(run.config)
    vocabulary = _vocabulary(run.tokenizer)

    def fill(path: Path) -> None:
        writer = gguf.GGUFWriter(path, architecture.name)
        writer.add_name(f"run {run.folder.id}")
        writer.add_file_type(0)  # all in float32
        for key, value in architecture.settings(run.config).items():
            add = {float: writer.add_float32, int: writer.add_uint32, bool: writer.add_bool}[type(value)]
            add(f"{architecture.name}.{key}", value)
        _add_tokenizer(writer, run.tokenizer, vocabulary)
        for tensor, numbers in _tensors(run, family, architecture):
            writer.add_tensor(tensor, numbers)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    _write_by_name(target, fill)
    return f"{family.label} for llama.cpp, in float32. {architecture.note}".strip()


def _tensors(run: Run, family: Family, architecture: GgufArchitecture) -> Iterator[tuple[str, Any]]:
    """Each tensor by its name in llama.cpp, which the package gguf knows for each name in transformers."""
    import gguf

    kind = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}[architecture.name]
    names = gguf.get_tensor_name_map(kind, run.config.n_layers)
    parameters = dict(run.model.named_parameters())
    entries = gguf_weights(family.weights, architecture, run.config)
    if run.config.tie_embeddings and architecture.needs_unembedding:
        entries.append(weight("output.weight", "embed.W_E", "d_vocab d_model"))
    for entry in entries:
        if parameters.keys() >= set(entry.ours):
            name = names.get_name(entry.theirs, try_suffixes=(".weight", ".bias"))
            assert name is not None, entry.theirs
            yield name, to_theirs(entry, parameters, run.config).detach().cpu().numpy()


def _write_by_name(target: Path, fill: Callable[[Path], None]) -> None:
    """Write with a package that opens files by their name, so that the target appears complete."""
    with tempfile.TemporaryDirectory(prefix="gguf-") as folder:
        made = Path(folder) / "model.gguf"
        fill(made)
        with made.open("rb") as content:
            write_file(target, lambda file: shutil.copyfileobj(content, file))


def _vocabulary(tokenizer: Tokenizer) -> list[str]:
    """The tokens as GPT-2's byte-level vocabulary writes them. Raises ValueError for a tokenizer without merges."""
    if not tokenizer.merges:
        raise ValueError(
            f"A GGUF file needs a byte-pair tokenizer, and this run's is {tokenizer.kind}: llama.cpp would split its "
            "text otherwise. Train with a byte-pair tokenizer, or export another format"
        )
    visible = byte_characters()
    spelt = ["".join(visible[byte] for byte in tokenizer.token_bytes(token)) for token in range(tokenizer.d_vocab)]
    if tokenizer.end_of_text is not None:
        spelt[tokenizer.end_of_text] = tokenizer.token_bytes(tokenizer.end_of_text).decode()
    return spelt


def _add_tokenizer(writer: Any, tokenizer: Tokenizer, vocabulary: list[str]) -> None:
    writer.add_tokenizer_model(BYTE_PAIRS)
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([CONTROL if token == tokenizer.end_of_text else PLAIN for token in range(len(vocabulary))])
    writer.add_token_merges([f"{vocabulary[left]} {vocabulary[right]}" for left, right, _ in tokenizer.merges or ()])
    # without an end of text: byte 0, which no text has, since llama.cpp would take id 11 for it
    end = tokenizer.end_of_text if tokenizer.end_of_text is not None else vocabulary.index(byte_characters()[0])
    writer.add_eos_token_id(end)
    writer.add_bos_token_id(end)
    writer.add_add_bos_token(False)
