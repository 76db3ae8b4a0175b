"""Record what a model computes: the named activations of a forward pass, through PyTorch's own forward hooks.

A name is the module's path without `hook_`: "embedding", "blocks.0.resid_pre", "blocks.0.attention.pattern",
"blocks.1.mlp.hidden", "blocks.1.norm_mlp", "final_norm", "logits". Its last part alone ("pattern") means that value in
every layer. "blocks.0.attention.head_output" is what each head writes: mixed[head] · W_O[head], without the bias b_O,
and before a norm of what attention writes.

The model itself is never run, hooked or switched to another mode. All work happens on a `hookable_copy`, which has
its own modules and hooks and shares the parameters. Modules are told apart by name, never by `isinstance`: a model that
was opened before an edit of the source has modules of the classes before the edit (`llm.runtime.process`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import cast

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.config import ModelConfig
from llm.layers.attention import AttentionWithEinops
from llm.layers.block import Block
from llm.layers.position import REGISTRY as POSITIONS
from llm.model import Transformer


def hookable_copy(model: Transformer, materialize_pattern: bool = False) -> Transformer:
    """A copy in eval mode that shares the model's parameters: hooks and switches on it never reach the model.

    Hooks that `model` already carries are copied, so that an altered model is recorded as altered.
    `materialize_pattern`: fused attention, which never computes scores and pattern, is replaced by the einops form.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copied = copy.deepcopy(model, shared).eval()
    if materialize_pattern and model.implementation == "fused":
        for block in blocks(copied):  # classes of all implementations use the same attributes
            object.__setattr__(block.attention, "__class__", AttentionWithEinops)
            if block.attention.score_bias is not None:
                bias_class = POSITIONS[model.config.positional].classes("einops")
                object.__setattr__(block.attention.score_bias, "__class__", bias_class)
    return copied


def activation_names(model: Transformer) -> tuple[str, ...]:
    """The full name of every activation that can be recorded."""
    return tuple(_sources(model))


class Record(dict[str, Tensor]):
    """Activations by full name, in the order of their computation. They share no memory."""

    def __missing__(self, name: str) -> Tensor:
        raise KeyError(f"{name!r} was not recorded, only {', '.join(self)}")


