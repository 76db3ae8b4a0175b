"""Ask the app's routes as its server does: with its guard, in this process."""

from pathlib import Path
from typing import Any

from app_pages import HEN, tiny_run
from starlette.applications import Starlette
from starlette.middleware import Middleware

from components.guard import Guard
from components.routes import ROUTES
from components.shared.selection import selection_from_request
from components.views import live_routes, views
from llm.background import generations, novelty
from llm.checkpoints import load_run
from llm.config import SamplingConfig
from llm.runtime import compute
from llm.trace.sessions import open_session

APP = Starlette(routes=ROUTES, middleware=[Middleware(Guard)])


async def ask(path: str, query: str | bytes, method: str = "GET") -> int:
    """The status of the answer to a request, as the server hands it on; an exception is raised here."""
    return (await answer(path, query, method))[0]


async def answer(path: str, query: str | bytes, method: str = "GET") -> tuple[int, bytes]:
    """Status and content of the answer to a request."""
    sent: list[Any] = []

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
    status = next(message["status"] for message in sent if message["type"] == "http.response.start")
    return status, b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")


def addresses(home: Path) -> list[tuple[str, str]]:
    """A path and a query of every route and of every view, for a run that exists."""
    path = tiny_run(home)
    tokens = "tokens=" + ".".join(map(str, load_run(path).tokenizer.encode(HEN)))
    text = generations.start(path, None, "The", SamplingConfig(max_new_tokens=2, seed=0))
    code = compute.run(open_session, path, None, HEN)
    for _ in compute.iterate(code.text.record()):
        pass
    variable = "path=blocks.0.attention&implementation=einops&step=0&name=query&rows=1&columns=2&index=0,0,0,0"
    variable += "&start=0&end=1"  # of a text, whose search has ended
    novelty.search(text.id).thread.join()
    found = [(f"/live/run/{path.name}", ""), (f"/live/generation/{text.id}", "")]
    found.append((f"/live/novelty/{text.id}", ""))
    keys = {"code": code.key, "comparison": path.name, "run": path.name, "novelty": text.id, "generation": text.id}
    for kind, what in (route.split("/") for route in live_routes() if "/" in route):
        found.append((f"/live/{kind}/{keys.get(kind, code.key)}/{what}", variable))
    found.append((f"/live/comparison/{path.name}", ""))
    for view in (view for page in ("train", "attention", "inside") for view in views(page).values()):
        start = f"/selection/{path.name}/end" if view.subject is selection_from_request else f"/run/{path.name}"
        found += [(f"{start}/{view.page}/{what}", tokens) for what in view.answers()]
    return [*found, ("/assets/plotly.js", ""), ("/assets/0/frontend/mount.js", ""), ("/source/llm/model.py", "")]
