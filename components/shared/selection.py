"""What a page shows: a run, one of its steps and a text, chosen by the user and kept in the address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlencode

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.shared import folders, states
from components.shared.checkpoint_choice import END_OF_RUN, choose_run, pick_step
from components.shared.parameters import int_param, parse_natural
from components.shared.run_names import run_name
from components.shared.session import Address, Session, forget
from components.shared.text_box import text_box
from components.shared.texts import MAX_TOKENS, opening, token_texts
from llm.background.opened import open_run
from llm.checkpoints import RUN_ID, Run, RunFolder, list_runs
from llm.data import TextData
from llm.filling import BLANK, encode_blanks
from llm.interpret.intervention import greedy_continuation
from llm.runs.corpus import run_corpus
from llm.runtime import compute
from llm.runtime.result_cache import ResultCache

END = "end"  # in an address: the weights after the last step
TOKENS, OWN = "tokens", "own"  # parameters of a route's address that select the text
HEADS_AND_PIECES = Address.EXAMPLE, Address.PREVIOUS, Address.COPYING, Address.OTHER  # of the page Circuit
WRITTEN = "written"  # another: when the weights of the end were written

_texts: ResultCache[TextData] = ResultCache(2)


@dataclass(frozen=True)
class Selection:
    """A model at one step of its training, and the tokens of its input."""

    run_id: str
    step: int | None  # None: the end of the run
    tokens: tuple[int, ...]
    own: int = 0  # how many tokens, at the end, the model generated

    def run(self) -> Run:
        """Open the run. Raises the errors of `load_run`."""
        return open_run(folders.checkpoints() / self.run_id, self.step)

    def labels(self) -> list[str]:
        """The tokens for display."""
        return token_texts(self.run().tokenizer, self.tokens)

    def text(self) -> str:
        """The tokens as text."""
        text: str = self.run().tokenizer.decode(self.tokens)
        return text

    def title(self, what: str) -> str:
        """The title of a picture of `what`, with the run and the step."""
        return f"{what} · {run_name(self.run_id)} · step {self.run().step}"

    def at(self, step: int | None) -> Selection:
        """The same text at another step."""
        return replace(self, step=step)

    def address(self, what: str, **query: int | str) -> str:
        """The URL of its data; `what` is, for example, "attention/grid"."""
        given = {OWN: self.own} if self.own else {}
        if self.step is None:  # the end moves while the run trains: a script that has drawn an earlier one asks again
            _, given[WRITTEN] = RunFolder(folders.checkpoints() / self.run_id).weights_version(None)
        step = END if self.step is None else self.step
        parameters = urlencode({TOKENS: ".".join(map(str, self.tokens)), **given, **query})
        return f"/selection/{self.run_id}/{step}/{what}?{parameters}"


@dataclass(frozen=True)
class WholeRun:
    """A run with all of its steps, finished or not."""

    run_id: str

    def folder(self) -> RunFolder:
        """The run's folder."""
        return RunFolder(folders.checkpoints() / self.run_id)

    def text(self) -> str:
        """Empty: its views show no text."""
        return ""

    def address(self, what: str, **query: int | str) -> str:
        """The URL of its data; `what` is, for example, "train/gradient_norms"."""
        return f"/run/{self.run_id}/{what}?{urlencode(query)}"


def text_data(selection: Selection) -> TextData:
    """The token ids of the run's training text."""
    run = selection.run()
    return _texts.get(run.folder.path, lambda: run_corpus(run.folder, run.tokenizer).data(run.config.n_ctx))


def selection_from_request(request: Request) -> Selection:
    """Parse a URL made by `Selection.address`.

    Raises:
        HTTPException: there is no such run or step.
        ValueError: the tokens are not token ids, or there are too many.
    """
    run_id, step = run_from_request(request).run_id, request.path_params["step"]
    if step != END and parse_natural(step) is None:
        raise HTTPException(404, "There is no such step")
    parts = [parse_natural(part) for part in request.query_params.get(TOKENS, "").split(".")]
    tokens = tuple(part for part in parts if part is not None)
    if len(tokens) != len(parts) or len(parts) > MAX_TOKENS:
        raise ValueError(f"tokens must be 1 to {MAX_TOKENS} token ids with dots between them")
    return Selection(run_id, None if step == END else int(step), tokens, int_param(request.query_params, OWN))


