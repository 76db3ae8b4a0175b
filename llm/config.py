"""Configurations: of the model, its training and its sampling.

Three frozen dataclasses. Every field is described once, in its annotation; the command line and the page's forms
take their help from there (`describe`). A field that names a variant (a norm, a position scheme, …) has the names in
that kind's registry as its choices, and their help after its own. A value that cannot work raises `ValueError` at
construction, naming the field, the value and what is allowed.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from typing_extensions import Doc

from llm.registry import REGISTRY_MODULES, registry

INT_LIMIT = 2**63  # integers of 64 bits are below it; torch takes no others
RotaryPairs = Literal["halves", "neighbours"]
Implementation = Literal["einops", "torch", "fused"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
Sharding = Literal["off", "full", "offload"]
Device = Literal["auto", "cpu", "cuda", "mps"]
LONGEST_SHOWN = 40  # characters of a value in an error message
MAX_LAYERS = 1000  # a damaged config could take for ever to build
MAX_EXPERTS = 4096  # in a layer, for the same reason


@dataclass(frozen=True)
class ModelConfig:
    """Everything that decides the shape and the arithmetic of a model. Behaviour follows from these fields alone."""

    d_vocab: Annotated[int, Doc("Vocabulary size: the number of distinct tokens.")]
    d_model: Annotated[int, Doc("Width of the residual stream: how many numbers describe each position.")] = 128
    n_layers: Annotated[int, Doc("Number of blocks, each one attention and one MLP.")] = 4
    n_heads: Annotated[int, Doc("Attention heads (query heads) per block.")] = 4
    n_kv_heads: Annotated[
        int,
        Doc("Key/value heads per block. Equal to n_heads: multi-head; a divisor: grouped-query; 1: multi-query."),
    ] = 4
    d_head: Annotated[int, Doc("Width of one head's query, key and value.")] = 32
    d_mlp: Annotated[int, Doc("Hidden width of the MLP.")] = 512
    n_ctx: Annotated[int, Doc("Context length: the most tokens that the model reads at once.")] = 128
    positional: Annotated[str, Doc("How the order of the tokens is encoded.")] = "learned"
    rope_theta: Annotated[float, Doc("Base of the rotary wavelengths (rope only).")] = 10000.0
    norm: Annotated[str, Doc("How each position's vector is normalised.")] = "layernorm"
    norm_position: Annotated[str, Doc("What a block's norms normalise.")] = "pre"
    norm_eps: Annotated[float, Doc("Small number that prevents division by zero in a norm.")] = 1e-5
    activation: Annotated[str, Doc("The MLP's activation function.")] = "gelu"
    qk_norm: Annotated[bool, Doc("Normalise queries and keys (RMSNorm) before their dot product.")] = False
    tie_embeddings: Annotated[bool, Doc("Use the token embedding, transposed, as the unembedding.")] = True
    bias: Annotated[bool, Doc("Add a learned bias in linear maps, and in norms that have one.")] = True
    dropout: Annotated[float, Doc("Fraction of activations set to zero at random during training.")] = 0.0
    # attention
    qk_norm_over: Annotated[str, Doc("Which numbers of a position are normalised together (qk_norm only).")] = (
        "per_head"
    )
    qkv_bias: Annotated[
        bool, Doc("Add a learned bias to queries, keys and values, even where bias is off, as in Qwen2.")
    ] = False
    attention_softcap: Annotated[
        float | None,
        Doc("Keep each score s of attention between −cap and cap, as cap · tanh(s / cap). Gemma 2: 50. None: off."),
    ] = None
    # blocks
    sublayers: Annotated[str, Doc("How a block's attention and MLP are connected.")] = "sequential"
    scale_embeddings: Annotated[
        bool, Doc("Multiply each token's embedding by √d_model as it enters the residual stream.")
    ] = False
    final_softcap: Annotated[
        float | None, Doc("Keep each logit z between −cap and cap, as cap · tanh(z / cap). Gemma 2: 30. None: off.")
    ] = None
    # positions: details of rope, and of relative
    rope_pairs: Annotated[
        RotaryPairs,
        Doc("Which two numbers of a head rotate together (rope only): one of each half, as in LLaMA and GPT-NeoX, or "
            "neighbours, as in the paper and GPT-J."),
    ] = "halves"  # fmt: skip
    rope_fraction: Annotated[
        float, Doc("Fraction of each head's numbers that rotate, its first ones (rope only). GPT-NeoX: 0.25.")
    ] = 1.0
    rope_scaling: Annotated[str, Doc("How rotations are slowed for a longer context (rope only).")] = "none"
    rope_factor: Annotated[
        float, Doc("How many times slower the scaled rotations are (with a rope_scaling other than none).")
    ] = 4.0
    rope_original_ctx: Annotated[
        int | None,
        Doc("Context length before scaling, in which llama3 and yarn count rotations. None: n_ctx / rope_factor."),
    ] = None
    rope_low_rotations: Annotated[
        float, Doc("Pairs with fewer rotations than this in the original context are slowed (llama3 and yarn only).")
    ] = 1.0
    rope_high_rotations: Annotated[
        float | None,
        Doc("Pairs with more rotations than this in the original context keep their speed (llama3 and yarn only). "
            "None: 4 with llama3, 32 with yarn."),
    ] = None  # fmt: skip
    rope_attention_factor: Annotated[
        float | None,
        Doc("Multiplier of rotated queries and keys (yarn only). None: 0.1 · ln rope_factor + 1, as in its paper."),
    ] = None
    relative_buckets: Annotated[
        int, Doc("Learned biases of each head, one for each range of distances (relative only).")
    ] = 32
    relative_max_distance: Annotated[int, Doc("Distance from which on all share the last bias (relative only).")] = 128
    mask: Annotated[str, Doc("What a position may attend to.")] = "causal"
    window: Annotated[int, Doc("Tokens in the window of attention, the query's own included (sliding, strided).")] = 32
    full_every: Annotated[
        int, Doc("The last of this many layers sees everything before each position (sliding, strided). 0: none does.")
    ] = 0
    # a mixture of experts in place of each MLP
    n_experts: Annotated[
        int, Doc("Experts in each MLP, each one d_mlp wide, of which a token uses a few. 0: one MLP, and no router.")
    ] = 0
    experts_per_token: Annotated[
        int, Doc("Experts that compute each token, the router's likeliest (with n_experts above 0).")
    ] = 2
    n_shared_experts: Annotated[
        int, Doc("Further experts, d_mlp wide, that compute every token (with n_experts above 0).")
    ] = 0
    normalize_expert_weights: Annotated[
        bool,
        Doc("Divide the weights of a token's experts by their sum, as in Mixtral; off, as in OLMoE, the router's "
            "probabilities are the weights (with n_experts above 0)."),
    ] = True  # fmt: skip
    load_balance_loss: Annotated[
        float,
        Doc("How much the load-balancing loss counts in training: 1 if every expert has as many tokens as any other, "
            "up to n_experts if all go to the same ones (with n_experts above 0)."),
    ] = 0.01  # fmt: skip
    router_z_loss: Annotated[
        float,
        Doc("How much the z-loss counts in training, the mean square of ln Σ exp(router logits), which keeps logits "
            "small (with n_experts above 0)."),
    ] = 0.001  # fmt: skip
    expert_capacity: Annotated[
        float | None,
        Doc("Tokens that an expert computes at most in a training batch, as a multiple of an equal part; tokens beyond "
            "it are dropped: they skip this expert. None: no limit, none is dropped (with n_experts above 0)."),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("d_vocab", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_head", "d_mlp", "n_ctx"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        require(self, "n_layers", self.n_layers <= MAX_LAYERS, f"at most {MAX_LAYERS:,}")
        require(self, "n_kv_heads", self.n_heads % self.n_kv_heads == 0, f"a divisor of n_heads={self.n_heads}")
        registry("positional")[self.positional].validate(self)
        require(self, "rope_theta", self.rope_theta > 1, "above 1")
        require(self, "norm_eps", self.norm_eps > 0, "above 0")
        require(self, "dropout", 0 <= self.dropout < 1, "in [0, 1)")
        cap = self.attention_softcap
        require(self, "attention_softcap", cap is None or cap > 0, "above 0, or None")
        require(self, "final_softcap", self.final_softcap is None or self.final_softcap > 0, "above 0, or None")
        require(self, "rope_fraction", 0 < self.rope_fraction <= 1, "above 0, and at most 1")
        require(self, "rope_factor", self.rope_factor >= 1, "at least 1")
        original = self.rope_original_ctx
        require(self, "rope_original_ctx", original is None or original >= 1, "at least 1, or None")
        require(self, "rope_low_rotations", self.rope_low_rotations > 0, "above 0")
        high, low = self.rope_high_rotations, self.rope_low_rotations
        require(self, "rope_high_rotations", high is None or high > low, f"above rope_low_rotations={low}, or None")
        multiplier = self.rope_attention_factor
        require(self, "rope_attention_factor", multiplier is None or multiplier > 0, "above 0, or None")
        registry("rope_scaling")[self.rope_scaling].validate(self)
        least = 2 if self.causal else 4  # of each direction
        require(self, "relative_buckets", self.relative_buckets >= least, f"at least {least}")
        above = self.relative_buckets // 2
        require(self, "relative_max_distance", self.relative_max_distance > above, f"above {above}, half the buckets")
        require(self, "window", self.window >= 1, "at least 1")
        require(self, "full_every", self.full_every >= 0, "at least 0")
        require(self, "n_experts", 0 <= self.n_experts <= MAX_EXPERTS, f"in 0 to {MAX_EXPERTS:,}")
        most = self.n_experts or MAX_EXPERTS
        require(self, "experts_per_token", 1 <= self.experts_per_token <= most, f"in 1 to {most:,}, the experts")
        require(self, "n_shared_experts", 0 <= self.n_shared_experts <= MAX_EXPERTS, f"in 0 to {MAX_EXPERTS:,}")
        require(self, "load_balance_loss", self.load_balance_loss >= 0, "at least 0")
        require(self, "router_z_loss", self.router_z_loss >= 0, "at least 0")
        require(self, "expert_capacity", self.expert_capacity is None or self.expert_capacity > 0, "above 0, or None")

    @property
    def causal(self) -> bool:
        """Whether no position sees later ones. If not, the model is trained to fill in masked tokens."""
        is_causal: bool = registry("mask")[self.mask].causal
        return is_causal

    @property
    def group(self) -> int:
        """Query heads that read the same key/value head."""
        return self.n_heads // self.n_kv_heads

    @property
    def query_width(self) -> int:
        """Numbers in the queries of one position, over all heads."""
        return self.n_heads * self.d_head

    @property
    def key_value_width(self) -> int:
        """Numbers in the keys of one position, and again in its values."""
        return self.n_kv_heads * self.d_head

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have learned biases."""
        return self.bias or self.qkv_bias

    @property
    def rotary_width(self) -> int:
        """Numbers of a head that rotate, where positions are rotary."""
        return round(self.rope_fraction * self.d_head)

    @property
    def axis_sizes(self) -> dict[str, int]:
        """Size of each axis that the config decides, by the name that shape comments and patterns give it."""
        return {
            "d_vocab": self.d_vocab, "d_model": self.d_model, "layer": self.n_layers, "head": self.n_heads,
            "kv_head": self.n_kv_heads, "group": self.group, "d_head": self.d_head, "d_mlp": self.d_mlp,
            "expert": self.n_experts, "choice": self.experts_per_token,
        }  # fmt: skip


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained."""

    steps: Annotated[int, Doc("Optimizer steps to take.")] = 450
    batch_size: Annotated[int, Doc("Windows of n_ctx tokens per forward pass.")] = 16
    accumulation: Annotated[int, Doc("Forward passes whose gradients are averaged into one optimizer step.")] = 1
    separate_documents: Annotated[
        bool,
        Doc("Let a token attend only to its own document, in a text of several: files, or the rows of a table. Else a "
            "window goes on from one to the next."),
    ] = False  # fmt: skip
    masked_fraction: Annotated[
        float,
        Doc("Fraction of each window's tokens that the model is to fill in, if its mask is bidirectional: of these 80% "
            "are replaced by a mask token, 10% by a random one, and 10% stay. BERT: 0.15."),
    ] = 0.15  # fmt: skip
    optimizer: Annotated[str, Doc("How a gradient becomes a step.")] = "muon"
    learning_rate: Annotated[
        float | None, Doc("Peak learning rate of AdamW. None: one that suits optimizer and model (see optimizer).")
    ] = None
    muon_learning_rate: Annotated[float, Doc("Peak learning rate of Muon (optimizer muon only).")] = 0.02
    schedule: Annotated[str, Doc("Course of the learning rate after warm-up.")] = "trapezoid"
    warmup: Annotated[float, Doc("Fraction of the steps during which the learning rate rises from 0.")] = 0.02
    decay: Annotated[float, Doc("Fraction of the steps, at the end, during which trapezoid falls.")] = 0.8
    min_lr: Annotated[float, Doc("Learning rate at the end, as a fraction of its peak.")] = 0.0
    weight_decay: Annotated[float, Doc("Decoupled weight decay of AdamW and Muon; applied to matrices only.")] = 0.1
    beta1: Annotated[float, Doc("AdamW: decay rate of the running mean of gradients.")] = 0.9
    beta2: Annotated[float, Doc("AdamW: decay rate of the running mean of squared gradients.")] = 0.99
    grad_clip: Annotated[
        float, Doc("Maximum gradient norm (L2, over all parameters); larger gradients are scaled down to it. 0: off.")
    ] = 1.0
    eval_every: Annotated[
        int, Doc("Steps between evaluations on the validation text; a sample is written at each as well.")
    ] = 25
    eval_windows: Annotated[
        int,
        Doc("Passages of the validation text, about 512 characters each, per evaluation: evenly spaced, the same each "
            "time and for every tokenizer. At the end of a run all of it is measured."),
    ] = 32  # fmt: skip
    patience: Annotated[
        int, Doc("Stop after this many evaluations in a row without a new best validation loss. 0: never.")
    ] = 0
    sample_prompt: Annotated[
        str,
        Doc(
            "Text that the sample at each evaluation continues, with another seed each time. Empty: four beginnings of "
            "paragraphs of the validation text, in turn, with words that do not occur in the training text."
        ),
    ] = ""
    sample_tokens: Annotated[int, Doc("Tokens of the sample written at each evaluation. 0: no sample.")] = 80
    skill_pairs: Annotated[
        int,
        Doc("Pairs per skill of the story world, tested at evaluations 1, 2, 4, 8 … and the last, if the text is the "
            "story world's. 0: none."),
    ] = 10  # fmt: skip
    precision: Annotated[
        Precision,
        Doc("Number format of the forward pass. auto: bfloat16 on a GPU or CPU with instructions for it, else float32. "
            "With float32 Muon's iteration is in float32, too."),
    ] = "auto"  # fmt: skip
    device: Annotated[Device, Doc("Where to compute. auto: cuda, else mps, else cpu.")] = "auto"
    compile: Annotated[
        bool, Doc("Compile the model with torch.compile first (takes about a minute; steps on a GPU are then faster).")
    ] = False
    gradient_checkpointing: Annotated[
        bool,
        Doc("Save only the input of each block for the backward pass, and compute it again there: less memory, a "
            "third more arithmetic, the same gradients."),
    ] = False  # fmt: skip
    sharding: Annotated[
        Sharding,
        Doc("What several processes divide among themselves. off: nothing, each keeps the whole model; full: weights, "
            "gradients and optimizer state, of which each keeps an equal part (FSDP); offload: the same, kept in the "
            "CPU's memory while a GPU does not need it. Nothing to divide in one process."),
    ] = "off"  # fmt: skip
    max_disk_mb: Annotated[
        int,
        Doc("Maximum size of a run's snapshots in megabytes; beyond it, optimizer states of earlier ones are deleted, "
            "without which no branch can start there, and then snapshots from the middle."),
    ] = 2000  # fmt: skip
    seed: Annotated[int, Doc("Seed of every random choice: weights, batches, samples.")] = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("steps", "batch_size", "accumulation", "eval_every", "eval_windows", "max_disk_mb"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        require(self, "masked_fraction", 0 < self.masked_fraction < 1, "above 0 and below 1")
        for name in ("patience", "sample_tokens", "skill_pairs", "seed"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "learning_rate", self.learning_rate is None or self.learning_rate > 0, "above 0, or None")
        require(self, "muon_learning_rate", self.muon_learning_rate > 0, "above 0")
        for name in ("warmup", "decay", "min_lr"):
            require(self, name, 0 <= getattr(self, name) <= 1, "in [0, 1]")
        for name in ("weight_decay", "grad_clip"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        for name in ("beta1", "beta2"):
            require(self, name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        scaled = self.precision == "float16" and self.sharding != "off"  # each process would scale as it likes
        require(self, "precision", not scaled, f"another one than float16 with sharding={self.sharding!r}")
        registry("schedule")[self.schedule].validate(self)

    def for_model(self, model: ModelConfig) -> TrainingConfig:
        """This config with a learning rate: without one, the rate that suits the optimizer and the model's size."""
        if self.learning_rate is not None:
            return self
        return dataclasses.replace(
            self, learning_rate=registry("optimizer")[self.optimizer].learning_rate(model.d_model, model.n_layers)
        )


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is drawn. The filters apply in the order of these fields."""

    max_new_tokens: Annotated[int, Doc("Tokens to generate.")] = 200
    repetition_penalty: Annotated[
        float, Doc("Above 1: tokens that are already in the text become less likely. 1: off.")
    ] = 1.0
    temperature: Annotated[
        float, Doc("Below 1: likely tokens become likelier; above 1: more varied; 0: always the likeliest (greedy).")
    ] = 0.8
    top_k: Annotated[int | None, Doc("Draw only from the k most likely tokens. None: off.")] = None
    top_p: Annotated[
        float | None, Doc("Draw only from the smallest set of tokens whose probabilities sum to p. None: off.")
    ] = None
    min_p: Annotated[
        float | None,
        Doc("Draw only from tokens with at least this fraction of the most likely token's probability. None: off."),
    ] = None
    seed: Annotated[int | None, Doc("The same seed gives the same text. None: different each time.")] = None
    stop: Annotated[tuple[str, ...], Doc("End as soon as the new text contains one of these.")] = ()

    def __post_init__(self) -> None:
        if isinstance(self.stop, list):  # as JSON gives it
            object.__setattr__(self, "stop", tuple(self.stop))
        check_types(self)
        require(self, "max_new_tokens", self.max_new_tokens >= 0, "at least 0")
        require(self, "repetition_penalty", self.repetition_penalty > 0, "above 0")
        require(self, "temperature", self.temperature >= 0, "at least 0")
        require(self, "top_k", self.top_k is None or self.top_k >= 1, "at least 1, or None")
        require(self, "top_p", self.top_p is None or 0 < self.top_p <= 1, "in (0, 1], or None")
        require(self, "min_p", self.min_p is None or 0 <= self.min_p <= 1, "in [0, 1], or None")
        require(self, "seed", self.seed is None or self.seed >= 0, "at least 0, or None")
        require(self, "stop", all(self.stop), "strings of at least one character")


@dataclass(frozen=True)
class FieldDescription:
    """One field as a form or a command line shows it."""

    name: str
    help: str
    kind: type  # int, float, bool, str or tuple
    optional: bool  # None is allowed
    choices: tuple[str, ...]  # of a Literal, or the names in a registry; else empty
    default: Any  # dataclasses.MISSING where there is none


def describe(config: type) -> dict[str, FieldDescription]:
    """Name, help, type, choices and default of every field of one of the configs above, in order."""
    return {
        name: _with_variants(field) if name in REGISTRY_MODULES else field for name, field in _annotated(config).items()
    }


@lru_cache
def _annotated(config: type) -> dict[str, FieldDescription]:
    """The fields as their annotations describe them, read once: a list of runs checks hundreds of configs."""
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


def _with_variants(field: FieldDescription) -> FieldDescription:
    """With the names in the field's registry as its choices, and their help after its own."""
    variants = registry(field.name)
    text = f"{field.help} {'; '.join(f'{name}: {entry.help}' for name, entry in variants.items())}."
    return dataclasses.replace(field, choices=tuple(variants), help=text)


