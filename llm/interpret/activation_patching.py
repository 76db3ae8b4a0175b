"""Activation patching: copy activations of a clean run into a corrupted run; how much of the answer does it restore?

    effect = (LD_patched − LD_corrupt) / (LD_clean − LD_corrupt),    LD = logits[y] − logits[y′] after the last position

0: the difference is as in the corrupted run; 1: as in the clean one; below 0 and above 1 are possible. Unlike an
attention pattern this is causal: for these two prompts, the patched activation made that difference (Vig et al. 2020,
arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from llm.interpret.recording import as_batch, blocks, check_heads, check_layer, check_pair, hookable_copy, record
from llm.model import Transformer
from llm.runtime.stepwise import stepwise

Site = Literal["resid_pre", "attention_out", "mlp_out", "head"]
MODULES = {
    "resid_pre": "hook_resid_pre",
    "attention_out": "hook_attention_out",
    "mlp_out": "hook_mlp_out",
    "head": "attention.hook_mixed",
}


@dataclass(frozen=True)
class Patch:
    """One activation to copy, at these positions (None: all). Site "head" needs the head.

    A head's output is a linear function of mixed[head], which is what is patched.
    """

    site: Site
    layer: int
    positions: tuple[int, ...] | None = None
    head: int | None = None


@stepwise
def activation_patching(
    model: Transformer,
    clean: Int[Tensor, " pos"],
    corrupt: Int[Tensor, " pos"],
    pair: tuple[int, int],
    experiments: Sequence[Collection[Patch]],
    batch_size: int = 32,
) -> Generator[None, None, Float[Tensor, " experiment"]]:
    """The effect of each experiment on the logit difference of `pair`; its patches are applied together.

    Patching resid_pre at all positions gives 1, no patch gives 0. Yields after each batch of experiments.

    Raises:
        ValueError: prompts of different length or with the same logit difference; a patch whose site is unknown, or
            whose layer, head or position does not exist.
    """
    if clean.shape != corrupt.shape or clean.ndim != 1:
        raise ValueError(
            "clean and corrupt must be two single prompts of equal length, since patching goes position by position, "
            f"got shapes {list(clean.shape)} and {list(corrupt.shape)}"
        )
    for patches in experiments:
        for patch in patches:
            _check_patch(model, patch, len(clean))
    corrupt_batch = as_batch(model, corrupt[None])
    clean_difference = logit_difference(model, clean[None], pair).item()
    corrupt_difference = logit_difference(model, corrupt[None], pair).item()
    if clean_difference == corrupt_difference:
        raise ValueError(
            f"both prompts have the logit difference {clean_difference:g}, so there is nothing to restore: choose "
            "prompts, or a pair of tokens, for which it differs"
        )
    clean_activations = record(model, clean[None], ["resid_pre", "attention_out", "mlp_out", "mixed"])
    effects = []
    for start in range(0, len(experiments), batch_size):
        batch = experiments[start : start + batch_size]
        patched_model = hookable_copy(model)
        for row, patches in enumerate(batch):
            for patch in patches:
                module = blocks(patched_model)[patch.layer].get_submodule(MODULES[patch.site])
                module.register_forward_hook(_patching_hook(clean_activations, row, patch))
        patched = logit_difference(patched_model, corrupt_batch.expand(len(batch), -1), pair)  # [experiment]
        effects.append((patched - corrupt_difference) / (clean_difference - corrupt_difference))
        yield
    return torch.cat(effects)


def logit_difference(
    model: Transformer, tokens: Int[Tensor, "batch pos"], pair: tuple[int, int]
) -> Float[Tensor, " batch"]:
    """logits[y] − logits[y′] of pair (y, y′) after the last position.

    Raises:
        ValueError: a token outside the vocabulary, or invalid tokens (see `as_batch`).
    """
    check_pair(model, pair)
    last = record(model, tokens, ["logits"])["logits"][:, -1]  # [batch, d_vocab]
    return last[:, pair[0]] - last[:, pair[1]]


def _patching_hook(
    activations: dict[str, Tensor], row: int, patch: Patch
) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """A hook that copies the clean run's activation into one row of the corrupted batch."""
    name = "attention.mixed" if patch.site == "head" else patch.site
    clean = activations[f"blocks.{patch.layer}.{name}"][0]  # [pos, d_model], or [head, pos, d_head]
    positions = slice(None) if patch.positions is None else list(patch.positions)
    index = (positions,) if patch.head is None else (patch.head, positions)

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        changed = output.clone()
        changed[(row, *index)] = clean[index]
        return changed

    return hook


def _check_patch(model: Transformer, patch: Patch, length: int) -> None:
    if patch.site not in get_args(Site):
        raise ValueError(f"site must be one of {', '.join(get_args(Site))}, got {patch.site!r}")
    check_layer(model, patch.layer)
    if (patch.head is None) == (patch.site == "head"):
        raise ValueError(f"head must be given for site 'head' and for no other, got head={patch.head} for {patch.site}")
    check_heads(model, [] if patch.head is None else [(patch.layer, patch.head)])
    for position in patch.positions or ():
        if not 0 <= position < length:
            raise ValueError(f"position {position} does not exist: these prompts' positions are 0 to {length - 1}")
