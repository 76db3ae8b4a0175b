"""Activation patching: put one activation of a clean run into a corrupted run, and see how much of the answer returns.

    effect = (LD_patched − LD_corrupt) / (LD_clean − LD_corrupt),    LD = logits[y] − logits[y′] after the last position

0: nothing came back; 1: all of it. It is causal, unlike a pattern: that place carried what told the prompts apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import Record, as_batch, blocks, check_heads, check_layer, check_pair, record, twin
from llm.model import Transformer

Site = Literal["resid_pre", "attention_out", "mlp_out", "head"]
MODULES = {
    "resid_pre": "hook_resid_pre",
    "attention_out": "hook_attention_out",
    "mlp_out": "hook_mlp_out",
    "head": "attention.hook_mixed",
}


@dataclass(frozen=True)
class Patch:
    """One activation to carry over: at these positions (None: all), and for site "head" of this head."""

    site: Site
    layer: int
    positions: tuple[int, ...] | None = None
    head: int | None = None


@dataclass(frozen=True)
class PatchMap:
    """Effect of every single patch, and the two logit differences between which it is measured."""

    effect: Float[Tensor, "layer *head pos"]
    clean: float
    corrupt: float


def patch(
    model: Transformer,
    clean: Int[Tensor, " pos"],
    corrupt: Int[Tensor, " pos"],
    pair: tuple[int, int],
    site: Site = "resid_pre",
    batch_size: int = 32,
) -> PatchMap:
    """The effect of patching `site` in each layer at each position (for "head": each head too), one at a time.

    A head's output is patched as mixed[head], of which it is a linear function.

    Raises:
        ValueError: prompts of different length or with the same logit difference, an unknown site.
    """
    layers = range(model.config.n_layers)
    found = [torch.cat(list(patch_layer(model, clean, corrupt, pair, layer, site, batch_size))) for layer in layers]
    shape = (len(layers), *([model.config.n_heads] if site == "head" else []), len(clean))
    ends = [logit_difference(model, tokens[None], pair).item() for tokens in (clean, corrupt)]
    return PatchMap(torch.cat(found).reshape(shape), *ends)


def patch_layer(
    model: Transformer,
    clean: Int[Tensor, " pos"],
    corrupt: Int[Tensor, " pos"],
    pair: tuple[int, int],
    layer: int,
    site: Site = "resid_pre",
    batch_size: int = 32,
    start: int = 0,
    span: int = 1,
) -> Iterator[Float[Tensor, " cell"]]:
    """The effects of one layer from position `start` on, [head, pos] or [pos] end to end, a batch of cells at a time.

    With a longer `span` a cell is so many neighbouring positions, patched together.

    Raises:
        ValueError: as `patch`, or a layer that does not exist.
    """
    _check_site(site)
    check_layer(model, layer)
    runs = _Runs(model, clean, corrupt, pair)
    heads = range(model.config.n_heads) if site == "head" else (None,)
    places = [tuple(range(at, min(at + span, len(clean)))) for at in range(start, len(clean), span)]
    single = [Patch(site, layer, positions, head) for head in heads for positions in places]
    for at in range(0, len(single), batch_size):
        yield runs.effects([[one] for one in single[at : at + batch_size]])


def patch_heads(
    model: Transformer,
    clean: Int[Tensor, " pos"],
    corrupt: Int[Tensor, " pos"],
    pair: tuple[int, int],
    layer: int,
    batch_size: int = 32,
) -> Iterator[Float[Tensor, " head"]]:
    """The effects of patching each head of a layer at all positions at once, a batch of heads at a time.

    Raises:
        ValueError: as `patch_layer`.
    """
    check_layer(model, layer)
    runs = _Runs(model, clean, corrupt, pair)
    heads = [Patch("head", layer, None, head) for head in range(model.config.n_heads)]
    for at in range(0, len(heads), batch_size):
        yield runs.effects([[one] for one in heads[at : at + batch_size]])


def patch_effect(
    model: Transformer,
    clean: Int[Tensor, " pos"],
    corrupt: Int[Tensor, " pos"],
    pair: tuple[int, int],
    patches: Collection[Patch],
) -> float:
    """The effect of making all these patches at once: resid_pre at all positions gives 1, no patch 0.

    Raises:
        ValueError: as `patch`, or a patch of a layer, head or position that does not exist.
    """
    runs = _Runs(model, clean, corrupt, pair)
    length = runs.corrupt_tokens.shape[1]
    for one in patches:
        _check_site(one.site)
        check_layer(model, one.layer)
        if (one.head is None) == (one.site == "head"):
            raise ValueError(f"head={one.head} does not fit site={one.site!r}: a head belongs to site 'head' only")
        check_heads(model, [] if one.head is None else [(one.layer, one.head)])
        for position in one.positions or ():
            if not 0 <= position < length:
                raise ValueError(f"position {position} does not exist: these prompts' positions are 0 to {length - 1}")
    return runs.effects([list(patches)]).item()


class _Runs:
    """A clean run's activations, a corrupted run, and runs of the corrupted prompt with patches."""

    def __init__(self, model: Transformer, clean: Tensor, corrupt: Tensor, pair: tuple[int, int]) -> None:
        if clean.shape != corrupt.shape or clean.ndim != 1:
            raise ValueError(
                f"the clean prompt has shape {list(clean.shape)} and the corrupted one {list(corrupt.shape)}: patching "
                "goes position by position, so give two single prompts of as many tokens each"
            )
        self.model, self.pair = model, pair
        self.corrupt_tokens = as_batch(model, corrupt[None])
        self.clean = logit_difference(model, clean[None], pair).item()
        self.corrupt = logit_difference(model, corrupt[None], pair).item()
        if self.clean == self.corrupt:
            raise ValueError(
                f"both prompts have the logit difference {self.clean:g}, so there is nothing to bring back: choose "
                "prompts, or a pair of tokens, that the model tells apart"
            )
        self.kept: Record = record(model, clean[None], ["resid_pre", "attention_out", "mlp_out", "mixed"])

    def effects(self, rows: list[list[Patch]]) -> Float[Tensor, " row"]:
        """Effects of many sets of patches, each in its own row of one batch."""
        altered = twin(self.model)
        for row, patches in enumerate(rows):
            for one in patches:
                module = blocks(altered)[one.layer].get_submodule(MODULES[one.site])
                module.register_forward_hook(self._hook(row, one))
        patched = logit_difference(altered, self.corrupt_tokens.expand(len(rows), -1), self.pair)
        return (patched - self.corrupt) / (self.clean - self.corrupt)

    def _hook(self, row: int, one: Patch) -> Callable[[nn.Module, object, Tensor], Tensor]:
        part = "attention.mixed" if one.site == "head" else one.site
        clean = self.kept[f"blocks.{one.layer}.{part}"][0]  # [pos, d_model], or [head, pos, d_head]
        where = slice(None) if one.positions is None else list(one.positions)

        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            changed = output.clone()
            place = (where,) if one.head is None else (one.head, where)
            changed[(row, *place)] = clean[place]
            return changed

        return hook


def logit_difference(
    model: Transformer, tokens: Int[Tensor, "batch pos"], pair: tuple[int, int]
) -> Float[Tensor, " batch"]:
    """logits[y] − logits[y′] of pair (y, y′) after the last position."""
    check_pair(model, pair)
    last = record(model, tokens, ["logits"])["logits"][:, -1]  # [batch, d_vocab]
    return last[:, pair[0]] - last[:, pair[1]]


def _check_site(site: str) -> None:
    if site not in get_args(Site):
        raise ValueError(f"site={site!r} is unknown: choose one of {', '.join(get_args(Site))}")