def require(config: object, name: str, holds: bool, allowed: str) -> None:
    """Raise ValueError, with the field's name and value and what is allowed, unless a condition on it holds."""
    if not holds:
        raise ValueError(f"{name} must be {allowed}, got {shown(getattr(config, name))}")


def shown(value: object) -> str:
    """A value as Python writes it, for an error message; of a long one only the beginning, and its length."""
    return repr(shortened(value)) if isinstance(value, str) else shortened(repr(value))


def shortened(text: str) -> str:
    """The text; of a long one only the beginning, and its length."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text):,} characters)"


def check_types(config: object) -> None:
    """Raise ValueError for a field that has not the type that it is annotated with."""
    for name, field in describe(type(config)).items():
        value = getattr(config, name)
        if value is None and field.optional:
            continue
        if field.choices:
            require(config, name, value in field.choices, "one of " + ", ".join(field.choices))
        elif field.kind is float:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            # comparing is exact: math.isfinite fails for an integer beyond every float
            require(config, name, is_number and abs(value) <= sys.float_info.max, "a finite number")
        elif field.kind is int:
            require(config, name, isinstance(value, int) and not isinstance(value, bool), "an integer")
            require(config, name, abs(value) < INT_LIMIT, "below 2^63")
        elif field.kind is tuple:
            is_strings = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
            require(config, name, is_strings, "a tuple of strings")
        else:
            require(config, name, isinstance(value, field.kind), f"of type {field.kind.__name__}")
