"""Who is answered: by the name asked for, the page that asks, the machine, and the password."""

import base64
import sys
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.testing.v1 import AppTest

from components import GUARDED
from components.guard import COOKIE, Guard, guard
from components.routes import ROUTES
from components.shared.visitors import PASSWORD, PERSON, PERSON_ID, only_this_machine

SECRET = "twelve words or so"
PAGE = "/source/llm/model.py"
PAGES = sorted((Path(__file__).parents[2] / "pages").glob("*.py"))


async def stream(websocket: WebSocket) -> None:
    """Stands for Streamlit's websocket, through which a page works."""
    await websocket.accept()
    await websocket.send_text("here")
    await websocket.close()


def fail(request):
    raise AssertionError("a request that is refused arrived")


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    """The project's settings, and no password; a test may change them."""
    changed = {"server.address": "localhost", "browser.serverAddress": "localhost", "server.allowedHosts": []}
    known = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: changed[name] if name in changed else known(name))
    monkeypatch.delenv(PASSWORD, raising=False)
    return changed


def client(machine: str = "127.0.0.1", url: str = "http://localhost:8501", routes=ROUTES) -> TestClient:
    """A visitor from this machine, or another."""
    app = Starlette(routes=[*routes, WebSocketRoute("/stream", stream)], middleware=[Middleware(Guard)])
    return TestClient(app, base_url=url, client=(machine, 50000))


def open_stream(visitor: TestClient, **headers: str) -> str:
    with visitor.websocket_connect("/stream", headers={"Host": "localhost:8501"} | headers) as websocket:
        return websocket.receive_text()


def basic(password: str, user: str = "anyone") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8501", "127.0.0.1", "127.0.0.2:8501", "[::1]:8501"])
def test_names_of_this_machine_are_answered(host):
    assert client().get(PAGE, headers={"Host": host}).status_code == 200
    assert open_stream(client(), Host=host) == "here"


FOREIGN = [
    "attacker.example", "localhost.attacker.example:8501", "localhost@attacker.example", "attacker.example#localhost",
    "192.168.0.7:8501", "0.0.0.0:8501", "localhost:x", "localhost/", "[::1", "", "localhost:8501, attacker.example",
]  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_refused_even_if_they_lead_here(host):
    assert client().get(PAGE, headers={"Host": host}).status_code == 421
    with pytest.raises(WebSocketDisconnect):
        open_stream(client(), Host=host)


