"""The form of a new run: text, architecture, size and tokenizer, and every other setting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from components.shared import folders, forms, recipe, states, uploads
from components.shared.architecture import show_architecture
from components.shared.form_values import LARGEST_VOCABULARY, SMALLEST_VOCABULARY
from components.shared.select_box import select_box
from components.shared.session import Session
from llm.config import ModelConfig, TrainingConfig, describe
from llm.costs import flops_per_token, memory, parameter_count
from llm.data import read_text
from llm.presets import ARCHITECTURES, DESCRIPTIONS, SIZE_DESCRIPTIONS, SIZES, preset
from llm.registry import registry
from llm.runtime.device import machine_memory, resolved_precision
from llm.runtime.text import duration, readable_name
from llm.tokenizers import DEFAULT_TOKENIZER
from llm.tokenizers import REGISTRY as TOKENIZERS

if TYPE_CHECKING:  # it imports torch, for which the page Home does not wait
    from llm.training.new_run import NewRun

DIFFERENCES = {"positional": "Positions", "norm": "Norm", "activation": "MLP", "bias": "Biases"}
UNEMBEDDING = {True: "tied", False: "its own"}
TEXT_HELP = (
    "training.txt: short stories of one village. strangers.txt: the same, but half of them are about strangers whose "
    "names are in no other story, so that a model has to look them up, which the page *Circuit* shows."
)
TITLES = {"gpt": "GPT", "llama": "LLaMA", "olmo": "OLMo"}


def choose_text() -> tuple[str, str]:
    """Choose a text; returns it and its name: a built-in text, an earlier upload, or a new one, which is stored.

    Raises ValueError for a file that is empty or not UTF-8.
    """
    left, right = st.columns([2, 3])
    with right:
        upload = st.file_uploader(
            "Or upload your own",
            type=["txt", "md", "text"],
            key=Session.TRAIN_UPLOAD,
            help="UTF-8 text in any script; the app keeps a copy",
        )
    if uploads.is_new(upload, Session.TRAIN_UPLOADED):  # once, so that another text can be chosen later
        st.session_state[Session.TRAIN_TEXT] = uploads.store(upload.name, upload.getvalue())
    with left:
        texts = [*folders.BUILT_IN_TEXTS, *sorted(folders.uploads().glob("*"))]
        path = select_box("Text", {text: _text_name(text) for text in texts}, Session.TRAIN_TEXT, folders.DEFAULT_TEXT,
                          help=TEXT_HELP, persist_state="session")  # fmt: skip
    st.button(
        "Fill in what the page Circuit needs",
        on_click=recipe.fill_in,
        key=Session.TRAIN_RECIPE,
        icon=":material/linked_services:",
        type="tertiary",
        help=f"For a model that looks up names: {recipe.IN_WORDS}",
    )
    text = read_text(path)
    st.caption(f"{len(text):,} characters · 90% for training, 5% for validation, 5% for testing. It begins:")
    st.text(_beginning(text))
    return text, path.name


def _text_name(path: Path) -> str:
    """A text's name in the list: an upload can be called as a built-in text is."""
    clash = path not in folders.BUILT_IN_TEXTS and path.name in [text.name for text in folders.BUILT_IN_TEXTS]
    name = readable_name(path.name)
    return f"{name} (uploaded)" if clash else name


def _beginning(text: str, characters: int = 280) -> str:
    """The first words of a text, on one line."""
    line = " ".join(text[: 2 * characters].split())
    return line if len(line) <= characters else line[:characters].rsplit(" ", 1)[0] + " …"


