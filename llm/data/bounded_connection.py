"""Answers of a server that must arrive in time as a whole, and not only each byte of them.

The timeout of a socket bounds each wait for the next byte. A server that sends a byte of its headers now and then, or
`100 Continue` without end, never reaches it. Here every read from a connection ends at one deadline: all headers must
arrive before it, and whoever reads the content moves it on with each block.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool


class Deadline:
    """Until when what is waited for must have arrived: `seconds` after it was last asked for."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.start()

    def start(self) -> None:
        """Begin to wait."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """The seconds that are left; TimeoutError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {self.seconds:g} s")
        return left


class _Reads(io.RawIOBase):
    """What a connection receives, up to a deadline."""

    def __init__(self, connection: socket.socket, received: io.RawIOBase, deadline: Deadline) -> None:
        self._connection, self._received, self._deadline = connection, received, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(self._deadline.left())
        return self._received.readinto(buffer)

    def close(self) -> None:
        self._received.close()
        super().close()


class BoundedAdapter(HTTPAdapter):
    """For a session of requests, whose answers must arrive before the deadline; it begins with each answer."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        """The connections to a server, or to a proxy."""
        deadline = self._deadline

        class Response(http.client.HTTPResponse):
            def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
                super().__init__(sock, *args, **kwargs)
                deadline.start()
                self.fp = io.BufferedReader(_Reads(sock, self.fp.detach(), deadline))

        pool = super().get_connection_with_tls_context(*args, **kwargs)
        kind = HTTPSConnection if pool.scheme == "https" else HTTPConnection
        pool.ConnectionCls = type("Bounded", (kind,), {"response_class": Response})
        return pool