def test_a_request_with_two_names_is_refused():
    assert client().get(PAGE, headers=[("Host", "localhost"), ("Host", "attacker.example")]).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://attacker.example", "http://localhost:9999", "null", "", "http://localhost:8501.attacker.example"]
)
def test_pages_of_other_sites_are_refused_also_those_of_another_server_on_this_machine(origin):
    visitor = client(routes=[Route(PAGE, fail, methods=["GET", "PUT", "DELETE", "OPTIONS"])])
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert visitor.request(method, PAGE, headers={"Origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect):
        open_stream(visitor, Origin=origin)


def test_its_own_pages_are_answered():
    assert client().get(PAGE, headers={"Origin": "http://localhost:8501"}).status_code == 200
    assert open_stream(client(), Origin="http://localhost:8501") == "here"


@pytest.mark.parametrize(("path", "host", "status"), [
    (PAGE, "localhost", 200), ("/assets/plotly.js", "localhost", 200), ("/nothing", "localhost", 404),
    (PAGE, "attacker.example", 421),
])  # fmt: skip
def test_every_answer_forbids_frames_guesses_of_its_type_and_other_servers(path, host, status):
    answer = client().get(path, headers={"Host": host})
    assert answer.status_code == status
    policies = answer.headers.get_list("Content-Security-Policy")
    assert any("frame-ancestors 'none'" in policy and "default-src 'self'" in policy for policy in policies)
    assert len(policies) == (2 if path == PAGE and status == 200 else 1)  # a page's own stays
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_without_a_password_other_machines_are_refused_however_they_reach_the_server():
    visitor = client("192.168.0.9")
    assert visitor.get(PAGE).status_code == 403
    with pytest.raises(WebSocketDisconnect):
        open_stream(visitor)


@pytest.mark.parametrize("headers", [
    {}, basic("wrong password"), basic(""), basic(SECRET[:-1]), basic("ï»¿" + SECRET), {"Authorization": "Basic"},
    {"Authorization": "Basic \x7f"}, {"Authorization": "Basic ////"}, {"Authorization": "Bearer " + SECRET},
    {"Cookie": f"{COOKIE}="}, {"Cookie": f"{COOKIE}={SECRET}"},
])  # fmt: skip
def test_with_a_password_nothing_is_answered_without_it(monkeypatch, headers):
    monkeypatch.setenv(PASSWORD, SECRET)
    visitor = client()
    for path in (PAGE, "/", "/_stcore/health", "/run/20000101000000/train/gradient_norms", "/assets/plotly.js"):
        answer = visitor.get(path, headers=headers)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert "Set-Cookie" not in answer.headers
    with pytest.raises(WebSocketDisconnect):
        open_stream(visitor, **headers)


def test_whoever_gave_the_password_is_known_by_a_cookie(monkeypatch):
    """Not every browser sends the password with a websocket."""
    monkeypatch.setenv(PASSWORD, SECRET)
    visitor = client("192.168.0.9")
    answer = visitor.get(PAGE, headers=basic(SECRET))
    assert answer.status_code == 200 and "HttpOnly; SameSite=Lax" in answer.headers["Set-Cookie"]
    assert SECRET not in answer.headers["Set-Cookie"]
    assert visitor.get(PAGE).status_code == 200
    assert open_stream(visitor, Cookie=f"{COOKIE}={answer.cookies[COOKIE]}") == "here"
    other_server = client("192.168.0.9")
    other_server.cookies = visitor.cookies
    assert other_server.get(PAGE).status_code == 401
    secure = client(url="https://localhost:8501").get(PAGE, headers=basic(SECRET))
    assert "Secure" in secure.headers["Set-Cookie"]


def test_a_password_may_hold_any_character(monkeypatch):
    monkeypatch.setenv(PASSWORD, "Лиса:сидела у реки")
    assert client().get(PAGE, headers=basic("Лиса:сидела у реки")).status_code == 200


@pytest.mark.parametrize(("changed", "host", "status"), [
    ({"server.address": "0.0.0.0"}, "192.168.0.7:8501", 200),
    ({"server.address": None}, "[fe80::1]:8501", 200),
    ({"server.address": "0.0.0.0"}, "attacker.example", 421),
    ({"server.address": "192.168.0.7"}, "192.168.0.7:8501", 200),
    ({"server.address": "192.168.0.7"}, "192.168.0.8:8501", 421),
    ({"browser.serverAddress": "models.example"}, "models.example", 200),
    ({"server.allowedHosts": ["*.example"]}, "a.models.example", 200),
    ({"server.allowedHosts": ["models.example"]}, "other.example", 421),
])  # fmt: skip
def test_names_in_the_settings_are_answered(settings, monkeypatch, changed, host, status):
    settings.update(changed)
    monkeypatch.setenv(PASSWORD, SECRET)
    assert client("192.168.0.9").get(PAGE, headers={"Host": host} | basic(SECRET)).status_code == status


@pytest.mark.parametrize(("changed", "password", "said"), [
    ({}, None, None),
    ({}, SECRET, None),
    ({"server.address": "127.0.0.1"}, None, None),
    ({"server.address": None}, None, "set the environment variable LLM_PASSWORD"),
    ({"server.address": None}, "", "set the environment variable LLM_PASSWORD"),
    ({"server.address": "0.0.0.0"}, None, r"\(at 0.0.0.0\)"),
    ({"browser.serverAddress": "models.example"}, None, r"\(at models.example\)"),
    ({"server.allowedHosts": ["*"]}, None, r"\(at \*\)"),
    ({"server.address": "0.0.0.0"}, SECRET, None),
    ({"server.address": "0.0.0.0"}, "elevenchars", "at least 12 characters, got 11"),
    ({"server.enableCORS": False}, SECRET, "server.enableCORS must stay true"),
    ({"server.enableXsrfProtection": False}, None, "server.enableXsrfProtection must stay true"),
])  # fmt: skip
def test_the_server_refuses_to_start_with_settings_that_let_anyone_in(settings, monkeypatch, changed, password, said):
    settings.update(changed)
    if password is not None:
        monkeypatch.setenv(PASSWORD, password)
    if said is None:
        assert guard().cls is Guard
    else:
        with pytest.raises(SystemExit, match=said):
            guard()


def test_what_only_this_machine_may_do_is_off_where_others_are_expected(settings, monkeypatch):
    assert only_this_machine()
    settings["server.address"] = "0.0.0.0"
    assert not only_this_machine()
    settings["server.address"] = "::1"
    assert only_this_machine()
    monkeypatch.setenv(PASSWORD, SECRET)
    assert not only_this_machine()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_that_is_served_without_the_guard_shows_one_sentence(page, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "components"]:
        monkeypatch.delitem(sys.modules, name)  # as in a server that has just started
    GUARDED.clear()
    assert not AppTest.from_string("import components").run().error
    app = AppTest.from_file(page)
    monkeypatch.delitem(sys.modules, "components")
    monkeypatch.delitem(sys.modules, "streamlit.testing.v1.app_test")
    app.run()
    assert [error.value for error in app.error] == [app.main[0].value] and "streamlit run main.py" in app.error[0].value
    assert len(app.main) == 1 and not app.exception and not app.query_params


def test_the_guard_says_that_it_is_there():
    GUARDED.clear()
    guard()
    assert GUARDED.is_set()


def test_a_page_gives_each_browser_a_cookie_of_its_own_which_it_keeps():
    routes = [Route("/page", lambda request: HTMLResponse("<p>")), Route("/file", lambda request: Response("text"))]
    one, other = client(routes=routes), client(routes=routes)
    assert PERSON not in one.get("/file").cookies  # not with each file of a page
    given = [visitor.get("/page").cookies[PERSON] for visitor in (one, other)]
    assert given[0] != given[1] and all(PERSON_ID.fullmatch(name) for name in given)
    assert "set-cookie" not in one.get("/page").headers
    forged = client(routes=routes).get("/page", headers={"Cookie": f"{PERSON}=../somewhere"})
    assert "HttpOnly" in forged.headers["set-cookie"]
