"""Every route answers whatever is asked for, with its content or a refusal: never with an error of the server."""

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from components.routes import ROUTES

RUN = "20000101000000"
PART = st.one_of(
    st.text(), st.sampled_from([RUN, "..", "\0", "x" * 300, "9" * 400, "end", "0", "inside", "lens", "code"])
)
APP = Starlette(routes=ROUTES)


def status(path: str, query: str) -> int:
    """The status of the answer to a request, as the server hands it on; an exception is raised here."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": b"", "root_path": "", "headers": [],
        "query_string": query.encode("utf-8", "replace"), "http_version": "1.1", "scheme": "http",
        "server": ("localhost", 80),
    }  # fmt: skip
    asyncio.run(APP(scope, receive, send))
    return next(message["status"] for message in sent if message["type"] == "http.response.start")


@pytest.fixture(autouse=True)
def no_runs(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LLM_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_no_address_makes_an_error_of_the_server(route):
    names = [part for part in route.path.split("/") if part.startswith("{")]

    @settings(max_examples=60)
    @given(st.lists(PART, min_size=len(names), max_size=len(names)), st.text())
    @example(["\0"] * len(names), "")
    @example(["x" * 300] * len(names), "from=" + "9" * 400)
    def ask(parts, query):
        path = route.path
        for name, part in zip(names, parts, strict=True):
            path = path.replace(name, part, 1)
        assert status(path, query) < 500

    ask()
