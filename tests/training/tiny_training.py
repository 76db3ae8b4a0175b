"""What the tests of the trainer share: a training of seconds, and how two of them compare."""

import torch

from llm.config import TrainingConfig
from llm.presets import preset
from llm.training.setup import start_run
from llm.training.trainer import Trainer

TEXT = "".join(f"the {word} fox saw {count} small birds.\n" for count in range(40) for word in ("red", "old", "shy"))
TRAINING = TrainingConfig(
    steps=12, batch_size=4, eval_every=5, eval_windows=3, sample_tokens=8, device="cpu", warmup=0.1, decay=0.3
)


def start(tmp_path, training=TRAINING, architecture="llama", tokenizer_kind="char", text=TEXT, **overrides) -> Trainer:
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 16}
    config = preset(architecture, d_vocab=1, **(sizes | overrides))
    return start_run(config, training, tokenizer_kind, text, "foxes.txt", tmp_path, architecture=architecture)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in trainer.model.named_parameters()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
