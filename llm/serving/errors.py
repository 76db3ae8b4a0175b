"""What a request that cannot be answered gets: OpenAI's form of an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A request that is refused or failed, with its HTTP status, one sentence, and the parameter it is about."""

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.headers = status, message, param, code, headers

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def stopping() -> ApiError:
    """For texts that are not finished when the server ends."""
    return ApiError(503, "The server is stopping", code="stopping")
