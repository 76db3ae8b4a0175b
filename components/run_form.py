"""The form of a new run: which text, which architecture and size, which tokenizer, and every setting behind them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from components.shared import folders, forms
from llm.config import ModelConfig, TrainingConfig, describe
from llm.costs import flops_per_token, memory, parameter_count
from llm.data import decode_text, read_text
from llm.presets import ARCHITECTURES, DESCRIPTIONS, SIZE_DESCRIPTIONS, SIZES, preset
from llm.registry import registry
from llm.runtime.files import write_bytes
from llm.tokenizers import DEFAULT_TOKENIZER
from llm.tokenizers import REGISTRY as TOKENIZERS

DIFFERENCES = {"positional": "Positions", "norm": "Norm", "activation": "MLP", "bias": "Biases"}
TITLES = {"gpt": "GPT", "llama": "LLaMA", "olmo": "OLMo"}


@dataclass(frozen=True)
class NewRun:
    """All that `llm.background.trainings.start` needs."""

    model: ModelConfig
    training: TrainingConfig
    tokenizer: str
    d_vocab: int | None
    text: str
    text_name: str
    architecture: str
    size: str


def choose_text() -> tuple[str, str]:
    """A text and its name: the story world's, one given before, or a new upload, which is kept.

    Raises ValueError for a file that is empty or not UTF-8.
    """
    left, right = st.columns([2, 3])
    with right:
        upload = st.file_uploader(
            "Or your own", type=["txt", "md", "text"], key="train-upload", help="UTF-8 text in any script; it is kept."
        )
    if upload is not None and st.session_state.get("train-uploaded") != upload.file_id:
        # once for each upload: afterwards another text can be chosen
        st.session_state["train-uploaded"] = upload.file_id
        st.session_state["train-text"] = _keep(upload.name, upload.getvalue())
    with left:
        texts = [folders.DEFAULT_TEXT, *sorted(folders.uploads().glob("*"))]
        path = st.selectbox("Text", texts, format_func=lambda path: path.name, key="train-text")
    text = read_text(path)
    st.caption(f"{len(text):,} characters · nine tenths to train on, one tenth to validate. It begins:")
    st.text(_beginning(text))
    return text, path.name


def _beginning(text: str, characters: int = 280) -> str:
    """The first words of a text, on one line."""
    line = " ".join(text[: 2 * characters].split())
    return line if len(line) <= characters else line[:characters].rsplit(" ", 1)[0] + " …"


def _keep(name: str, content: bytes) -> Path:
    """Put an upload where it stays; another text of the same name gets a name of its own.

    Raises ValueError for a file that is empty or not UTF-8: that is not kept.
    """
    decode_text(content, name)
    folders.uploads().mkdir(parents=True, exist_ok=True)
    path = folders.uploads() / Path(name).name
    if path.exists() and path.read_bytes() != content:
        path = path.with_stem(f"{path.stem}-{hashlib.sha256(content).hexdigest()[:8]}")
    if not path.exists():
        write_bytes(path, content)
    return path


def choose_architecture() -> str:
    """Cards that say what differs between the presets; returns the one chosen."""
    chosen = st.session_state.setdefault("train-architecture", "gpt")
    for column, name in zip(st.columns(len(ARCHITECTURES)), ARCHITECTURES, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"#### {TITLES.get(name, name)}")
            recipe = ARCHITECTURES[name]
            st.markdown(
                "  \n".join(f"{title}: **{_readable(key, recipe[key])}**" for key, title in DIFFERENCES.items())
            )
            st.caption(DESCRIPTIONS[name])
            st.space("stretch")
            st.button(
                "Chosen" if name == chosen else f"Choose {TITLES.get(name, name)}",
                key=f"train-choose-{name}",
                type="primary" if name == chosen else "secondary",
                icon=":material/check:" if name == chosen else None,
                on_click=lambda name=name: st.session_state.update({"train-architecture": name}),
                width="stretch",
            )
    return chosen


def _readable(field: str, value: Any) -> str:
    """A field's value as a card shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(registry(field)[value].label)


def choose_model(architecture: str, size: str, d_vocab: int) -> ModelConfig:
    """The preset, with every field open to change. Raises ValueError for a combination that cannot be."""
    start = preset(architecture, size, d_vocab=d_vocab)
    values = {name: getattr(start, name) for name in describe(ModelConfig) if name != "d_vocab"}
    with st.expander("Every setting of the model", icon=":material/tune:"):
        changed = forms.fields(ModelConfig, values, values, f"train-model-{architecture}-{size}")
    return ModelConfig(d_vocab=d_vocab, **changed)


def choose_training() -> TrainingConfig:
    """Every field of the training. Raises ValueError for a value that cannot be."""
    values = {name: field.default for name, field in describe(TrainingConfig).items()}
    with st.expander("Every setting of the training", icon=":material/tune:"):
        changed = forms.fields(TrainingConfig, values, values, "train-training")
    return TrainingConfig(**changed)


def choose_run() -> NewRun:
    """The whole form. Raises ValueError, with a sentence for the person, when something in it cannot work."""
    st.subheader("1 · What it reads")
    text, text_name = choose_text()
    st.subheader("2 · What it is")
    architecture = choose_architecture()
    row = st.container(horizontal=True)  # on a narrow page the second goes below the first
    with row, st.container(width=300):
        size = st.segmented_control("Size", list(SIZES), default="small", required=True, key="train-size")
        st.caption(SIZE_DESCRIPTIONS[size])
    with row, st.container(width=400):
        tokenizer = st.segmented_control(
            "Tokenizer", list(TOKENIZERS), default=DEFAULT_TOKENIZER, required=True, key="train-tokenizer"
        )
        entry = TOKENIZERS[tokenizer]
        st.caption(f"{entry.label}. {entry.help}")
        d_vocab = None
        if entry.default_d_vocab is not None:
            d_vocab = int(st.number_input("Vocabulary size", 260, 65536, entry.default_d_vocab, 256, key="train-vocab"))
    expected = d_vocab or entry.expected_d_vocab(text)
    model = choose_model(architecture, size, expected)
    training = choose_training()
    return NewRun(model, training, tokenizer, d_vocab, text, text_name, architecture, size)


def costs(model: ModelConfig, training: TrainingConfig) -> str:
    """What the run will take, in one line."""
    parameters, bytes_needed = parameter_count(model).total, memory(model, training).total
    flops = flops_per_token(model, model.n_ctx).training
    tokens = training.steps * training.batch_size * training.accumulation * model.n_ctx
    return (
        f"**{parameters:,}** parameters · about **{bytes_needed / 1e6:,.0f} MB** of memory to train · "
        f"**{flops / 1e6:,.1f} million** operations for each token trained on · "
        f"**{tokens:,}** tokens in {training.steps:,} steps"
    )
