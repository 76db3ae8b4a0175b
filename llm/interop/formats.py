"""What a run can be exported as. Each format is one entry, which the command line reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm.registry import imported


@dataclass(frozen=True)
class Format:
    """A format for the weights at one step, with what reads it."""

    help: str  # what it is, and for whom
    ending: str  # of the name of the file or folder after the run's id
    write: Callable[..., str]  # (run, target): write a loaded `Run` into a new path; returns what to say, in a sentence


FORMATS: dict[str, Format] = {
    "hf": Format(
        help="a folder that transformers opens, with its tokenizer",
        ending="-hf",
        write=imported("llm.interop.huggingface_export", "export_huggingface"),
    ),
    "gguf": Format(
        help="a file for llama.cpp and what is built on it; of models that it knows, with a byte-pair tokenizer",
        ending=".gguf",
        write=imported("llm.interop.gguf_export", "export_gguf"),
    ),
    "safetensors": Format(
        help="the weights under this project's own names, in one file",
        ending=".safetensors",
        write=imported("llm.interop.huggingface_export", "export_weights"),
    ),
}
