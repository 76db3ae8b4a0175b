"""The form of a new run: text, architecture, size and tokenizer, and every other setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from components.shared import folders, forms, states
from components.shared.architecture import show_architecture
from components.shared.field_names import PLAIN_NAMES
from components.shared.form_values import LARGEST_VOCABULARY, SMALLEST_VOCABULARY
from components.shared.session import Session
from components.shared.text_choice import choose_text
from llm.config import ModelConfig, TrainingConfig, describe
from llm.costs import active_parameters, flops_per_token, memory, parameter_count
from llm.data import SplitText, train_tokenizer
from llm.presets import ARCHITECTURES, COURSE, DESCRIPTIONS, SIZE_DESCRIPTIONS, SIZES, TITLES, preset
from llm.registry import registry
from llm.runtime.device import machine_memory, resolved_precision
from llm.runtime.result_cache import ResultCache
from llm.runtime.text import duration
from llm.tokenizers import DEFAULT_TOKENIZER
from llm.tokenizers import REGISTRY as TOKENIZERS

if TYPE_CHECKING:  # it imports torch, for which the page Home does not wait
    from llm.training.new_run import NewRun

DIFFERENCES = {"positional": "Positions", "norm": "Norm", "activation": "MLP", "bias": "Biases"}
SMALLER_IN_FORM = (
    f"choose a smaller size, or lower {PLAIN_NAMES['ModelConfig']['n_ctx']} (n_ctx) under All model settings, or "
    f"{PLAIN_NAMES['TrainingConfig']['batch_size']} (batch_size)."
)
UNEMBEDDING = {True: "tied", False: "its own"}
PUBLISHED_WIDTH = 222  # pixels of a card: four stand beside each other on a wide page
MEASURED_CHARACTERS = 500_000  # of a text that is tried out: a longer one gives what is wanted
_vocabularies: ResultCache[int] = ResultCache(16)


def choose_architecture() -> str:
    """Show a card for each preset with what sets it apart; returns the chosen one."""
    chosen = str(st.session_state.setdefault(Session.TRAIN_ARCHITECTURE, "gpt"))
    published = [name for name in ARCHITECTURES if name not in COURSE]
    for column, name in zip(st.columns(len(COURSE)), COURSE, strict=True):
        with column, st.container(border=True, height="stretch"):
            fields = preset(name, st.session_state.get(Session.TRAIN_SIZE) or "small", d_vocab=1)
            lines = [f"{title}: **{_readable(key, getattr(fields, key))}**" for key, title in DIFFERENCES.items()]
            lines.insert(3, f"MLP width: **{fields.d_mlp:,}**")
            unembedding = f"Unembedding: **{UNEMBEDDING[fields.tie_embeddings]}**"
            _card(name, chosen, "  \n".join([*lines, unembedding]))
    with (
        st.expander("Recipes of published models", expanded=chosen in published, icon=":material/architecture:"),
        st.container(horizontal=True),
    ):
        for name in published:
            with st.container(border=True, width=PUBLISHED_WIDTH, height="stretch"):
                _card(name, chosen, "")
    return chosen


def _card(name: str, chosen: str, about: str) -> None:
    """A preset's title, what sets it apart, and a button to choose it."""
    st.markdown(f"#### {TITLES[name]}")
    if about:
        st.markdown(about)
    st.caption(DESCRIPTIONS[name])
    st.space("stretch")
    st.button(
        "Chosen" if name == chosen else f"Choose {TITLES[name]}",
        key=Session.TRAIN_CHOOSE.of(name),
        type="primary" if name == chosen else "secondary",
        icon=":material/check:" if name == chosen else None,
        on_click=lambda: st.session_state.update({Session.TRAIN_ARCHITECTURE: name}),
        width="stretch",
    )


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
    title, usual, first = "All training settings", "the usual training settings", ("steps", "batch_size", "seed")
    return TrainingConfig(**forms.all_fields(TrainingConfig, values, Session.TRAIN_TRAINING, title, usual, first))


def choose_run() -> NewRun:
    """Show the whole form. Raises ValueError, with a sentence for the user, for invalid input."""
    from llm.runtime.processes import Processes
    from llm.training.machine import require_memory
    from llm.training.new_run import NewRun

    if Session.TRAIN_FILLED in st.session_state:
        st.text(st.session_state[Session.TRAIN_FILLED])
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
        expected = _vocabulary(tokenizer, text, d_vocab)
        if d_vocab is not None and expected < d_vocab:
            st.caption(f"This text gives **{expected:,}** tokens, not {d_vocab:,}: too little of it occurs twice.")
    picture = st.container(border=True)
    model = choose_model(architecture, size, expected)
    with picture:
        end = "the next token" if model.causal else "what a mask hides"
        st.markdown(f"**The model, from tokens to {end}**")
        show_architecture(model)
    st.subheader("3 · Training")
    training = choose_training(model)
    try:
        require_memory(model, training, "fused", Processes(), SMALLER_IN_FORM)
    except ValueError as error:
        states.failed(error)  # here, below the last field that can cause it, and above the form
        raise
    return NewRun(model, training, tokenizer, text, text_name, folders.checkpoints(), d_vocab, architecture, size)


def _vocabulary(kind: str, text: SplitText, wanted: int | None) -> int:
    """The vocabulary size that the text gives: of a short one fewer tokens can be learned than are wanted.

    Raises ValueError if no tokenizer can be trained on it.
    """
    if wanted is None or len(text.text) > MEASURED_CHARACTERS:
        return wanted or TOKENIZERS[kind].expected_d_vocab(text.text)
    return _vocabularies.get((kind, text, wanted), lambda: train_tokenizer(kind, text, wanted).d_vocab)


def costs(model: ModelConfig, training: TrainingConfig) -> str:
    """What the run will cost, in one line."""
    from llm.runs.snapshots import kept_bytes

    parameters, active = parameter_count(model).total, active_parameters(model)
    used = f", **{active:,}** of them for each token" if active < parameters else ""
    needed, available = memory(model, training, precision=_precision(training)).resident, machine_memory()
    flops = flops_per_token(model, model.n_ctx).training
    tokens = training.steps * training.batch_size * training.accumulation * model.n_ctx
    on_disk, free = kept_bytes(model, training), folders.free_bytes()
    short = " :red[(too little: lower max_disk_mb)]" if on_disk > free else ""
    return (
        f"**{parameters:,}** parameters{used} · about **{_gigabytes(needed)}** of memory to train"
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