def choose_architecture() -> str:
    """Show a card for each preset with what sets it apart; returns the chosen one."""
    chosen = st.session_state.setdefault(Session.TRAIN_ARCHITECTURE, "gpt")
    for column, name in zip(st.columns(len(ARCHITECTURES)), ARCHITECTURES, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.markdown(f"#### {TITLES.get(name, name)}")
            fields = preset(name, st.session_state.get(Session.TRAIN_SIZE) or "small", d_vocab=1)
            lines = [f"{title}: **{_readable(key, getattr(fields, key))}**" for key, title in DIFFERENCES.items()]
            lines.insert(3, f"MLP width: **{fields.d_mlp:,}**")
            st.markdown("  \n".join([*lines, f"Unembedding: **{UNEMBEDDING[fields.tie_embeddings]}**"]))
            st.caption(DESCRIPTIONS[name])
            st.space("stretch")
            st.button(
                "Chosen" if name == chosen else f"Choose {TITLES.get(name, name)}",
                key=Session.TRAIN_CHOOSE.of(name),
                type="primary" if name == chosen else "secondary",
                icon=":material/check:" if name == chosen else None,
                on_click=lambda name=name: st.session_state.update({Session.TRAIN_ARCHITECTURE: name}),
                width="stretch",
            )
    return chosen


def _readable(field: str, value: Any) -> str:
    """A field's value as a card shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(registry(field)[value].label)


def choose_model(architecture: str, size: str, d_vocab: int) -> ModelConfig:
    """Edit the preset's fields. Raises ValueError for an invalid combination."""
    start = preset(architecture, size, d_vocab=d_vocab)
    values = {name: getattr(start, name) for name in describe(ModelConfig) if name != "d_vocab"}
    usual = f"{TITLES.get(architecture, architecture)} {size}"
    key = Session.TRAIN_MODEL.of(architecture, size)
    chosen = forms.all_fields(ModelConfig, values, key, "All model settings", usual)
    return ModelConfig(d_vocab=d_vocab, **chosen)


def choose_training(model: ModelConfig) -> TrainingConfig:
    """Edit the fields of the training config. Raises ValueError for an invalid value.

    The learning rate starts at the one that suits the chosen optimizer and this model.
    """
    values = {name: field.default for name, field in describe(TrainingConfig).items()}
    values["learning_rate"] = lambda chosen: (
        TrainingConfig(optimizer=chosen["optimizer"]).for_model(model).learning_rate
    )
    title, usual = "All training settings", "the usual training settings"
    return TrainingConfig(**forms.all_fields(TrainingConfig, values, Session.TRAIN_TRAINING, title, usual))


def choose_run() -> NewRun:
    """Show the whole form. Raises ValueError, with a sentence for the user, for invalid input."""
    from llm.runtime.processes import Processes
    from llm.training.machine import SMALLER, require_memory
    from llm.training.new_run import NewRun

    st.subheader("1 · Text")
    text, text_name = choose_text()
    st.subheader("2 · Model")
    architecture = choose_architecture()
    row = st.container(horizontal=True)  # wraps on a narrow page
    with row, st.container(width=300):
        size = st.segmented_control("Size", list(SIZES), default="small", required=True, key=Session.TRAIN_SIZE,
                                    persist_state="session")  # fmt: skip
        st.caption(SIZE_DESCRIPTIONS[size])
    with row, st.container(width=400):
        tokenizer = st.segmented_control(
            "Tokenizer", list(TOKENIZERS), default=DEFAULT_TOKENIZER, required=True, key=Session.TRAIN_TOKENIZER,
            persist_state="session",
        )  # fmt: skip
        entry = TOKENIZERS[tokenizer]
        st.caption(f"{entry.label}. {entry.help}")
        d_vocab = None
        if entry.default_d_vocab is not None:
            d_vocab = int(
                st.number_input("Vocabulary size", SMALLEST_VOCABULARY, LARGEST_VOCABULARY, entry.default_d_vocab, 256,
                                key=Session.TRAIN_VOCAB, persist_state="session")
            )  # fmt: skip
    expected = d_vocab or entry.expected_d_vocab(text)
    picture = st.container(border=True)
    model = choose_model(architecture, size, expected)
    with picture:
        st.markdown("**The model, from tokens to the next token**")
        show_architecture(model)
    training = choose_training(model)
    require_memory(model, training, "fused", Processes(), SMALLER)
    return NewRun(model, training, tokenizer, text, text_name, folders.checkpoints(), d_vocab, architecture, size)


def costs(model: ModelConfig, training: TrainingConfig) -> str:
    """What the run will cost, in one line."""
    from llm.runs.snapshots import kept_bytes

    parameters = parameter_count(model).total
    needed, available = memory(model, training, precision=_precision(training)).resident, machine_memory()
    flops = flops_per_token(model, model.n_ctx).training
    tokens = training.steps * training.batch_size * training.accumulation * model.n_ctx
    on_disk, free = kept_bytes(model, training), folders.free_bytes()
    short = " :red[(too little: lower max_disk_mb)]" if on_disk > free else ""
    return (
        f"**{parameters:,}** parameters · about **{_gigabytes(needed)}** of memory to train"
        f"{f', of {available / 1e9:,.0f} GB in this machine' if available else ''} · "
        f"about **{_gigabytes(on_disk)}** on the disk, of {_gigabytes(free)} free{short} · "
        f"**{flops / 1e6:,.1f} million** operations per training token · "
        f"**{tokens:,}** tokens in {training.steps:,} steps"
    )


def show_time(run: NewRun) -> None:
    """Measure a training step, if that is quick or asked for, and say how long the run will take."""
    from llm.training.pace import is_quick, seconds_per_step

    place = st.empty()
    if not is_quick(run.model, run.training) and not place.button(
        "Measure how long it takes here", type="tertiary", icon=":material/timer:", key=Session.TRAIN_PACE
    ):
        return
    with place, states.loading("Measuring how long a step takes"):
        seconds = seconds_per_step(run.model, run.training)
    if seconds is None:
        place.caption("Here a step takes too long to be measured in advance: this model is for a GPU.")
        return
    in_all = duration(seconds * run.training.steps)
    place.caption(
        f"About **{in_all}** on this machine: a step takes {duration(seconds)}, as just measured. "
        "Evaluations and samples come on top, about a fifth in a default run."
    )


def _gigabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def _precision(training: TrainingConfig) -> str:
    """The number format of the forward pass; float32 where this machine lacks the chosen one, which Start will say."""
    try:
        return resolved_precision(training)
    except ValueError:
        return "float32"
