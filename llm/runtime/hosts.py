"""Names and addresses of machines, as requests to a server name them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_address(host: str) -> bool:
    """Whether this is a numeric address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether this name or address always means the machine itself."""
    return ipaddress.ip_address(host).is_loopback if is_address(host) else host == "localhost"


def is_unspecified(host: str) -> bool:
    """Whether a server with this address listens on every address of the machine."""
    return is_address(host) and ipaddress.ip_address(host).is_unspecified


def host_name(host: str) -> str | None:
    """The name or address in a Host header, in lower case; None if it has none, or more than a port beside it."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port  # the port must be a number
    except ValueError:
        return None
    return name if name is not None and parts.netloc == host and "@" not in host else None
