"""A view: a picture of a model with its controls, its numbers, its exports, and a question asked before it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from torch import Tensor

from components.shared import folders, prediction, states
from components.shared.browser import BrowserComponent
from components.shared.explanation import Explanation
from components.shared.export import csv_text, file_response, standalone
from components.shared.help import explain
from components.shared.parameters import Query
from llm.checkpoints import RunFolder
from llm.layers.mask import require_causal


class Subject(Protocol):
    """The subject of a view: a selection (a run, a step and a text), or a whole run."""

    @property
    def run_id(self) -> str:
        """The run's id."""

    def text(self) -> str:
        """The text that the model read, for an exported page; empty if none."""

    def address(self, what: str, **query: int | str) -> str:
        """The URL of the data `what`, such as "inside/lens"."""


class Question(NamedTuple):
    """What the user is asked to predict, and the answers to choose from."""

    text: str
    answers: tuple[str, ...]


class Table(NamedTuple):
    """The numbers of a view as a CSV file: its name without extension, its column names, and its rows."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]


@dataclass(frozen=True)
class View:
    """Everything that pages, routes and exports need to know about one view.

    `query` holds the view's parameters: on the page those that `choose` returns, in a route those of the request; both
    call the same functions. Each of these functions may raise ValueError with a sentence for the user.
    """

    page: str  # the page's name in the address
    name: str  # its own name in the address
    label: str
    order: int  # sorts the views of a page; ties by name
    subject: Callable[[Request], Subject]  # from a request; `selection_from_request` or `run_from_request`
    question: Question
    component: BrowserComponent
    choose: Callable[[Any], tuple[Any, Query]]  # draws the controls; returns the chosen subject and query
    data: Callable[[Any, Query], dict[str, Any]]  # for the script; has "title", and "sources": URLs by name
    events: Mapping[str, Callable[[Any], None]]  # handlers, by the name of the value that the script reports
    measured: Callable[[Any, Query], str] | None  # the answer to the question; None: the script shows it
    explained: tuple[Explanation, ...]  # the figures that it shows
    footer: Callable[[Any, Query], None] | None  # more of the page, below the view
    routes: Mapping[str, Callable[[Any, Query], Any]]  # bytes are sent as they are, everything else as JSON
    table: Callable[[Any, Query], Table]
    sources: Callable[[Any, Query], Mapping[str, Any]]  # contents that replace data's "sources" in an exported page
    next_token: bool = (
        False  # whether it is about the next token, which a model with a bidirectional mask cannot predict
    )
    reads_prompt: bool = True  # whether it shows what the model makes of a typed text; if not, the page asks for none

    @property
    def key(self) -> str:
        """Its unique name among all views."""
        return f"{self.page}-{self.name}"

    @property
    def component_key(self) -> str:
        """The session key of the values that its script reports."""
        return f"{self.key}-view"

    def answers(self) -> dict[str, Callable[[Any, Query], Response]]:
        """Its routes and exports, by the last part of their URL."""
        named: dict[str, Callable[[Any, Query], Response]] = {
            name: partial(_respond, route) for name, route in self.routes.items()
        }
        exports = {f"{self.name}.csv": partial(_csv, self), f"{self.name}.html": partial(_html, self)}
        return named | exports


def show(view: View, subject: Subject) -> None:
    """Ask for a prediction; then show the controls, the view, the measured answer, and the explanations.

    Raises ValueError, with a sentence for the user, if the view is about something that the model does not do.
    """
    if view.next_token:
        model = RunFolder(folders.checkpoints() / subject.run_id).config().model
        require_causal(model, f"be shown in the view {view.label}, which is about the next token")
    if not prediction.ask(view.key, view.question.text, view.question.answers):
        return
    subject, query = view.choose(subject)
    expected = prediction.answer_to(view.key)
    answer = st.container()  # where the question was, filled in once the view is there
    links = {kind: subject.address(f"{view.page}/{view.name}.{kind}", **query) for kind in ("csv", "html")}
    view.component.mount(
        key=view.component_key,
        data=view.data(subject, query) | {"export": {"name": _file_name(view, subject), **links}, "guess": expected},
        **{f"on_{name}_change": partial(_report, view, name) for name in view.events},
    )
    if expected and view.measured is not None:
        with answer, states.loading("Computing the answer"):
            st.markdown(f"You expected: **{expected.lower()}**. {view.measured(subject, query)}")
    explain("What do these figures mean?", *view.explained)
    if view.footer is not None:
        view.footer(subject, query)


def require_finite(what: str, *values: Tensor) -> None:
    """Raises ValueError if any value is not finite; `what` names the values in the message."""
    if not all(value.isfinite().all() for value in values):
        raise ValueError(f"{what} contain NaN or infinity: the weights diverged. Choose an earlier step")


def _report(view: View, name: str) -> None:
    """Call the handler of a value that the script reports."""
    view.events[name](st.session_state[view.component_key][name])


def _file_name(view: View, subject: Subject) -> str:
    return f"{view.key}-{subject.run_id}"


def _respond(route: Callable[[Any, Query], Any], subject: Subject, query: Query) -> Response:
    content = route(subject, query)
    if not isinstance(content, bytes):
        return JSONResponse(content)
    return Response(content, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _csv(view: View, subject: Subject, query: Query) -> Response:
    """The numbers as a file."""
    name, header, rows = view.table(subject, query)
    return file_response(csv_text(header, rows), f"{name}.csv", "text/csv")


def _html(view: View, subject: Subject, query: Query) -> Response:
    """The whole view as a page that works offline."""
    name = _file_name(view, subject)
    data = view.data(subject, query) | {"export": {"name": name}, "guess": "", "exported": True}
    sources = {
        source: content if isinstance(content, bytes) else json.dumps(content).encode()
        for source, content in view.sources(subject, query).items()
    }
    page = standalone(view.component, data["title"], subject.text(), data, sources, view.explained)
    return file_response(page, f"{name}.html", "text/html")
