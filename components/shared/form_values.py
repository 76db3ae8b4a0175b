"""Fill in the form of a new run from code: with a recipe, or with the settings of an earlier run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from components.shared import folders, forms, uploads
from components.shared.session import Session
from llm.checkpoints import RunConfig, RunFolder
from llm.config import ModelConfig, TrainingConfig, describe
from llm.data import Split, read_text
from llm.presets import ARCHITECTURES, SIZES, preset
from llm.runs.corpus import recorded_split
from llm.runs.notes import one_line
from llm.tokenizers import REGISTRY as TOKENIZERS

SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 260, 65536  # of a tokenizer with a choice
UNNAMED = "text.txt"


def fill_in(
    architecture: str, size: str, model: Mapping[str, Any], training: Mapping[str, Any], text: Path | None
) -> None:
    """Choose these settings in the form of a new run, from its next rerun; the other fields stay as they are."""
    start = preset(architecture, size, d_vocab=1)
    chosen: dict[str, object] = {Session.TRAIN_ARCHITECTURE: architecture, Session.TRAIN_SIZE: size}
    if text is not None:
        chosen[Session.TRAIN_TEXT] = text
    key = Session.TRAIN_MODEL.of(architecture, size)
    chosen |= {forms.control_key(key, name, getattr(start, name)): value for name, value in model.items()}
    usual = TrainingConfig()
    if "optimizer" in training:  # the form suggests a learning rate for it, and for a model of this size
        widths = {name: model.get(name, getattr(start, name)) for name in ("d_model", "n_layers")}
        usual = TrainingConfig(optimizer=training["optimizer"]).for_model(ModelConfig(d_vocab=1, **widths))
    for name, value in training.items():
        shown_first = getattr(usual if name == "learning_rate" else TrainingConfig(), name)
        chosen[forms.control_key(Session.TRAIN_TRAINING, name, shown_first)] = value
    st.session_state.update(chosen)


def has_text(config: RunConfig) -> bool:
    """Whether a run has its text in its folder, so that the form can offer it: a large one has a token cache."""
    return config.about(dict, "text", "cache") is None


def duplicate(folder: RunFolder) -> None:
    """Choose every setting of a run, and its text, in the form of a new run.

    Raises ValueError or OSError if the run or its text is damaged.
    """
    config = folder.config()
    architecture, size = config.about(str, "architecture"), config.about(str, "size")
    fill_in(
        architecture if architecture in ARCHITECTURES else next(iter(ARCHITECTURES)),
        size if size in SIZES else next(iter(SIZES)),
        _values(config.model, "d_vocab"),
        _values(config.training),
        _text_of(folder, config.about(str, "text", "name") or "") if has_text(config) else None,
    )
    split = dataclasses.asdict(recorded_split(config)) | {"split_by": "characters"}  # held-out documents are its end
    for name, field in describe(Split).items():
        st.session_state[forms.control_key(Session.TRAIN_SPLIT, name, field.default)] = split[name]
    kind = config.about(str, "tokenizer", "kind")
    if kind in TOKENIZERS:
        st.session_state[Session.TRAIN_TOKENIZER] = kind
    asked = config.about(int, "tokenizer", "d_vocab_requested") or config.model.d_vocab
    st.session_state[Session.TRAIN_VOCAB] = min(max(asked, SMALLEST_VOCABULARY), LARGEST_VOCABULARY)


def _values(config: ModelConfig | TrainingConfig, *left_out: str) -> dict[str, Any]:
    """The values of the fields, as their controls take them."""
    values = {name: (field, getattr(config, name)) for name, field in describe(type(config)).items()}
    return {
        name: float(value) if field.kind is float and value is not None else value
        for name, (field, value) in values.items()
        if name not in left_out
    }


def _text_of(folder: RunFolder, name: str) -> Path:
    """The file of the run's text among those that the form offers; stored as an upload if it is none of them."""
    text, name = folder.text(), Path(one_line(name).replace("\\", "/")).name.lstrip(".") or UNNAMED
    for path in [*folders.BUILT_IN_TEXTS, folders.uploads() / name]:
        with suppress(ValueError):  # an upload of this name that is no text
            if path.name == name and path.is_file() and read_text(path) == text:
                return path
    return uploads.store(name, text.encode())
