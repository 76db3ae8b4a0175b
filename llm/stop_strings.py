"""Stop strings: where a text that is being generated ends."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Passes text through until the first stop string, and holds back what may be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = stops
        self.stopped = False
        self._held = ""

    def push(self, text: str) -> str:
        """Add new text; returns the text that certainly precedes any stop string."""
        if self.stopped:
            return ""
        text = self._held + text
        matches = [(start + len(stop), start) for stop in self.stops if (start := text.find(stop)) >= 0]
        if matches:  # the first complete one wins, so that the result does not depend on how the text was split
            self.stopped, self._held = True, ""
            return text[: min(matches)[1]]
        held = max((_overlap(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        """The text still held back, at the end of the text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest suffix of `text` that is a prefix of `stop`, but not all of it."""
    return next(length for length in range(min(len(text), len(stop) - 1), -1, -1) if text.endswith(stop[:length]))
