"""A run as a folder that Hugging Face's `transformers` opens: config.json, model.safetensors and the tokenizer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from llm.config import ModelConfig
from llm.interop.conversion import to_theirs, weights_of
from llm.interop.families import REGISTRY, family_of
from llm.runs.loading import Run
from llm.runs.weights import weights_as_bytes
from llm.runtime.files import write_bytes, write_folder
from llm.tokenizers import Tokenizer, saved_kind

ABOUT = """\
# {name}

A language model ({family}) of LLM from Scratch, step {step:,} of run {run}.

    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(".")
    model = AutoModelForCausalLM.from_pretrained(".")
    ids = tokenizer("Once", return_tensors="pt").input_ids
    print(tokenizer.decode(model.generate(ids, max_new_tokens=50, do_sample=True)[0]))

It reads at most {n_ctx:,} tokens.
"""


def export_huggingface(run: Run, target: Path) -> str:
    """Write a loaded run into a new folder; returns what was written, in a sentence.

    Raises:
        ValueError: no family can hold the model, or the tokenizer cannot be written; nothing is left then.
        FileExistsError: there is something at `target` already.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists already: name another folder")
    files = huggingface_files(run.config, dict(run.model.named_parameters()), run.tokenizer)
    content = json.loads(files["config.json"])
    family = REGISTRY[content["model_type"]]
    about = ABOUT.format(name=run.folder.id, family=family.label, step=run.step, run=run.folder.id,
                         n_ctx=run.config.n_ctx)  # fmt: skip

    def fill(folder: Path) -> None:
        for name, data in {**files, "README.md": about.encode()}.items():
            (folder / name).write_bytes(data)

    write_folder(target, fill)
    return f"{family.label} ({family.architecture}), which AutoModelForCausalLM and AutoTokenizer of transformers open"


def export_weights(run: Run, target: Path) -> str:
    """Write the weights of a loaded run into one new file; returns as `export_huggingface`, and raises as it."""
    if os.path.lexists(target):
        raise FileExistsError(f"{target} exists already: name another file")
    write_bytes(target, weights_as_bytes(run.model, run.step))
    return f"the weights of step {run.step:,} under this project's own names, without a tokenizer"


def huggingface_files(config: ModelConfig, parameters: Mapping[str, Tensor], tokenizer: Tokenizer) -> dict[str, bytes]:
    """The contents of the files by name. Raises ValueError where the model or the tokenizer cannot be represented."""
    name, content = family_of(config)
    content |= {"dtype": "float32", "torch_dtype": "float32"}
    content |= {"bos_token_id": None, "eos_token_id": tokenizer.end_of_text, "pad_token_id": None}
    family = REGISTRY[name]
    tensors = {
        entry.theirs: to_theirs(entry, parameters, config).detach().cpu() for entry in weights_of(family, config)
    }
    return {
        "config.json": _json(content),
        "model.safetensors": safetensors.torch.save(tensors, metadata={"format": "pt"}),
        **_tokenizer_files(tokenizer, config.n_ctx),
    }


def _tokenizer_files(tokenizer: Tokenizer, n_ctx: int) -> dict[str, bytes]:
    end = tokenizer.token_bytes(tokenizer.end_of_text).decode() if tokenizer.end_of_text is not None else None
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": n_ctx,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,  # text that looks like a special token is text
        "eos_token": end,
    }
    return {
        "tokenizer.json": saved_kind(tokenizer.kind).to_huggingface(tokenizer),
        "tokenizer_config.json": _json(settings),
    }


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()
