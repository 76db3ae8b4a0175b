"""Ctrl-C, a closed terminal and other signals as a request to stop, which a loop checks between its steps."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Self

from llm.runtime.process import STOP_SIGNALS

SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides the cursor


class StopSignals:
    """A context manager that remembers the first stop signal; a second Ctrl-C ends the process at once.

    torchrun hands a Ctrl-C to its processes, perhaps twice, and ends those that still run after 30 seconds.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) is not signal.SIG_DFL:
                continue  # ignored, as nohup does so that a run outlives its terminal; or a profiler's own
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: FrameType | None) -> None:
        # os.write: a signal may arrive in the middle of a print, which is not reentrant
        by_launcher = "TORCHELASTIC_RUN_ID" in os.environ  # which sends the same signal more than once
        if self.received is not None and number == signal.SIGINT and not by_launcher:
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), SHOW_CURSOR + b"\n")
            os._exit(128 + number)
        if self.received is None and sys.stderr.isatty():
            with suppress(OSError):  # the terminal was closed
                os.write(sys.stderr.fileno(), b"\nFinishing this step; press Ctrl-C again to quit at once.\n")
        self.received = self.received or number
