"""Code: the source of the forward pass that runs, line by line, beside the tensors that it computes from your text."""

from functools import partial

import streamlit as st

from components.shared import states
from components.shared.checkpoint_choice import choose_checkpoint
from components.shared.help import explain
from components.shared.session import Address, Session, forget, keep
from components.shared.text_box import text_box
from components.shared.texts import example
from components.views.code import SELECTED, code_reader
from components.views.code.editor import editor
from components.views.code.explanations import GRADIENT_OF_TENSOR, TRACE
from components.views.code.training_code import open_training_code
from llm.checkpoints import RunFolder, RunSummary
from llm.interop.standalone import standalone_script
from llm.runs.corpus import NoTextError, run_corpus
from llm.runtime import compute
from llm.tokenizers import load_tokenizer
from llm.trace.code_session import CodeSession
from llm.trace.forward_pass import IMPLEMENTATIONS
from llm.trace.layer_trace import LayerTrace, locate_code
from llm.trace.sessions import open_session
from llm.trace.traced_text import TracedText

DEFAULT_TEXT_LENGTH = 70  # characters of the run's training text, which its tokenizer can always encode
SEARCHED = 10_000  # characters in which the first line that is not empty is looked for
SUBJECTS = {"forward": "The forward pass", "training": "Sampling and training"}


def page() -> None:
    """Choose a run, step and text; then show the model's map and its code."""
    st.title("Code")
    st.markdown(
        "These are the lines that run, read from their files just now. Choose a layer of the forward pass, step "
        "through its code, and see what each line computes from your text."
    )
    subject = choose_subject()
    checkpoint = choose_checkpoint("Reading the code with live numbers")
    if checkpoint is None:
        return
    run, step = checkpoint
    try:
        text = choose_text(run)
        with states.loading("Opening the model"):
            open_code = open_training_code if subject == "training" else open_session
            session = compute.run(open_code, run.path, step, text)
        record(session.text)
    except (ValueError, OSError) as error:
        states.failed(error)
        return
    if subject == "training":
        show_code(session)
        return
    show_summary(session.text)
    selected = show_code(session)
    with st.expander("Change a line, and see what breaks", icon=":material/experiment:"):
        editor(run.path, step, text, selected_code(session, selected))
    with st.container(horizontal=True, vertical_alignment="center"):
        download(run, session.text)
        explain("What is being compared?", TRACE, GRADIENT_OF_TENSOR)


def choose_subject() -> str:
    """Choose which code to read; the address keeps the choice, and drops the selected line when it changes."""
    default = st.query_params.get(Address.READ, "forward")
    subject: str = st.segmented_control(
        "What to read", list(SUBJECTS), default=default if default in SUBJECTS else "forward", required=True,
        format_func=SUBJECTS.__getitem__, key=Session.CODE_READ, label_visibility="collapsed",
        on_change=lambda: forget(*SELECTED),
    )  # fmt: skip
    st.query_params[Address.READ] = subject
    return subject


def choose_text(run: RunSummary) -> str:
    """The text that the model reads; by default the start of its training text."""

    def beginning() -> str:
        tokenizer = load_tokenizer(run.path)
        try:
            text = run_corpus(RunFolder(run.path), tokenizer).beginning(SEARCHED)
        except NoTextError:
            text = example(tokenizer)
        return text.strip().split("\n")[0][:DEFAULT_TEXT_LENGTH]

    return text_box(st.text_input, "Text", Address.PROMPT, Session.CODE_TEXT.of(run.id), beginning)


def record(text: TracedText) -> None:
    """Run the model on the text, a layer at a time, under a progress bar."""
    bar = st.empty()
    for fraction in compute.iterate(text.record()):
        bar.progress(fraction, "Running the model on the text, forward and backward")
    bar.empty()


def show_summary(text: TracedText) -> None:
    """How many tokens the text has, and the model's loss on it."""
    loss = text.forward_pass.loss
    parts = [f"{len(text.token_ids)} tokens"]
    of = "this text" if text.config.causal else "naming each token, all of which it sees"
    parts += [f"loss on {of} {loss:.3f}" if loss is not None else "no loss: a single token has no next token"]
    if text.n_omitted:
        parts += [f"the last {text.n_omitted} tokens are omitted: the limit is {len(text.token_ids)}"]
    st.caption(" · ".join(parts))


def show_code(session: CodeSession) -> dict[str, str]:
    """Show the code reader at the selection in the address; returns the new selection and writes it to the address."""
    columns = st.query_params.get(Address.COLUMNS) or st.session_state.get(Session.CODE_COLUMNS, "")
    selected, columns = code_reader(session, {name: st.query_params.get(name, "") for name in SELECTED}, columns)
    st.session_state[Session.CODE_COLUMNS] = columns
    for name, value in (selected | {Address.COLUMNS: columns}).items():
        keep(name, value)
    return selected


def selected_code(session: CodeSession, selected: dict[str, str]) -> LayerTrace:
    """The code of the selected layer and implementation; attention if no layer is selected."""
    kinds = session.code.kinds
    path = "" if selected["layer"] == "model" else selected["layer"]
    if not selected["layer"] or path not in kinds:
        path = next(path for path, kind in kinds.items() if kind == "Attention")
    implementation = selected["implementation"]
    return locate_code(session.text.models[implementation if implementation in IMPLEMENTATIONS else "einops"], path)


def download(run: RunSummary, text: TracedText) -> None:
    """Offer the model as one script, in a chosen implementation."""
    implementation = st.selectbox("Implementation", IMPLEMENTATIONS, key=Session.CODE_SCRIPT, width=180,
                                  label_visibility="collapsed")  # fmt: skip
    # created on request, on the tracing thread: Python 3.11 cannot parse on two threads at once (cpython issue 106905)
    script = partial(compute.run, standalone_script, text.config, implementation, run.tokenizer or "")
    st.download_button("This model as one script", script, f"{run.id}_{implementation}.py", "text/x-python",
                       icon=":material/download:", key=Session.CODE_DOWNLOAD, on_click="ignore",
                       help="Loads this run's weights and generates text; needs torch and safetensors")  # fmt: skip


page()
