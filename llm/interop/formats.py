"""What a run can be exported as. Each format is one entry; the command line and the page read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llm.registry import imported


@dataclass(frozen=True)
class Format:
    """A format for the weights at one step, with what reads it."""

    label: str
    help: str  # what it is for, as the end of a sentence
    ending: str  # of the name of the file or folder after the run's id
    is_folder: bool
    write: Callable[..., str]  # (run, target): write a loaded `Run` into a new path; returns what to say, in a sentence


FORMATS: dict[str, Format] = {
    "hf": Format(
        label="Hugging Face folder",
        help="a folder that transformers opens, with its tokenizer",
        ending="-hf",
        is_folder=True,
        write=imported("llm.interop.huggingface_export", "export_huggingface"),
    ),
    "gguf": Format(
        label="GGUF file",
        help="a file for llama.cpp and what is built on it; of GPT-2 and Llama models with a byte-pair tokenizer",
        ending=".gguf",
        is_folder=False,
        write=imported("llm.interop.gguf_export", "export_gguf"),
    ),
    "safetensors": Format(
        label="Weights alone (safetensors)",
        help="the weights under this project's own names, in one file",
        ending=".safetensors",
        is_folder=False,
        write=imported("llm.interop.huggingface_export", "export_weights"),
    ),
}
