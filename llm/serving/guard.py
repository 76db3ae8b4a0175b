"""Who gets an answer: programs that name this server and have its token.

Any web page in a browser on this machine can send requests to a server on this machine, also under a domain that the
page's owner makes resolve to this machine (DNS rebinding). So the Host header must name this server, and a request of
another site's page is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from llm.runtime.hosts import host_name, is_address, is_loopback, is_unspecified
from llm.serving.errors import ApiError


class Guard:
    """ASGI middleware around everything that the server answers."""

    def __init__(self, app: ASGIApp, token: str | None, host: str, allowed_hosts: Sequence[str] = ()) -> None:
        """`token` None: only for a server that nobody but this machine reaches. `host`: its address."""
        self.app, self.token, self.anywhere = app, token, is_unspecified(host)
        self.names = {host.lower(), *(name.lower() for name in allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            refusal = self.refusal(HTTPConnection(scope))
            if refusal is not None:
                answer = JSONResponse(refusal.as_json(), refusal.status, refusal.headers)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def refusal(self, request: HTTPConnection) -> ApiError | None:
        """Why a request is not passed on, or None."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._answers_to(hosts[0]):
            return ApiError(421, "This server has another name: name it with --allowed-hosts", code="unknown_host")
        if any(origin.partition("://")[2] != hosts[0] for origin in request.headers.getlist("origin")):
            return ApiError(403, "Pages of other sites get no answer", code="other_origin")
        if self.token is not None and not self._has_token(request, self.token):
            message = "This server wants its token, which it prints when it starts, as `Authorization: Bearer TOKEN`"
            return ApiError(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        return None

    def _answers_to(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        # nobody else can make a numeric address lead here
        return is_loopback(name) or name in self.names or (self.anywhere and is_address(name))

    def _has_token(self, request: HTTPConnection, token: str) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
