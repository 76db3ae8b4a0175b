"""What is looked at: a run, one of its steps and a text, as a person chooses them and the address remembers them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlencode

import streamlit as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from components.shared import folders, states
from components.shared.checkpoint_choice import choose_run, pick_step
from components.shared.texts import MAX_TOKENS, opening, token_texts
from llm.background.opened import open_run
from llm.checkpoints import RUN_ID, Run, RunFolder, list_runs
from llm.data import TextData
from llm.interpret.intervention import greedy_continuation
from llm.runtime import compute
from llm.runtime.kept import Kept

END = "end"  # in an address: the weights after the last step

_texts: Kept[TextData] = Kept(2)


@dataclass(frozen=True)
class Look:
    """A model at one step of its training, and the tokens that it reads."""

    run_id: str
    step: int | None  # None: the end of the run
    tokens: tuple[int, ...]
    own: int = 0  # how many of them, at the end, the model itself wrote

    def run(self) -> Run:
        """The run, opened. Raises as `load_run`."""
        return open_run(folders.checkpoints() / self.run_id, self.step)

    def labels(self) -> list[str]:
        """The tokens for display."""
        return token_texts(self.run().tokenizer, self.tokens)

    def at(self, step: int | None) -> Look:
        """The same text at another step."""
        return replace(self, step=step)

    def address(self, what: str, **more: int | str) -> str:
        """Where the server answers for it: `what` as "attention/grid"."""
        step = END if self.step is None else self.step
        own = {"own": self.own} if self.own else {}
        query = urlencode({"tokens": ".".join(map(str, self.tokens)), **own, **more})
        return f"/look/{self.run_id}/{step}/{what}?{query}"


def text_data(look: Look) -> TextData:
    """The token ids of the run's own text."""
    run = look.run()
    return _texts.get(run.folder.path, lambda: TextData.from_text(run.folder.text(), run.tokenizer, run.config.n_ctx))


def natural(text: str) -> int | None:
    """The whole number of 0 or more that a part of an address stands for, if it is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def look_of(request: Request) -> Look:
    """What an address of `Look.address` names. Raises HTTPException for one that names nothing."""
    run_id, step = request.path_params["run_id"], request.path_params["step"]
    if not RUN_ID.fullmatch(run_id) or not (folders.checkpoints() / run_id).is_dir():
        raise HTTPException(404, "There is no such run")
    if step != END and natural(step) is None:
        raise HTTPException(404, "There is no such step")
    tokens = [natural(part) for part in request.query_params.get("tokens", "").split(".")]
    known = tuple(token for token in tokens if token is not None)
    if len(known) != len(tokens) or len(tokens) > MAX_TOKENS:
        raise HTTPException(400, f"tokens must be 1 to {MAX_TOKENS} token ids with dots between them")
    text = request.query_params.get("own", "0")
    own = natural(text)
    if own is None:
        raise HTTPException(400, f"own={text[:40]} is not possible: it must be a whole number of 0 or more")
    return Look(run_id, None if step == END else int(step), known, own)


def choose() -> Look | None:
    """Run, step and text. None, with the reason on the page, where there is nothing to look at."""
    left, right = st.columns([3, 2])
    with left:
        run = choose_run("A look inside")
    if run is None:
        return None
    if st.session_state.get("look-of", run.id) != run.id:
        forget("grown", "locked")  # another model's
    st.session_state["look-of"] = run.id
    try:
        with right:
            step = choose_step(RunFolder(run.path))
        with states.loading("Opening the model"):
            opened = open_run(run.path, step)
        return choose_text(opened, Look(run.id, step, ()))
    except (ValueError, OSError) as error:
        states.failed(error)
        return None


def choose_step(folder: RunFolder) -> int | None:
    """The end of a finished run (None) or any of its snapshots; of a run under way the newest comes first."""
    steps: list[int | None] = [*([None] if folder.has("final") else []), *reversed(folder.snapshots())]
    if not steps:
        raise ValueError(f"Run {folder.id} has no weights yet: it has not taken its first step")
    step = pick_step(folder, steps, "The end of the run", "look-step")
    if step is None:
        forget("step")
    else:
        st.query_params["step"] = str(step)
    return step


def remember_step(step: int) -> None:
    """From the next rerun on, look at this step."""
    st.session_state[f"look-step-{st.query_params['run']}"] = step


def one_layer_runs(but: str) -> dict[str, str]:
    """Ids and labels of the other runs whose model has a single layer."""
    found = {}
    for run in list_runs(folders.checkpoints()):
        if run.id != but and run.state != "damaged" and RunFolder(run.path).config().model.n_layers == 1:
            found[run.id] = run.label
    return found


def choose_text(run: Run, look: Look) -> Look | None:
    """The text that the model reads, and tokens of its own appended one by one."""
    first = st.query_params.get("prompt")
    key = f"look-prompt-{look.run_id}"
    if first is None and key not in st.session_state:
        first = opening(run)
    prompt = (
        st.text_area("Text that the model reads", first, key=key, height=80, on_change=lambda: forget("grown")) or ""
    )
    st.query_params["prompt"] = prompt
    longest = min(MAX_TOKENS, run.config.n_ctx)
    ids = run.tokenizer.encode(prompt)
    grown = [int(part) for part in st.query_params.get("grown", "").split(".") if part.isdecimal()]
    tokens = [token for token in ids + grown if token < run.config.d_vocab][:longest]
    if not tokens:
        st.caption("Write a few words: there is nothing to look at yet.")
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Append the next token", icon=":material/add:", key="look-append", disabled=len(tokens) >= longest,
                     help="The token that the model finds likeliest"):  # fmt: skip
            (token,) = compute.run(greedy_continuation, run.model, tokens, 1)
            grown.append(token)
            tokens.append(token)
            st.query_params["grown"] = ".".join(map(str, grown))
        if grown:
            st.button("Take them back", icon=":material/undo:", key="look-shrink", on_click=lambda: forget("grown"))
        cut = f" The text has {len(ids):,}; the first {longest} are shown." if len(ids) > longest else ""
        st.caption(f"{len(tokens):,} of at most {longest} tokens, {len(grown)} of them the model's own.{cut}")
    return replace(look, tokens=tuple(tokens), own=max(0, len(tokens) - len(ids)))


def forget(*names: str) -> None:
    """Take these out of the address."""
    for name in names:
        st.query_params.pop(name, None)
