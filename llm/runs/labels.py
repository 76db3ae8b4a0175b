"""What a run is called in lists: its preset, and in which fields it differs from it."""

from __future__ import annotations

from functools import lru_cache

from llm.config import FieldDescription, ModelConfig, TrainingConfig, describe
from llm.presets import ARCHITECTURES, DERIVED, SIZES, changed_fields, preset
from llm.registry import REGISTRY_MODULES, registry
from llm.runs.config import RunConfig

MOST_DIFFERENCES = 3  # in a label; the others are counted
MOST_CHARACTERS = 40  # of a name that config.json gives
# the label names the steps by themselves, and not what decides only where and how a run is measured, written and kept
LEFT_OUT = (
    "steps", "eval_every", "eval_windows", "sample_prompt", "sample_tokens", "skill_pairs", "device", "compile",
    "gradient_checkpointing", "sharding", "max_disk_mb",
)  # fmt: skip


def model_name(config: RunConfig) -> str:
    """The preset and what differs from it: "llama small + alibi + seed 1"; "custom" for a run without a preset.

    Of a model that was imported from another project, the family: "imported gpt2".
    """
    if (family := config.about(str, "imported", "family")) is not None:
        return f"imported {shortened(family)}"
    names = (config.about(str, "architecture"), config.about(str, "size"))
    preset_name = " ".join(shortened(name) for name in names if name) or "custom"
    found = differences(config)
    more = [f"{len(found) - MOST_DIFFERENCES} more"] if len(found) > MOST_DIFFERENCES else []
    return " + ".join([preset_name, *found[:MOST_DIFFERENCES], *more])


def differences(config: RunConfig) -> list[str]:
    """The fields that differ from the preset and from the training settings that suit it, each in a word or two.

    A width that follows from the other fields, as `preset` derives it, is no difference. Empty for a run that
    names no preset of this version. Parts of the model come first, derived widths last.
    """
    architecture, size = config.about(str, "architecture"), config.about(str, "size")
    if architecture not in ARCHITECTURES or size not in SIZES:
        return []
    model, training = config.model, config.training
    usual = _usual(training.optimizer, model.d_model, model.n_layers, model.d_vocab)
    described, changed = describe(ModelConfig), changed_fields(model, architecture, size)
    if changed.keys() & set(DERIVED):
        chosen = {name: value for name, value in changed.items() if name not in DERIVED}
        follows = _derived(architecture, size, model.d_vocab, tuple(chosen.items()))
        changed = {name: value for name, value in changed.items() if follows.get(name) != value}
    in_model = {name: _in_words(described[name], value) for name, value in changed.items()}
    in_training = [
        f"{name} {getattr(training, name)}" if name in REGISTRY_MODULES else _in_words(field, getattr(training, name))
        for name, field in describe(TrainingConfig).items()
        if name not in LEFT_OUT
        and getattr(training, name) != (field.default if name in REGISTRY_MODULES else getattr(usual, name))
    ]
    parts = [in_model.pop(name) for name in REGISTRY_MODULES if name in in_model]
    derived = [in_model.pop(name) for name in DERIVED if name in in_model]
    return [*parts, *in_model.values(), *in_training, *derived]


def shortened(text: str) -> str:
    """A name on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 2] + " …"


@lru_cache(1000)
def _derived(architecture: str, size: str, d_vocab: int, chosen: tuple[tuple[str, object], ...]) -> dict[str, int]:
    """The widths that follow from the fields that were chosen; empty where these alone make no valid model."""
    try:
        model = preset(architecture, size, **({"d_vocab": d_vocab} | dict(chosen)))
    except ValueError:
        return {}
    return {name: getattr(model, name) for name in DERIVED}


@lru_cache(1000)
def _usual(optimizer: str, d_model: int, n_layers: int, d_vocab: int) -> TrainingConfig:
    """The default settings, with the learning rate that suits this optimizer and a model of this size."""
    model = ModelConfig(d_vocab=d_vocab, d_model=d_model, n_layers=n_layers)
    return TrainingConfig(optimizer=optimizer).for_model(model)


def _in_words(field: FieldDescription, value: object) -> str:
    """A field's value: `n_layers 2`, `no bias`; `alibi` alone, as its label has this name, but `positional none`."""
    if field.kind is bool:
        return field.name if value else f"no {field.name}"
    if field.name in REGISTRY_MODULES:
        label = registry(field.name)[str(value)].label
        if label != value and _letters(str(value)) in _letters(label):
            return str(value)
    return f"{field.name} {value:g}" if isinstance(value, float) else f"{field.name} {value}"


def _letters(text: str) -> str:
    """A name's letters and digits, so that `gelu_tanh` is found in "GELU, tanh form"."""
    return "".join(filter(str.isalnum, text.lower()))
