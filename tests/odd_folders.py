"""What a run folder can hold in place of a file, and what its JSON files can hold in place of their fields."""

import contextlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SECRET = b"nothing of this leaves its file\n"


def _link(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _socket(path: Path, outside: Path) -> None:
    bound = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket must be short
    try:
        bound.bind(path.name)
    finally:
        os.chdir(here)
        bound.close()


ODD: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "a link to a file": (_link, "is a link"),
    "a link to nothing": (lambda path, outside: path.symlink_to(outside / "nothing"), "is a link"),
    "a link to itself": (lambda path, outside: path.symlink_to(path), "is a link"),
    "a link to a device": (lambda path, outside: path.symlink_to("/dev/zero"), "is a link"),
    "a folder": (lambda path, outside: path.mkdir(), "is a folder"),
    "a named pipe": (lambda path, outside: os.mkfifo(path), "is a named pipe"),
    "a socket": (_socket, "is a socket"),
}


def put(kind: str, path: Path, outside: Path) -> str:
    """Put something odd in place of what is at `path`; returns what is said of it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    make, said = ODD[kind]
    make(path, outside)
    return said


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail if the work takes longer: it waits for something that never comes."""

    def late(*_: object) -> None:
        raise AssertionError(f"it took longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


MISTYPED: tuple[Any, ...] = (
    None,
    "text",
    "\ud800",  # half of a surrogate pair, which UTF-8 cannot hold
    -3,
    10**400,
    1e999,
    float("nan"),
    [],
    [1, "a"],
    {},
    {"name": {}, "kind": 1},
    True,
)


def mutations(content: dict[str, Any]) -> Iterator[bytes]:
    """The JSON object without each of its fields, and with each of them mistyped, inside its objects too."""
    for name, value in content.items():
        yield json.dumps({key: content[key] for key in content if key != name}).encode()
        for other in MISTYPED:
            yield json.dumps(content | {name: other}).encode()
        if isinstance(value, dict):
            for inner in mutations(value):
                yield json.dumps(content | {name: json.loads(inner)}).encode()
