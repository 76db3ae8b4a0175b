"""The last few code sessions of this process, looked up by key."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from llm.checkpoints import RunFolder, load_run
from llm.runtime.process import process_wide
from llm.trace.code_session import CodeSession, LayerCode, modification_times
from llm.trace.forward_pass import source_files
from llm.trace.stale_modules import drop_modules, stale_files
from llm.trace.traced_text import TracedText

KEPT_SESSIONS = 3


def open_session(run: Path | str, step: int | None, text: str) -> CodeSession:
    """A session for the layers of a run's checkpoint on a text. Reads the model: call it on the compute thread.

    After an edit of a layer's file this is a new session, of the new code: code and trace always match.

    Raises:
        ValueError, FileNotFoundError: as `llm.checkpoints.load_run`, or a text that has no tokens or cannot be encoded.
    """
    if stale_files(source_files()):
        drop_modules()
        opened: CodeSession = importlib.import_module(__name__).open_imported(run, step, text)
        return opened
    return open_imported(run, step, text)


def open_imported(run: Path | str, step: int | None, text: str) -> CodeSession:
    """`open_session` with the code as it was imported."""
    sources = source_files()
    key = session_key(run, step, text, sources)

    def make() -> CodeSession:
        loaded = load_run(run, step)
        traced = TracedText(loaded.model, loaded.tokenizer, text)
        return CodeSession(traced, LayerCode(traced), key, sources)

    return keep_session(key, make)


def session_key(run: Path | str, step: int | None, text: str, files: Sequence[Path]) -> str:
    """A key that differs for all weights and texts, and after every edit of one of these files.

    Raises FileNotFoundError: there are no such weights.
    """
    weights = RunFolder(run).weights_version(step)
    sources = [(str(file), time) for file, time in modification_times(files).items()]
    return hashlib.sha256(repr((*weights, text, sources)).encode()).hexdigest()[:24]


def keep_session(key: str, make: Callable[[], CodeSession]) -> CodeSession:
    """The session with this key; if there is none, it is made and kept among the last few."""
    registry = _registry()
    if key not in registry:
        for earlier in registry.values():
            earlier.clear_traces()
        registry[key] = make()
        for oldest in list(registry)[:-KEPT_SESSIONS]:
            registry.pop(oldest, None)
    return registry[key]


def find_session(key: str) -> CodeSession | None:
    """The session with this key, if it is still among the last few."""
    return _registry().get(key)


def _registry() -> dict[str, CodeSession]:
    return process_wide("code_sessions", dict)
