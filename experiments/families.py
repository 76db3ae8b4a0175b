"""Do imported models compute what they compute in transformers? Tiny random ones of every family, in both projects.

    uv run python experiments/families.py

Writes the table in docs/interop.md: for each family the largest difference of logits, of gradients, of greedy
generation over the key/value cache, and of the model after it was exported and opened in transformers again.
"""

from __future__ import annotations

import copy
import dataclasses
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import safetensors.torch
import torch
from torch import Tensor, nn

from llm.checkpoints import load_run
from llm.config import Implementation, SamplingConfig
from llm.interop.conversion import to_theirs, weights_of
from llm.interop.families import REGISTRY
from llm.interop.huggingface_export import export_huggingface
from llm.interop.huggingface_import import import_huggingface
from llm.runtime.files import write_bytes
from llm.sampling import generate
from llm.tokenizers import build_tokenizer, saved_kind

PROJECT = Path(__file__).parents[1]
ALPHABET = " abcdefghijklmnopqrstuvwxyz.,!?"  # 31 characters, and as many tokens
PROMPT = "the hen"
SIZES = {
    "vocab_size": len(ALPHABET), "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
    "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8, "max_position_embeddings": 24,
}  # fmt: skip
TINY: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab_size": len(ALPHABET), "n_positions": 24, "n_embd": 24, "n_layer": 2, "n_head": 6},
    "llama": SIZES | {"rope_theta": 500.0},
    "mistral": SIZES | {"sliding_window": 5},
    "olmo": SIZES,
    "olmo2": SIZES,
    "qwen2": SIZES,
    "qwen3": SIZES,
    "gemma": SIZES,
    "gemma2": SIZES | {"sliding_window": 5, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 0.5},
    "gpt_neox": {name: size for name, size in SIZES.items() if name not in ("num_key_value_heads", "head_dim")}
    | {"num_attention_heads": 3, "rotary_pct": 0.25},
    "mixtral": SIZES | {"num_local_experts": 5},
    "olmoe": {name: size for name, size in SIZES.items() if name != "head_dim"}
    | {"num_experts": 6, "num_experts_per_tok": 3},
}
MARKS = ("<!-- table -->\n", "<!-- end -->")


@dataclass(frozen=True)
class Agreement:
    """How far a model here is from itself in transformers: the largest absolute differences."""

    logits: dict[str, float]  # by implementation
    gradients: dict[str, float]  # of the mean loss, over all weights
    same_text: bool  # generated greedily with a cache, by each of the two
    round_trip: float  # of the weights that transformers reads from the exported folder


def tiny(model_type: str, **changes: Any) -> nn.Module:
    """A small random model of transformers, in which no norm and no bias is left at its start."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    nobody = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = AutoConfig.for_model(model_type, **{**TINY[model_type], **nobody, **changes})
    model: nn.Module = AutoModelForCausalLM.from_config(config).float().eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return model


def save(model: Any, folder: Path, **options: Any) -> None:
    """A folder as the hub has it, with a tokenizer of one character a token."""
    model.save_pretrained(folder, **options)
    tokenizer = build_tokenizer("char", ALPHABET)
    (folder / "tokenizer.json").write_bytes(saved_kind(tokenizer.kind).to_huggingface(tokenizer))


def agreement(model_type: str, folder: Path, **changes: Any) -> Agreement:
    """Import a tiny model, compare, export and open it again; `folder` is a new one to do this in."""
    from transformers import AutoModelForCausalLM

    theirs = tiny(model_type, **changes)
    save(theirs, folder / "theirs")
    run = import_huggingface(folder / "theirs", folder / "runs")
    tokens = torch.randint(len(ALPHABET), (2, 17), generator=torch.Generator().manual_seed(1))
    expected = theirs(tokens).logits
    _loss(expected, tokens).backward()
    expected_gradients = _gradients(theirs, folder / "gradients")
    logits, gradients = {}, {}
    for implementation in get_args(Implementation):
        ours = load_run(run.path, implementation=implementation).model
        found = ours(tokens)
        _loss(found, tokens).backward()
        logits[implementation] = _distance(found, expected)
        gradients[implementation] = max(_gradient_distances(ours, expected_gradients, model_type))
    opened = load_run(run.path)
    count = 16
    text = generate(opened.model, opened.tokenizer, PROMPT, SamplingConfig(max_new_tokens=count, temperature=0))
    ids = torch.tensor([opened.tokenizer.encode(PROMPT)])
    written = theirs.generate(ids, max_new_tokens=count, do_sample=False, use_cache=True)  # type: ignore[operator]
    export_huggingface(opened, folder / "exported")
    state = theirs.state_dict()
    again = AutoModelForCausalLM.from_pretrained(folder / "exported", dtype=torch.float32).state_dict()
    round_trip = max(_distance(again[name], state[name]) for name in state) if again.keys() == state.keys() else 1.0
    return Agreement(logits, gradients, text == opened.tokenizer.decode(written[0].tolist()), round_trip)


def _loss(logits: Tensor, tokens: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def _gradients(model: Any, folder: Path) -> dict[str, Tensor]:
    """The gradients by the names and in the layout of files: saved as if they were the weights."""
    of_gradients = copy.deepcopy(model)
    for parameter, source in zip(of_gradients.parameters(), model.parameters(), strict=True):
        parameter.data = source.grad
    of_gradients.save_pretrained(folder)
    return safetensors.torch.load_file(folder / "model.safetensors")


def _gradient_distances(ours: nn.Module, expected: dict[str, Tensor], model_type: str) -> Iterator[float]:
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.grad is not None}
    for entry in weights_of(REGISTRY[model_type], ours.config):  # type: ignore[arg-type]
        plain = dataclasses.replace(entry, plus=0.0)
        yield _distance(to_theirs(plain, gradients, ours.config), expected[entry.theirs])  # type: ignore[arg-type]


def _distance(found: Tensor, expected: Tensor) -> float:
    return (found - expected).abs().max().item()


def table() -> str:
    """The rows of the table, as Markdown."""
    lines = ["| family | logits | gradients | cached generation | exported and opened again |", "|---|---|---|---|---|"]
    for model_type, family in REGISTRY.items():
        with tempfile.TemporaryDirectory() as folder:
            found = agreement(model_type, Path(folder))
        text = "same text" if found.same_text else "other text"
        again = "bit for bit" if found.round_trip == 0 else f"{found.round_trip:.1e}"
        largest = [f"{max(values.values()):.1e}" for values in (found.logits, found.gradients)]
        lines.append(f"| {family.label} (`{model_type}`) | {' | '.join([*largest, text, again])} |")
    return "\n".join(lines) + "\n"


def replace_table(path: Path, marks: tuple[str, str], made: str) -> None:
    """Write a table between two marks of a document."""
    text = path.read_text("utf-8")
    start, end = text.index(marks[0]) + len(marks[0]), text.index(marks[1])
    write_bytes(path, (text[:start] + made + text[end:]).encode())
    print(made)


if __name__ == "__main__":
    replace_table(PROJECT / "docs" / "interop.md", MARKS, table())
