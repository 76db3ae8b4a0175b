"""What can be chosen: the model, its training and how it is sampled.

Three frozen dataclasses. Every field is described once, in its annotation; the command line and the page's forms
take their help from there (`describe`). A value that cannot work raises `ValueError` at construction, naming the field,
the value and what is allowed.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from typing_extensions import Doc

Positional = Literal["learned", "sinusoidal", "rope", "alibi", "none"]
Norm = Literal["layernorm", "rmsnorm"]
NormPosition = Literal["pre", "post"]
Activation = Literal["gelu", "swiglu", "relu"]
Implementation = Literal["einops", "torch", "fused"]
Optimizer = Literal["adamw", "muon"]
Schedule = Literal["cosine", "trapezoid", "constant"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape and the arithmetic of a model. Behaviour follows from these fields alone."""

    d_vocab: Annotated[int, Doc("Vocabulary size: how many different tokens the model knows.")]
    d_model: Annotated[int, Doc("Width of the residual stream: numbers that describe each position.")] = 128
    n_layers: Annotated[int, Doc("Number of blocks, each one attention and one MLP.")] = 4
    n_heads: Annotated[int, Doc("Attention heads (query heads) per block.")] = 4
    n_kv_heads: Annotated[
        int,
        Doc("Key/value heads per block. Equal to n_heads: multi-head; a divisor: grouped-query; 1: multi-query."),
    ] = 4
    d_head: Annotated[int, Doc("Width of one head's query, key and value.")] = 32
    d_mlp: Annotated[int, Doc("Hidden width of the MLP.")] = 512
    n_ctx: Annotated[int, Doc("Context length: the most tokens that the model looks at together.")] = 128
    positional: Annotated[
        Positional,
        Doc("How order is told: learned or sinusoidal vectors, rotated queries and keys (rope), a distance penalty "
            "(alibi), or not at all (none)."),
    ] = "learned"  # fmt: skip
    rope_theta: Annotated[float, Doc("Base of the rotary wavelengths (rope only).")] = 10000.0
    norm: Annotated[Norm, Doc("LayerNorm centres and scales each position; RMSNorm only scales.")] = "layernorm"
    norm_position: Annotated[
        NormPosition, Doc("Normalise what a sublayer reads (pre) or the residual stream after its addition (post).")
    ] = "pre"
    norm_eps: Annotated[float, Doc("Small number that keeps a norm from dividing by zero.")] = 1e-5
    activation: Annotated[
        Activation, Doc("The MLP's non-linearity. swiglu has a third matrix, the gate; gelu and relu have none.")
    ] = "gelu"
    qk_norm: Annotated[bool, Doc("Normalise each head's query and key (RMSNorm) before their dot product.")] = False
    tie_embeddings: Annotated[bool, Doc("Use the token embedding, transposed, as the unembedding.")] = True
    bias: Annotated[bool, Doc("Give linear maps and LayerNorms an added bias.")] = True
    dropout: Annotated[float, Doc("Share of activations zeroed at random while training.")] = 0.0

    def __post_init__(self) -> None:
        _check_types(self)
        for name in ("d_vocab", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_mlp", "n_ctx"):
            _require(self, name, getattr(self, name) >= 1, "a whole number of 1 or more")
        _require(self, "n_kv_heads", self.n_heads % self.n_kv_heads == 0, f"a divisor of n_heads={self.n_heads}")
        if self.positional == "rope":
            _require(self, "d_head", self.d_head % 2 == 0, "an even number with positional='rope' (it rotates pairs)")
        if self.positional == "sinusoidal":
            _require(
                self, "d_model", self.d_model % 2 == 0, "an even number with positional='sinusoidal' (sine, cosine)"
            )
        _require(self, "rope_theta", self.rope_theta > 1, "a number above 1")
        _require(self, "norm_eps", self.norm_eps > 0, "a number above 0")
        _require(self, "dropout", 0 <= self.dropout < 1, "at least 0 and below 1")


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained."""

    steps: Annotated[int, Doc("Optimizer steps to take.")] = 450
    batch_size: Annotated[int, Doc("Windows of n_ctx tokens per forward pass.")] = 16
    accumulation: Annotated[int, Doc("Forward passes whose gradients are averaged into one optimizer step.")] = 1
    optimizer: Annotated[
        Optimizer,
        Doc("AdamW for every parameter (adamw), or Muon for the blocks' matrices and AdamW for the rest (muon)."),
    ] = "muon"
    learning_rate: Annotated[
        float,
        Doc("Peak learning rate of AdamW. Where it has all parameters, wide models want less: GPT-3's 0.0006 at 768."),
    ] = 0.01
    muon_learning_rate: Annotated[float, Doc("Peak learning rate of Muon (optimizer muon only).")] = 0.02
    schedule: Annotated[
        Schedule, Doc("After warm-up: fall along a cosine, stay and fall linearly at the end (trapezoid), or stay.")
    ] = "trapezoid"
    warmup: Annotated[float, Doc("Share of the steps during which the learning rate rises from 0.")] = 0.02
    decay: Annotated[float, Doc("Share of the steps at the end during which trapezoid falls.")] = 0.8
    min_lr: Annotated[float, Doc("Learning rate at the end, as a share of its peak.")] = 0.0
    weight_decay: Annotated[float, Doc("AdamW's and Muon's decoupled weight decay; on matrices only.")] = 0.1
    beta1: Annotated[float, Doc("AdamW: memory of the gradient's running mean.")] = 0.9
    beta2: Annotated[float, Doc("AdamW: memory of the squared gradient's running mean.")] = 0.99
    grad_clip: Annotated[
        float, Doc("Longest gradient (L2 norm over all parameters); longer ones are scaled down. 0: off.")
    ] = 1.0
    eval_every: Annotated[
        int, Doc("Steps between evaluations on the validation text; also when a sample is written.")
    ] = 25
    eval_windows: Annotated[int, Doc("Validation windows per evaluation: always the same, evenly spread.")] = 32
    patience: Annotated[
        int, Doc("Stop after this many evaluations in a row without a new best validation loss. 0: never.")
    ] = 0
    sample_prompt: Annotated[
        str, Doc("Where the sample at each evaluation starts. Empty: the validation text's first words.")
    ] = ""
    sample_tokens: Annotated[int, Doc("Tokens of the sample written at each evaluation. 0: no sample.")] = 80
    skill_pairs: Annotated[
        int, Doc("Pairs asked for each skill of the story world, at the evaluations number 1, 2, 4, 8 … and the last, "
                 "when the text is the story world's. 0: none.")
    ] = 10  # fmt: skip
    precision: Annotated[
        Precision,
        Doc("Number format of the forward pass. auto: bfloat16 on a GPU or CPU that computes in it, else float32."),
    ] = "auto"
    device: Annotated[Device, Doc("Where to compute. auto: cuda, else mps, else cpu.")] = "auto"
    compile: Annotated[
        bool, Doc("Compile the model with torch.compile first (a minute once, faster steps on a GPU).")
    ] = False
    max_disk_mb: Annotated[
        int, Doc("Most megabytes of snapshots a run keeps; beyond it, snapshots in the middle are thinned.")
    ] = 2000
    seed: Annotated[int, Doc("Start of every random choice: weights, batches, samples.")] = 0

    def __post_init__(self) -> None:
        _check_types(self)
        for name in ("steps", "batch_size", "accumulation", "eval_every", "eval_windows", "max_disk_mb"):
            _require(self, name, getattr(self, name) >= 1, "a whole number of 1 or more")
        for name in ("patience", "sample_tokens", "skill_pairs", "seed"):
            _require(self, name, getattr(self, name) >= 0, "a whole number of 0 or more")
        _require(self, "seed", self.seed < 2**63, "below 2^63")
        for name in ("learning_rate", "muon_learning_rate"):
            _require(self, name, getattr(self, name) > 0, "a number above 0")
        for name in ("warmup", "decay", "min_lr"):
            _require(self, name, 0 <= getattr(self, name) <= 1, "between 0 and 1")
        for name in ("weight_decay", "grad_clip"):
            _require(self, name, getattr(self, name) >= 0, "a number of 0 or more")
        for name in ("beta1", "beta2"):
            _require(self, name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        if self.schedule == "trapezoid":
            _require(self, "decay", self.warmup + self.decay <= 1, f"at most 1 − warmup = {1 - self.warmup:g}")


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is drawn. The filters apply in the order of these fields."""

    max_new_tokens: Annotated[int, Doc("Tokens to write.")] = 200
    repetition_penalty: Annotated[
        float, Doc("Above 1: make tokens that already stand in the text less likely. 1: off.")
    ] = 1.0
    temperature: Annotated[
        float, Doc("Below 1: bolder in its favourites; above 1: more varied; 0: always the likeliest (greedy).")
    ] = 0.8
    top_k: Annotated[int | None, Doc("Draw only from the k likeliest tokens. None: off.")] = None
    top_p: Annotated[float | None, Doc("Draw only from the fewest tokens whose probabilities sum to p. None: off.")] = (
        None
    )
    min_p: Annotated[
        float | None, Doc("Draw only from tokens at least this share as likely as the likeliest. None: off.")
    ] = None
    seed: Annotated[int | None, Doc("Same seed, same text. None: different each time.")] = None
    stop: Annotated[tuple[str, ...], Doc("End as soon as the new text contains one of these.")] = ()

    def __post_init__(self) -> None:
        if isinstance(self.stop, list):  # as JSON gives it
            object.__setattr__(self, "stop", tuple(self.stop))
        _check_types(self)
        _require(self, "max_new_tokens", self.max_new_tokens >= 0, "a whole number of 0 or more")
        _require(self, "repetition_penalty", self.repetition_penalty > 0, "a number above 0")
        _require(self, "temperature", self.temperature >= 0, "a number of 0 or more")
        _require(self, "top_k", self.top_k is None or self.top_k >= 1, "a whole number of 1 or more, or None")
        _require(self, "top_p", self.top_p is None or 0 < self.top_p <= 1, "above 0 and at most 1, or None")
        _require(self, "min_p", self.min_p is None or 0 <= self.min_p <= 1, "between 0 and 1, or None")
        _require(self, "seed", self.seed is None or 0 <= self.seed < 2**63, "between 0 and 2^63 − 1, or None")
        _require(self, "stop", all(self.stop), "strings with at least one character")


@dataclass(frozen=True)
class FieldDescription:
    """One field as a form or a command line shows it."""

    name: str
    help: str
    kind: type  # int, float, bool, str or tuple
    optional: bool  # None is allowed
    choices: tuple[str, ...]  # of a Literal, else empty
    default: Any  # dataclasses.MISSING where there is none


def describe(config: type) -> dict[str, FieldDescription]:
    """Name, help, type, choices and default of every field of one of the configs above, in order."""
    hints = get_type_hints(config, include_extras=True)
    described = {}
    for field in dataclasses.fields(config):
        annotation, *extras = get_args(hints[field.name])
        inner = [part for part in get_args(annotation) if part is not type(None)]
        optional = type(None) in get_args(annotation)
        choices = get_args(annotation) if get_origin(annotation) is Literal else ()
        kind = str if choices else inner[0] if optional else get_origin(annotation) or annotation
        text = next(extra.documentation for extra in extras if isinstance(extra, Doc))
        described[field.name] = FieldDescription(field.name, text, kind, optional, choices, field.default)
    return described


def _require(config: object, name: str, holds: bool, allowed: str) -> None:
    if not holds:
        raise ValueError(f"{name}={getattr(config, name)!r} is not possible: it must be {allowed}")


def _check_types(config: object) -> None:
    for name, field in describe(type(config)).items():
        value = getattr(config, name)
        if value is None and field.optional:
            continue
        if field.choices:
            _require(config, name, value in field.choices, "one of " + ", ".join(field.choices))
        elif field.kind is float:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            _require(config, name, is_number and math.isfinite(value), "a finite number")
        elif field.kind is int:
            _require(config, name, isinstance(value, int) and not isinstance(value, bool), "a whole number")
        elif field.kind is tuple:
            is_strings = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
            _require(config, name, is_strings, "a tuple of strings")
        else:
            _require(config, name, isinstance(value, field.kind), f"of type {field.kind.__name__}")
