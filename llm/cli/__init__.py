"""The command line, `uv run llm <command>`; the commands are in `llm.cli.commands`.

Importing this module takes no time, and it imports the commands only once Ctrl-C ends the process quietly.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 128 + 2  # SIGINT

try:
    import signal
except KeyboardInterrupt:  # it takes some milliseconds, as it imports others
    os._exit(INTERRUPTED)

TYPE_CHECKING = False  # type checkers take it for typing's
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, from the process's arguments if None are given; returns the exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # otherwise it is ignored: a shell started the process in the background
        signal.signal(signal.SIGINT, _interrupt)
    try:
        from llm.cli.commands import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        before = signal.SIG_DFL  # a second Ctrl-C, while the process ends, is quiet too
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but end the process during an import, where packages catch it and break.

    Nothing is lost then: what is written, and what trains, has been imported before.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt
