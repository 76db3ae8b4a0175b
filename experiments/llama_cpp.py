"""Does llama.cpp compute what exported models compute here? Tiny random ones of every family, in both.

    uv run --with cyllama==0.2.18 python experiments/llama_cpp.py

Writes the second table in docs/interop.md: for each family whether llama.cpp splits a text into the same ids, the
largest difference of logits, and whether it continues the text greedily with the same tokens. cyllama is llama.cpp
with an interface to Python, and comes ready-built.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from families import PROJECT, TINY, replace_table

from llm import Transformer
from llm.checkpoints import load_run
from llm.interop.families import REGISTRY, read_model_config
from llm.interop.gguf_export import export_gguf
from llm.runs.folder import RunFolder
from llm.tokenizers import build_tokenizer

TEXT = "The hen sat on the gate, and the fox saw her. 'tis 12\n" * 30
PROMPT = "The hen sat on the fox"
READER = str(PROJECT / "experiments" / "llama_cpp_reader.py")
MARKS = ("<!-- llama.cpp -->\n", "<!-- end of llama.cpp -->")
CHANGES: dict[str, dict[str, Any]] = {  # what llama.cpp has of a family
    "mistral": {"sliding_window": 24}, "olmo": {"head_dim": 4}, "olmo2": {"head_dim": 4}, "qwen2": {"head_dim": 4},
    "olmoe": {"num_key_value_heads": 6}, "gemma2": {"final_logit_softcapping": 1.0},
}  # fmt: skip


def exported(model_type: str, folder: Path) -> dict[str, Any]:
    """Export a random model; what it computes here."""
    tokenizer = build_tokenizer("bpe", TEXT, 300)
    content = {"model_type": model_type, **TINY[model_type], **CHANGES.get(model_type, {})}
    _, config = read_model_config(content | {"vocab_size": tokenizer.d_vocab})
    torch.manual_seed(0)
    model = Transformer(config)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    about = {"model": dataclasses.asdict(config), "training": {"steps": 1}, "tokenizer": {"kind": "bpe"}}
    run = RunFolder.create(folder, about, tokenizer, TEXT)
    run.save_model("final", model, 1)
    run.write_status("finished", "", 1)
    export_gguf(load_run(run.path), folder / "model.gguf")
    ids = tokenizer.encode(PROMPT)
    with torch.no_grad():
        logits = model(torch.tensor([ids]))[0]
        written = list(ids)
        while len(written) < config.n_ctx:
            written.append(int(model(torch.tensor([written]))[0, -1].argmax()))
    return {"prompt": PROMPT, "ids": ids, "logits": logits.tolist(), "written": written}


def table() -> str:
    """The rows of the table, as Markdown; each model is opened in a process of its own, without torch."""
    lines = ["| family | text to ids | logits | continued greedily |", "|---|---|---|---|"]
    for model_type in (name for name, family in REGISTRY.items() if family.gguf is not None):
        with tempfile.TemporaryDirectory() as folder:
            expected = exported(model_type, Path(folder))
            asked = json.dumps(expected)
            made = subprocess.run([sys.executable, READER, f"{folder}/model.gguf"], input=asked, check=True,
                                  capture_output=True, text=True)  # fmt: skip
        found = json.loads(made.stdout.splitlines()[-1])
        difference = (torch.tensor(found["logits"]) - torch.tensor(expected["logits"])).abs().max().item()
        same = {name: "the same" if found[name] == expected[name] else "others" for name in ("ids", "written")}
        lines.append(f"| {REGISTRY[model_type].label} | {same['ids']} | {difference:.1e} | {same['written']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    replace_table(PROJECT / "docs" / "interop.md", MARKS, table())
