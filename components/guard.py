"""Which requests are answered: those of this server's own pages, from this machine or with the password.

Any web page in a browser on this machine can send requests to a server on this machine: to its address, or to a domain
that the page's owner makes resolve to this machine (DNS rebinding). A page can also show another one in a frame.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterator
from fnmatch import fnmatchcase

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from components import GUARDED
from components.shared.visitors import PASSWORD, PERSON, PERSON_ID, password
from llm.runtime.hosts import host_name, is_address, is_loopback, is_unspecified

MIN_PASSWORD = 12  # characters: nothing else limits how many passwords someone can try
COOKIE = "llm_visitor"
A_YEAR = 365 * 24 * 3600  # seconds

# Pages load from, and send to, this server only, even if the text of a run were taken for markup. Streamlit needs
# inline scripts and styles, and loads the scripts of components from blob: URLs.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guard() -> Middleware:
    """The middleware for `st.App`. Ends the program with a sentence if the settings would let anyone in."""
    if (problem := problem_of_settings()) is not None:
        raise SystemExit(problem)
    GUARDED.set()
    return Middleware(Guard)


def problem_of_settings() -> str | None:
    """Why the server must not start, or None."""
    for option in ("server.enableCORS", "server.enableXsrfProtection"):
        if not st.get_option(option):
            return f"{option} must stay true: without it, any web page that you open could use this app."
    outside = sorted(name for name in _own_names() if not is_loopback(name))
    secret = password()
    if outside and secret is None:
        return (f"Others could reach this server (at {', '.join(outside)}), and it has no password: set the environment"
                f" variable {PASSWORD}, or leave server.address at localhost.")  # fmt: skip
    if secret is not None and len(secret) < MIN_PASSWORD:
        return f"{PASSWORD} must have at least {MIN_PASSWORD} characters, got {len(secret)}."
    return None


def _own_names() -> Iterator[str]:
    """The names and addresses of this server in its settings; patterns too."""
    yield st.get_option("server.address") or "0.0.0.0"  # noqa: S104 (Streamlit's default: every address)
    yield st.get_option("browser.serverAddress")
    yield from st.get_option("server.allowedHosts")


def answers_to(host: str) -> bool:
    """Whether a request's Host header names this server."""
    name = host_name(host)
    if name is None:
        return False
    names = list(_own_names())
    # nobody else can make a numeric address lead here
    anywhere = any(map(is_unspecified, names))
    return is_loopback(name) or (anywhere and is_address(name)) or any(fnmatchcase(name, own.lower()) for own in names)


class Guard:
    """ASGI middleware around everything that the server answers: pages, routes, uploads and the websocket."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.password = password()
        self.visitor = secrets.token_urlsafe()  # the cookie of whoever gave the password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), request)
            await send(message)

        refusal = self.refusal(request)
        if refusal is None:
            await self.app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008)(scope, receive, send)
        else:
            await refusal(scope, receive, send_with_headers)

    def _add_headers(self, headers: MutableHeaders, request: HTTPConnection) -> None:
        headers.append("Content-Security-Policy", POLICY)  # beside a stricter one of the page
        headers.update(HEADERS)
        cookie = "HttpOnly; SameSite=Lax; Path=/" + ("; Secure" if request.scope["scheme"] == "https" else "")
        if self._gave_password(request):
            headers.append("Set-Cookie", f"{COOKIE}={self.visitor}; {cookie}")
        # with a page, not with each of its files, which are asked for at once
        is_page = headers.get("Content-Type", "").startswith("text/html")
        if is_page and not PERSON_ID.fullmatch(request.cookies.get(PERSON, "")):
            headers.append("Set-Cookie", f"{PERSON}={secrets.token_urlsafe()}; Max-Age={A_YEAR}; {cookie}")

    def refusal(self, request: HTTPConnection) -> Response | None:
        """The response to a request that is not passed on; None for one that is."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not answers_to(hosts[0]):
            return PlainTextResponse("This server has another name. To add one, set server.allowedHosts.", 421)
        origins = request.headers.getlist("origin")
        if not all(_is_own(origin, hosts[0]) for origin in origins):
            return PlainTextResponse("Pages of other sites get no answer.", 403)
        if self.password is None:
            if request.client is None or not is_loopback(request.client.host):
                return PlainTextResponse("Without a password this server answers its own machine only.", 403)
        elif not self._is_visitor(request) and not self._gave_password(request):
            challenge = {"WWW-Authenticate": 'Basic realm="LLM from Scratch", charset="UTF-8"'}
            return PlainTextResponse("This server needs a password; any user name will do.", 401, challenge)
        return None

    def _is_visitor(self, request: HTTPConnection) -> bool:
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self.visitor.encode())

    def _gave_password(self, request: HTTPConnection) -> bool:
        """Whether the request carries the password, by HTTP's Basic authentication."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if self.password is None or scheme.lower() != "basic":
            return False
        try:
            _, _, given = base64.b64decode(encoded, validate=True).partition(b":")
        except ValueError:
            return False
        return hmac.compare_digest(given, self.password.encode())


def _is_own(origin: str, host: str) -> bool:
    """Whether `origin`, which a browser sends for a page, is this server, or one that the settings allow."""
    return origin.partition("://")[2] == host or origin in st.get_option("server.corsAllowedOrigins")
