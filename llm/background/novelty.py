"""Which parts of a generated text its model's training text contains: searched in the background of this process.

The suffix array of a training text is computed once, in parts that take turns with training on the compute thread, and
kept for the texts that follow.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from llm.background.generations import Generation, get
from llm.background.opened import open_run
from llm.data.matches import KNOWN, Matches, controls, copied_from, matches
from llm.data.suffix_array import IndexedText
from llm.runs.corpus import run_corpus
from llm.runs.folder import RunFolder
from llm.runs.loading import Run
from llm.runtime import compute
from llm.runtime.files import error_text
from llm.runtime.process import process_wide
from llm.runtime.regular_files import is_regular
from llm.runtime.result_cache import ResultCache
from llm.sampling import stream

LARGEST = 5_000_000  # characters of a training text: sorting these takes about ten seconds and 300 MB
KEPT = 16  # searches in the registry
SNAPSHOTS = 12  # of a run, at most, whose texts are searched
SAMPLED = 200  # tokens of each of these, at most

_indexes: ResultCache[IndexedText] = ResultCache(2)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """The matches of a generated text, those of held-out text of the same length, and where they were searched."""

    text: str  # what the model wrote, without the prompt
    matches: Matches
    held_out: list[Matches]
    copied_from: int
    training: IndexedText


class Search:
    """The search for one generated text, and the thread that does it."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.state: Literal["writing", "sorting", "searching", "finished", "failed"] = "writing"
        self.progress = 0.0  # of sorting, from 0 to 1
        self.message = ""
        self.found: Found | None = None
        self.through: list[tuple[int, float, float, float]] = []  # steps, with what is copied, recombined and new then
        self.thread = threading.Thread(target=self._run, name=f"novelty-{generation.id}", daemon=True)

    def _run(self) -> None:
        try:
            self.generation.thread.join()
            self.found = self._find()
            for point in through_training(self.generation, self.found):
                self.through.append(point)
            self.state = "finished"
        except (ValueError, OSError) as error:  # no text, a damaged one, or a large one
            self.message = error_text(error)
            self.state = "failed"
        except Exception as error:  # no caller above this thread could report it
            _log.exception("the search for generation %s failed", self.generation.id)
            self.message = f"{type(error).__name__}: {error}"
            self.state = "failed"

    def _find(self) -> Found:
        self.state = "sorting"
        train, held_out = _texts(self.generation.open_run())
        key = hashlib.sha256(train.encode()).digest()
        training = _indexes.get(key, lambda: compute.finish(self._report(IndexedText.build.steps(train))))
        self.state = "searching"
        text = "".join(token.text for token in self.generation.tokens)
        found = compute.finish(matches.steps(text, training))
        control = [compute.finish(matches.steps(piece, training)) for piece in controls(held_out, len(text))]
        return Found(text, found, control, copied_from(control), training)

    def _report(self, steps: Generator[float, None, IndexedText]) -> Generator[float, None, IndexedText]:
        while True:
            try:
                self.progress = next(steps)
            except StopIteration as end:
                index: IndexedText = end.value
                return index
            yield self.progress


def through_training(generation: Generation, found: Found) -> Iterator[tuple[int, float, float, float]]:
    """Of snapshots of its run: the step, and the shares that are copied, recombined and new of what it writes.

    With the prompt, settings and seed of this text; its evenly spaced snapshots, the first and the last among them.
    """
    config = replace(generation.config, max_new_tokens=min(SAMPLED, generation.config.max_new_tokens))
    steps = RunFolder(generation.path).snapshots()
    for index in sorted({*np.linspace(0, len(steps) - 1, SNAPSHOTS).round().astype(int).tolist()} if steps else ()):
        run = open_run(generation.path, steps[index])
        tokens = compute.iterate(stream(run.model, run.tokenizer, generation.prompt, config))
        searched = compute.finish(matches.steps("".join(token.text for token in tokens), found.training))
        copied, known = searched.share(found.copied_from), searched.share(KNOWN)
        yield steps[index], copied, known - copied, 1 - known


def _texts(run: Run) -> tuple[str, str]:
    """The training and the validation text of a run. Raises ValueError if it has none, or one that is too large."""
    large = run.folder.config().about(dict, "text", "cache") is not None  # not even in memory as a whole
    if not large and not is_regular(run.folder.path / "text.txt"):
        raise ValueError(f"Run {run.folder.id} came without its training text, so nothing can be searched in it")
    corpus = None if large else run_corpus(run.folder, run.tokenizer)
    train = corpus.excerpt("train", LARGEST + 1) if corpus else ""
    if corpus is None or len(train) > LARGEST:
        raise ValueError(
            f"The training text of run {run.folder.id} is too large to be searched: only texts of up to {LARGEST:,} "
            "characters are"
        )
    return train, corpus.excerpt("validation", LARGEST)


def search(generation_id: str) -> Search | None:
    """The search for this text, begun at the first request; None if it is not among the last few generations."""
    registry: dict[str, Search] = process_wide("novelty", dict)
    generation = get(generation_id)
    if generation is None:
        return registry.get(generation_id)
    created = Search(generation)
    begun = registry.setdefault(generation_id, created)  # one of two requests at once wins
    if begun is created:
        for old in list(registry)[:-KEPT]:
            registry.pop(old, None)
        created.thread.start()
    return begun
