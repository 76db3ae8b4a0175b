"""Texts that a model generates in the background of this process, independent of any page.

A generation has a thread that draws token after token, each a task of the process's one compute thread
(`llm.runtime.compute`), so that an active training continues between two tokens. The last few stay in a registry that
survives page reruns, closed tabs and edited source files. A text that a person asked for is kept in its run's folder,
too, once it has ended.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from llm.background.opened import open_run
from llm.config import SamplingConfig
from llm.runs.folder import RunFolder
from llm.runs.loading import Run
from llm.runtime import compute
from llm.runtime.files import error_text
from llm.runtime.process import process_wide
from llm.runtime.text import normalize_text
from llm.sampling import GeneratedToken, stream, text_record, with_seed

GenerationState = Literal["loading", "writing", "finished", "stopped", "failed"]
KEPT = 48  # generations in the registry

_log = logging.getLogger(__name__)


class Generation:
    """One text and the thread that generates it."""

    def __init__(
        self, path: Path, step: int | None, prompt: str, config: SamplingConfig, choices: Mapping[int, int], kept: bool
    ) -> None:
        self.id = uuid.uuid4().hex
        self.path = path
        self.asked_step = step  # None: the end of the run
        self.step = step  # of the weights, once they are open
        self.prompt = normalize_text(prompt)
        self.config = with_seed(config)
        self.choices = dict(sorted(choices.items()))  # as in `llm.sampling.stream`
        self.kept = kept  # in its run's folder, once it has ended
        self.state: GenerationState = "loading"
        self.message = ""
        self.tokens: list[GeneratedToken] = []  # only ever grows
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._write, name=f"generation-{self.id}", daemon=True)

    @property
    def active(self) -> bool:
        """Whether the text is still being generated."""
        return self.state in ("loading", "writing")

    @property
    def text(self) -> str:
        """The prompt and what has been generated so far."""
        return self.prompt + "".join(token.text for token in self.tokens)

    def record(self) -> dict[str, Any]:
        """The text so far, with everything it was made of."""
        return text_record(self.path.name, self.step, self.prompt, self.config, self.choices, self.tokens[:])

    def open_run(self) -> Run:
        """The run with the weights that this text is written with, also if the run has trained on since it began."""
        kept = self.step in RunFolder(self.path).snapshots()
        return open_run(self.path, self.step if kept else self.asked_step)

    def made_with(self, step: int | None, prompt: str, config: SamplingConfig) -> bool:
        """Whether the text was made with these settings; a seed of None stands for any."""
        same = config == (self.config if config.seed is not None else replace(self.config, seed=None))
        return same and step in (self.step, self.asked_step) and normalize_text(prompt) == self.prompt

    def stop(self) -> None:
        """End after the current token; the text so far is kept."""
        self._stopping.set()

    def _write(self) -> None:
        try:
            run = self.open_run()
            self.step = run.step
            self.state = "writing"
            draws = stream(run.model, run.tokenizer, self.prompt, self.config, choices=self.choices)
            for token in compute.iterate(draws):
                self.tokens.append(token)
                if self._stopping.is_set():
                    break
            if self.kept:
                self._append_to(run.folder)
            self.state = "stopped" if self._stopping.is_set() else "finished"
        except (ValueError, OSError) as error:  # a damaged checkpoint, an unknown character, a full disk
            self.message = error_text(error)
            self.state = "failed"
        except Exception as error:  # no caller above this thread could report it
            _log.exception("generation %s failed", self.id)
            self.message = f"{type(error).__name__}: {error}"
            self.state = "failed"

    def _append_to(self, folder: RunFolder) -> None:
        """Keep the text in its run's folder, unless it is there."""
        kept = {name: value for name, value in self.record().items() if name != "tokens"}
        if all(sample != kept | {"created": sample.get("created")} for sample in folder.samples()):
            folder.append_sample(kept | {"created": time.time()})


def start(
    path: Path | str, step: int | None, prompt: str, config: SamplingConfig, choices: Mapping[int, int] | None = None
) -> Generation:
    """Generate a text with the run in this folder, which keeps it; `step` as in `llm.checkpoints.load_run`.

    Returns at once.
    """
    return _begin(Generation(Path(path), step, prompt, config, choices or {}, kept=True))


def find(
    path: Path, step: int | None, prompt: str, config: SamplingConfig, choices: Mapping[int, int]
) -> Generation | None:
    """The newest text of these settings that is in the registry; a seed of None stands for any."""
    for text in reversed(list(_registry().values())):
        same = text.path == path and text.choices == choices and text.made_with(step, prompt, config)
        if same and text.state != "failed":
            return text
    return None


def find_or_start(
    path: Path, step: int | None, prompt: str, config: SamplingConfig, choices: Mapping[int, int]
) -> Generation:
    """The text of these settings, or else one that is started, to be shown but not kept."""
    found = find(path, step, prompt, config, choices)
    return found or _begin(Generation(path, step, prompt, config, choices, kept=False))


def fork(text: Generation, position: int, token: int) -> Generation:
    """The same text up to a position, where it takes this token, and goes on with the same settings and seed."""
    choices = {before: chosen for before, chosen in text.choices.items() if before < position} | {position: token}
    known = next((other for _, other in branches(text) if other.choices == choices), None)
    if known is not None:
        return known
    made = Generation(text.path, text.asked_step, text.prompt, text.config, choices, kept=True)
    made.step = text.step
    return _begin(made)


def branches(text: Generation) -> list[tuple[int, Generation]]:
    """This text and those that differ from it in their choices only, each below the one that it was forked from.

    With the depth of each in this tree: the number of texts above it.
    """
    family = [other for other in _registry().values() if other.path == text.path and other.step == text.step
              and other.made_with(text.step, text.prompt, text.config)]  # fmt: skip
    family.sort(key=lambda other: list(other.choices.items()))  # so a text is before those that begin with its choices
    return [(sum(_continues(text, other) for other in family), text) for text in family]


def _continues(text: Generation, other: Generation) -> bool:
    """Whether a text takes the other's choices first, and then more."""
    theirs = list(other.choices.items())
    return len(text.choices) > len(theirs) and list(text.choices.items())[: len(theirs)] == theirs


def _begin(generation: Generation) -> Generation:
    registry = _registry()
    registry[generation.id] = generation
    for old in list(registry)[:-KEPT]:
        if not registry[old].active:
            del registry[old]
    generation.thread.start()
    return generation


def get(generation_id: str) -> Generation | None:
    """The generation of this id, if it is among the last few of this process."""
    return _registry().get(generation_id)


def _registry() -> dict[str, Generation]:
    return process_wide("generations", dict)
