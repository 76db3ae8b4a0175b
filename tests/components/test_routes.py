"""Every route answers whatever is asked for, with its content or a refusal: never with an error of the server."""

import asyncio
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from asked_routes import addresses, ask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from components.routes import ROUTES

RUN = "20000101000000"
PART = st.one_of(
    st.text(), st.sampled_from([RUN, "..", "\0", "x" * 300, "9" * 400, "end", "0", "inside", "lens", "code"])
)

METHODS = ["POST", "PUT", "DELETE", "OPTIONS", "BREW"]
QUERIES = [b"%", b"%zz&%ff=%fe", b"\xff=\xfe\0", b"&&=&;", b"tokens", b"a=" + b"x" * 100_000, b"a=1&" * 2000]
ENDINGS = ["/", "\0", "/../../main.py", "/" + "x" * 5000, "🦊", "//", "\ufffd"]
VALUES = ["\0", "9" * 400, "", "-1e999"]


def status(path: str, query: str) -> int:
    """The status of the answer, for code that is not async."""
    return asyncio.run(ask(path, query))


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
    def check(parts, query):
        path = route.path
        for name, part in zip(names, parts, strict=True):
            path = path.replace(name, part, 1)
        assert status(path, query) < 500

    check()


def test_no_request_about_a_run_makes_an_error_of_the_server(monkeypatch):
    read: set[str] = set()
    get = QueryParams.get
    monkeypatch.setattr(QueryParams, "get", lambda self, name, *more: (read.add(str(name)), get(self, name, *more))[1])

    async def ask_everything() -> None:
        for path, query in addresses(Path(os.environ["LLM_HOME"])):
            read.clear()
            assert await ask(path, query) in (200, 400), path  # 400: a view that needs more than this query
            hostile = [*QUERIES, *(f"{query}&{name}={quote(value)}" for name in sorted(read) for value in VALUES)]
            for asked in hostile:
                assert await ask(path, asked) < 500, (path, asked[:300])
            for ending in ENDINGS:
                assert await ask(path + ending, query) < 500, path + ending
            for method in METHODS:
                assert await ask(path, query, method) == 405, (method, path)

    asyncio.run(ask_everything())
