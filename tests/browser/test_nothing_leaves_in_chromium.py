"""A walk over every page of a run that someone else made.

All of it is shown as text, fits the screen and is accessible, and no request goes elsewhere.
"""

import contextlib
import json
import shutil
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import pytest
from app_server import HENS, assert_accessible_and_fitting, run_without_questions
from playwright.sync_api import Page

from components.views import views
from llm.checkpoints import RunFolder, RunNotes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ELSEWHERE = "http://127.0.0.1:9/leak"
# what Markdown or a browser makes pictures, links, emphasis, icons, colours and formulas of
MARKUP = (
    f"![leak]({ELSEWHERE}.png) <img src={ELSEWHERE}.gif> <a href={ELSEWHERE}>leak</a> [leak]({ELSEWHERE}) {ELSEWHERE} "
    "**leak** _leak_ :material/leak_add: :red[leak] $leak$ <b>leak</b> `leak`"
)
MADE_OF_IT = (
    "a:not([data-testid=stPageLink-NavLink]), img, iframe, strong, b, em, .katex, [data-testid=stIconMaterial], "
    "[data-testid=stMarkdownContainer] code, [data-testid=stMarkdownContainer] span[style]"
)
PAGES = {  # with what shows that a page is complete
    "": ".llm-pathway-stage",
    "train?new=1": "text=All model settings",
    "train?run={run}": ".llm-live-chart .annotation-text",
    "runs?run={run}": "text=Save",
    "generate?run={run}&prompt={markup}": "text=Earlier texts",
    "compare?runs={run}.20010101000000&prompt={markup}": "[data-drawn=comparison]",
    "tokenizer?text={markup}": ".llm-token",
    "code?run={run}&prompt={markup}": ".llm-code-line",
    "attention?run={run}&prompt={markup}": "[data-drawn]",
    "circuit?run={run}&example=own&prompt={markup}": "[data-drawn=circuit]",
    "inside?run={run}&prompt={markup}&clean={part}a&corrupt={part}e&right=a&wrong=e": "[data-drawn]",
}
# what is chosen on an open page, by the label of the choice, and what shows that it is complete
CHOICES = {
    "code": {"Sampling and training": "[data-path=sampling]"},
    **{
        name: {view.label: f".llm-{name}_{view.name}[data-drawn]" for view in views(name).values()}
        for name in ("attention", "inside")
    },
}


@pytest.fixture(scope="module")
def run(server) -> Path:
    """A run whose every text is markup, beside one whose damage is, and an upload whose name is."""
    path = run_without_questions(server, n_ctx=64, text=f"{MARKUP}\n" + HENS * 100)
    written = json.loads((path / "config.json").read_text())
    config = {part: value if part in ("model", "training") else as_markup(value) for part, value in written.items()}
    config["text"]["split"] = written["text"]["split"]  # with another one the views refuse the run
    (path / "config.json").write_text(json.dumps(config))
    status = json.loads((path / "status.json").read_text())
    (path / "status.json").write_text(json.dumps(status | {"state": "failed", "message": MARKUP}))
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"grad_norms": {MARKUP: 1.0}, "skills": {MARKUP: 0.5}, "sample": MARKUP}
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sample = {"text": MARKUP, "prompt": MARKUP, "step": 1, "sampling": {"temperature": 1, "stop": MARKUP}, "created": 1}
    RunFolder(path).append_sample(sample)
    RunFolder(path).write_notes(RunNotes(MARKUP[-80:], MARKUP, tuple(part[:30] for part in MARKUP.split())))
    shutil.copytree(path, path.with_name("20010101000000"))  # to compare it with
    damaged = path.with_name("20000101000000")
    damaged.mkdir()
    config["model"][MARKUP] = 1
    (damaged / "config.json").write_text(json.dumps(config))
    (server.home / "uploads").mkdir()
    (server.home / "uploads" / (MARKUP.replace("/", "∕")[:100] + ".txt")).write_text(f"{MARKUP}\n" * 200)
    return path


def as_markup(value: Any) -> Any:
    """JSON with markup in place of every text."""
    if isinstance(value, dict):
        return {key: as_markup(inner) for key, inner in value.items()}
    return MARKUP if isinstance(value, str) else value


def test_every_page_shows_texts_as_text_fits_and_asks_only_its_own_server(page: Page, server, run):
    asked, refused = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", lambda message: refused.append(message.text) if "Security Policy" in message.text else None)
    own = urlparse(server.url).netloc

    def check(shown: str) -> None:
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        page.wait_for_timeout(300)
        made = page.locator(MADE_OF_IT).filter(has_text="leak").or_(page.locator("img[src*=leak]")).all()
        assert [element.evaluate("element => element.outerHTML.slice(0, 200)") for element in made] == [], shown
        elsewhere = {
            url for url in asked if urlparse(url).netloc != own and urlparse(url).scheme not in ("data", "blob")
        }
        assert elsewhere == set(), shown
        assert refused == [], shown  # by the policy of `components.guard`: the pages need nothing that it forbids

    for address, ready in PAGES.items():
        page.goto(f"{server.url}/{address.format(run=run.name, markup=quote(MARKUP), part=quote(MARKUP[:40]))}")
        page.wait_for_selector(ready)
        for section in page.locator("summary").all() if "run=" in address else ():
            section.click()
        check(address)
        if address.partition("?")[0] not in CHOICES:  # the views of the others are looked at in their own tests
            assert_accessible_and_fitting(page, address)
        for choice, drawn in CHOICES.get(address.partition("?")[0], {}).items():
            page.get_by_role("radio", name=choice).click()
            page.wait_for_selector(drawn)
            check(choice)
    assert len(asked) > 100


REQUESTS = {
    "another name": (b"GET / HTTP/1.1\r\nHost: attacker.example\r\n\r\n", 421),
    "no name": (b"GET / HTTP/1.0\r\n\r\n", 421),
    "two names": (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n", 400),
    "a byte of zero": (b"GET /source/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "no UTF-8": (b"GET /source/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "half an escape": (b"GET /run/%/x/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "a path outside": (b"GET /assets/0/../../main.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a method of its own": (b"BREW /source/llm/model.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    "a long path": (b"GET /source/" + b"x" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "a longer path": (b"GET /" + b"x" * 2_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "the page of another site": (
        b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:1\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        403,
    ),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_what_no_browser_would_send_is_refused(server, kind):
    request, status = REQUESTS[kind]
    with socket.create_connection(("localhost", urlparse(server.url).port), 30) as connection:
        with contextlib.suppress(ConnectionError):  # the server may refuse before it has read everything
            connection.sendall(request)
        answer = connection.recv(4096)
    assert int(answer.split()[1]) == status
