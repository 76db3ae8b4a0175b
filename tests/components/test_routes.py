"""Every route answers whatever is asked for, with its content or a refusal: never with an error of the server."""

import asyncio
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from app_pages import HEN, tiny_run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware import Middleware

from components.guard import Guard
from components.routes import ROUTES
from components.shared.selection import selection_from_request
from components.views import live_routes, views
from llm.background import generations
from llm.checkpoints import load_run
from llm.config import SamplingConfig
from llm.runtime import compute
from llm.trace.sessions import open_session

RUN = "20000101000000"
PART = st.one_of(
    st.text(), st.sampled_from([RUN, "..", "\0", "x" * 300, "9" * 400, "end", "0", "inside", "lens", "code"])
)
APP = Starlette(routes=ROUTES, middleware=[Middleware(Guard)])

METHODS = ["POST", "PUT", "DELETE", "OPTIONS", "BREW"]
QUERIES = [b"%", b"%zz&%ff=%fe", b"\xff=\xfe\0", b"&&=&;", b"tokens", b"a=" + b"x" * 100_000, b"a=1&" * 2000]
ENDINGS = ["/", "\0", "/../../main.py", "/" + "x" * 5000, "🦊", "//", "\ufffd"]
VALUES = ["\0", "9" * 400, "", "-1e999"]


async def ask(path: str, query: str | bytes, method: str = "GET") -> int:
    """The status of the answer to a request, as the server hands it on; an exception is raised here."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http", "method": method, "path": path, "raw_path": b"", "root_path": "", "http_version": "1.1",
        "headers": [(b"host", b"localhost")], "server": ("localhost", 80), "client": ("127.0.0.1", 50000),
        "query_string": query if isinstance(query, bytes) else query.encode("utf-8", "replace"), "scheme": "http",
    }  # fmt: skip
    await APP(scope, receive, send)
    return next(message["status"] for message in sent if message["type"] == "http.response.start")


def status(path: str, query: str) -> int:
    """The same, to wait for."""
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
    def ask(parts, query):
        path = route.path
        for name, part in zip(names, parts, strict=True):
            path = path.replace(name, part, 1)
        assert status(path, query) < 500

    ask()


@pytest.fixture
def addresses() -> list[tuple[str, str]]:
    """A path and a query of every route and of every view, for a run that exists."""
    path = tiny_run(Path(os.environ["LLM_HOME"]))
    tokens = "tokens=" + ".".join(map(str, load_run(path).tokenizer.encode(HEN)))
    text = generations.start(path, None, "The", SamplingConfig(max_new_tokens=2, seed=0))
    code = compute.run(open_session, path, None, HEN)
    for _ in compute.iterate(code.text.record()):
        pass
    variable = "path=blocks.0.attention&implementation=einops&step=0&name=query&rows=1&columns=2&index=0,0,0,0"
    found = [(f"/live/run/{path.name}", ""), (f"/live/generation/{text.id}", "")]
    found += [(f"/live/{kind.replace('/', f'/{code.key}/')}", variable) for kind in live_routes() if "/" in kind]
    for view in (view for page in ("train", "attention", "inside") for view in views(page).values()):
        start = f"/selection/{path.name}/end" if view.subject is selection_from_request else f"/run/{path.name}"
        found += [(f"{start}/{view.page}/{what}", tokens) for what in view.answers()]
    return [*found, ("/assets/plotly.js", ""), ("/assets/0/frontend/mount.js", ""), ("/source/llm/model.py", "")]


def test_no_request_about_a_run_makes_an_error_of_the_server(addresses, monkeypatch):
    read: set[str] = set()
    get = QueryParams.get
    monkeypatch.setattr(QueryParams, "get", lambda self, name, *more: (read.add(str(name)), get(self, name, *more))[1])

    async def ask_everything() -> None:
        for path, query in addresses:
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