def run_from_request(request: Request) -> WholeRun:
    """The run in the address. Raises HTTPException if there is none."""
    run_id = request.path_params["run_id"]
    if not RUN_ID.fullmatch(run_id) or not (folders.checkpoints() / run_id).is_dir():
        raise HTTPException(404, "There is no such run")
    return WholeRun(run_id)


def choose_selection(page: str, choose_text: Callable[[Run, Selection], Selection | None]) -> Selection | None:
    """Choose run, step and, by `choose_text`, a text. None, with the reason on the page, if there is none."""
    left, right = st.columns([3, 2])
    with left:
        run = choose_run(f"The {page} page")
    if run is None:
        return None
    if st.session_state.get(Session.SELECTION_RUN, run.id) != run.id:
        forget(Address.GROWN, Address.LOCKED, *HEADS_AND_PIECES)  # another model's
    st.session_state[Session.SELECTION_RUN] = run.id
    try:
        with right:
            step = choose_step(RunFolder(run.path))
        with states.loading("Opening the model"):
            opened = open_run(run.path, step)
        return choose_text(opened, Selection(run.id, step, ()))
    except (ValueError, OSError) as error:
        states.failed(error)
        return None


def choose_step(folder: RunFolder) -> int | None:
    """Choose the end of a finished run (None) or any of its snapshots; for a run that trains, newest first."""
    steps: list[int | None] = [*([None] if folder.has("final") else []), *reversed(folder.snapshots())]
    if not steps:
        raise ValueError(f"Run {folder.id} has no weights yet: it has not taken its first step")
    step = pick_step(folder, steps, END_OF_RUN, Session.SELECTION_STEP)
    if step is None:
        forget(Address.STEP)
    else:
        st.query_params[Address.STEP] = str(step)
    return step


def remember_step(step: int) -> None:
    """Show this step from the next rerun."""
    st.session_state[Session.SELECTION_STEP.of(st.query_params[Address.RUN])] = step


def one_layer_runs(except_for: str) -> dict[str, str]:
    """Ids and labels of other runs whose model has one layer."""
    labels = {}
    for run in list_runs(folders.checkpoints()):
        if run.id != except_for and run.problem is None and RunFolder(run.path).config().model.n_layers == 1:
            labels[run.id] = run.label
    return labels


def first_words(run: Run, selection: Selection) -> Selection:
    """The run's own first words, for a view that needs no text."""
    return replace(selection, tokens=tuple(run.tokenizer.encode(opening(run))[: run.config.n_ctx] or [0]))


def choose_prompt(run: Run, selection: Selection) -> Selection | None:
    """Choose the text that the model reads; tokens predicted by the model can be appended one by one."""
    forget_grown = partial(forget, Address.GROWN)
    key = Session.SELECTION_PROMPT.of(selection.run_id)
    prompt = text_box(st.text_area, "Text that the model reads", Address.PROMPT, key, lambda: opening(run), height=80,
                      on_change=forget_grown)  # fmt: skip
    longest = min(MAX_TOKENS, run.config.n_ctx)
    causal = run.config.causal
    ids = run.tokenizer.encode(prompt) if causal else encode_blanks(run.tokenizer, prompt)[0]
    parts = [parse_natural(part) for part in st.query_params.get(Address.GROWN, "").split(".")]
    grown = [part for part in parts if part is not None]
    tokens = [token for token in ids + grown if token < run.config.d_vocab][:longest]
    if not tokens:
        st.caption("Type a few words to see something here.")
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        full = len(tokens) >= longest
        if causal and st.button("Append the next token", icon=":material/add:", key=Session.SELECTION_APPEND,
                                disabled=full, help="The most probable next token"):  # fmt: skip
            (token,) = compute.run(greedy_continuation, run.model, tokens, 1)
            grown.append(token)
            tokens.append(token)
            st.query_params[Address.GROWN] = ".".join(map(str, grown))
        if grown:
            st.button(
                "Remove generated tokens", icon=":material/undo:", key=Session.SELECTION_SHRINK, on_click=forget_grown
            )
        cut = f" The text has {len(ids):,}; the first {longest} are shown." if len(ids) > longest else ""
        what = f"{len(grown)} of them generated by the model" if causal else f"{BLANK} stands for a masked one"
        st.caption(f"{len(tokens):,} of at most {longest} tokens, {what}.{cut}")
    return replace(selection, tokens=tuple(tokens), own=max(0, len(tokens) - len(ids)))
