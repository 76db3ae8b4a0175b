"""Small runs, as training leaves them."""

import dataclasses
from pathlib import Path

import torch

from llm import ModelConfig, TrainingConfig, Transformer, preset
from llm.runs.folder import RunFolder
from llm.tokenizers import build_tokenizer
from llm.training.setup import start_run

TEXT = "The hen sat on the gate, and the fox saw her. 猫 \t ▁ é 'tis 12\n" * 30
TINY = {"d_vocab": 1, "d_model": 8, "n_layers": 1, "n_heads": 2, "n_ctx": 16}


def made_run(folder: Path, config: ModelConfig, kind: str, end_of_text: bool = False) -> RunFolder:
    """A run as training leaves it, with random weights."""
    tokenizer = build_tokenizer(kind, TEXT, None if kind == "char" else 300)
    if end_of_text:
        tokenizer.add_end_of_text()
    config = dataclasses.replace(config, d_vocab=tokenizer.d_vocab)
    about = {"model": dataclasses.asdict(config), "training": {"steps": 1}, "tokenizer": {"kind": kind}}
    run = RunFolder.create(folder, about, tokenizer, TEXT)
    torch.manual_seed(0)
    run.save_model("final", Transformer(config), 1)
    run.write_status("finished", "", 1)
    return run


def trained_run(folder: Path, text: str, batch_size: int = 8) -> Path:
    """The folder of a finished run of one step on a text."""
    training = TrainingConfig(steps=1, batch_size=batch_size, sample_tokens=0, skill_pairs=0, device="cpu")
    model = preset("llama", d_vocab=1, d_model=16, n_layers=1, n_heads=2, n_ctx=32)
    trainer = start_run(model, training, "bpe", text, "stories", folder, 300)
    assert list(trainer)
    return trainer.folder.path