@torch.no_grad()
def record(
    model: Transformer,
    tokens: Int[Tensor, "batch pos"],
    names: Iterable[str] | None = None,
    documents: Int[Tensor, "batch pos"] | None = None,
) -> Record:
    """Run the model on `tokens` and keep the named activations (None: all of them), on the model's device.

    With `documents`, a number for each position, a position sees only those with its own number.

    Raises:
        ValueError: an unknown name, or invalid tokens (see `as_batch`).
    """
    tokens = as_batch(model, tokens)
    full_names = _resolve(model, names)
    copied = hookable_copy(model, any(name.endswith((".scores", ".pattern")) for name in full_names))
    sources = _sources(copied)
    recorded = Record()

    def store(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        if name.endswith(".head_output"):
            attention = copied.get_submodule(name.removesuffix(".head_output"))
            output = head_outputs(output, attention.get_parameter("W_O"))
        recorded[name] = output.detach().clone()

    for name in full_names:
        sources[name].register_forward_hook(partial(store, name))
    copied(tokens, documents=documents)
    return recorded


def records(
    model: Transformer, tokens: Int[Tensor, "batch pos"], names: Iterable[str], batch_size: int
) -> Iterator[Record]:
    """`record` of `batch_size` sequences at a time, so that memory stays bounded however many there are."""
    full_names = _resolve(model, names)
    for start in range(0, len(tokens), batch_size):
        yield record(model, tokens[start : start + batch_size], full_names)


def head_outputs(
    mixed: Float[Tensor, "batch head pos d_head"], W_O: Float[Tensor, "head d_head d_model"]
) -> Float[Tensor, "batch pos head d_model"]:
    """What each head adds to the residual stream: mixed[head] · W_O[head]."""
    return einsum(mixed, W_O, "batch head pos d_head, head d_head d_model -> batch pos head d_model")


def as_batch(model: Transformer, tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Token ids as int64 on the model's device.

    Raises:
        ValueError: not [batch, pos], empty, longer than n_ctx, or an id outside the vocabulary.
    """
    config = model.config
    if tokens.ndim != 2 or tokens.numel() == 0 or tokens.is_floating_point():
        raise ValueError(
            "tokens must be integers [batch, pos], at least one sequence of at least one token, "
            f"got shape {list(tokens.shape)} and type {tokens.dtype}"
        )
    if tokens.shape[1] > config.n_ctx:
        raise ValueError(f"{tokens.shape[1]} tokens are too many: this model reads n_ctx={config.n_ctx} at most")
    lowest, highest = int(tokens.min()), int(tokens.max())
    if lowest < 0 or highest >= config.d_vocab:
        outside = lowest if lowest < 0 else highest
        raise ValueError(f"token {outside} is not in the vocabulary: ids go from 0 to {config.d_vocab - 1}")
    return tokens.to(next(model.parameters()).device, torch.int64)


def check_neurons(config: ModelConfig) -> None:
    """Raise ValueError for a mixture of experts: a neuron of an expert has no activation at the other tokens."""
    if config.n_experts > 0:
        raise ValueError(
            f"neurons cannot be shown with n_experts={config.n_experts}: one of an expert has a value only at the "
            "tokens that go there; the view Experts shows which these are"
        )


def check_layer(model: Transformer, layer: int) -> None:
    """Raise ValueError unless the model has this layer."""
    if not 0 <= layer < model.config.n_layers:
        raise ValueError(f"layer {layer} does not exist: this model's layers are 0 to {model.config.n_layers - 1}")


def check_heads(model: Transformer, heads: Iterable[tuple[int, int]]) -> None:
    """Raise ValueError unless the model has each of these (layer, head)."""
    for layer, head in heads:
        check_layer(model, layer)
        if not 0 <= head < model.config.n_heads:
            raise ValueError(f"head {head} does not exist: a layer's heads are 0 to {model.config.n_heads - 1}")


def check_pair(model: Transformer, pair: tuple[int, int]) -> None:
    """Raise ValueError unless both tokens of a pair are in the vocabulary."""
    for token in pair:
        if not 0 <= token < model.config.d_vocab:
            raise ValueError(f"token {token} is not in the vocabulary: ids go from 0 to {model.config.d_vocab - 1}")


def blocks(model: Transformer) -> list[Block]:
    """The model's blocks, typed as `Block`."""
    return [cast(Block, block) for block in model.blocks]


def _sources(model: Transformer) -> dict[str, nn.Module]:
    """The module whose output each name refers to."""
    sources = {}
    for path, module in model.named_modules():
        parent, _, last = path.rpartition(".")
        prefix = f"{parent}." if parent else ""
        if last.startswith("hook_"):
            sources[prefix + last.removeprefix("hook_")] = module
        elif path == "final_norm" or (last.startswith("norm_") and not isinstance(module, nn.Identity)):
            sources[path] = module
        if last == "hook_mixed":
            sources[prefix + "head_output"] = module
    return sources


def _resolve(model: Transformer, names: Iterable[str] | None) -> Sequence[str]:
    """Full names, each once; the last part of a name alone means that activation in every layer."""
    all_names = activation_names(model)
    if names is None:
        return all_names
    full_names: dict[str, None] = {}
    for name in [names] if isinstance(names, str) else names:
        matches = [full for full in all_names if name in (full, full.rpartition(".")[2])]
        if not matches:
            kinds = ", ".join(sorted({full.rpartition(".")[2] for full in all_names}))
            raise ValueError(
                f"There is no activation {name!r}: use one of {kinds}, or a full name such as 'blocks.0.resid_pre'"
            )
        full_names |= dict.fromkeys(matches)
    return list(full_names)
