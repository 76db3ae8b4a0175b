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
from llm.runs.listing import name_of
from llm.runs.notes import one_line
from llm.runtime.regular_files import is_regular
from llm.tokenizers import REGISTRY as TOKENIZERS
from llm.training.description import text_sha256

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
    st.session_state.pop(Session.TRAIN_FILLED, None)


def without_text(folder: RunFolder, config: RunConfig) -> str:
    """Why the form cannot offer the text of a run, to end a sentence with; empty if the text is in its folder."""
    if config.about(dict, "text", "cache") is not None:
        return "its text is too large for the form"
    return "" if is_regular(folder.path / "text.txt") else "it came without its text"


def duplicate(folder: RunFolder) -> None:
    """Choose every setting of a run, and its text, in the form of a new run, which says whose settings it has.

    Of a run that came without its text it is a built-in text if that is the same; else the chosen text stays.

    Raises ValueError or OSError if the run or its text is damaged.
    """
    config = folder.config()
    text, said = _text_of(folder, config), without_text(folder, config)
    architecture, size = config.about(str, "architecture"), config.about(str, "size")
    fill_in(
        architecture if architecture in ARCHITECTURES else next(iter(ARCHITECTURES)),
        size if size in SIZES else next(iter(SIZES)),
        _values(config.model, "d_vocab"),
        _values(config.training),
        text,
    )
    if said:
        chosen = f"{text.name} is the same text" if text else "the text below is the one that was chosen before"
        said = f" Only the settings were taken, as {said}; {chosen}."
    st.session_state[Session.TRAIN_FILLED] = f"The settings below are those of {name_of(folder.path)}.{said}"
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


def _text_of(folder: RunFolder, config: RunConfig) -> Path | None:
    """The file of the run's text among those that the form offers; stored as an upload if it is none of them.

    Of a run without its text a built-in text of the same name and hash; None if there is none.
    """
    given = config.about(str, "text", "name") or ""
    if without_text(folder, config):
        wanted = given, config.about(str, "text", "sha256")
        same = (path for path in folders.BUILT_IN_TEXTS if (path.name, text_sha256(read_text(path))) == wanted)
        return next(same, None)
    text, name = folder.text(), Path(one_line(given).replace("\\", "/")).name.lstrip(".") or UNNAMED
    for path in [*folders.BUILT_IN_TEXTS, folders.uploads() / name]:
        with suppress(ValueError):  # an upload of this name that is no text
            if path.name == name and path.is_file() and read_text(path) == text:
                return path
    return uploads.store(name, text.encode())
