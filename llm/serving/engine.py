"""Continuous batching: texts of all requests grow together, each joins and leaves the batch between two steps.

The event loop decides who is in the batch; the compute thread runs its steps. So nothing changes during a step.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from llm.batching import GrowingText, Grown, TextBatch
from llm.model import Transformer
from llm.reading import NonFiniteLogitsError
from llm.runtime import compute
from llm.serving.errors import ApiError, stopping
from llm.serving.logprobs import Measured, TokenLogprob

LOG = logging.getLogger("uvicorn.error")


@dataclass
class Piece:
    """What is new of one text of a request."""

    index: int  # of the text in its request
    text: str
    tokens: list[TokenLogprob]  # those that begin in the text so far, if they were asked for
    finish: str | None = None  # "stop": before a stop string, "length": all tokens; None: it goes on


@dataclass(eq=False)
class Job:
    """A text of a request, from the queue to its last token."""

    index: int
    text: GrowingText
    request: Generation
    measured: Measured | None  # if log-probabilities were asked for
    held: list[TokenLogprob] = field(default_factory=list)  # which begin in text that is not shown yet
    length: int = 0  # characters shown

    def piece(self, shown: str, logprob: TokenLogprob | None) -> Piece:
        """What a step added."""
        self.length += len(shown)
        if logprob is not None:
            self.held.append(logprob)
        stopped, finished = self.text.stopped, self.text.finished
        count = len(self.held)
        if stopped or not finished:  # tokens of the stop string are no part of the text
            count = sum(token.offset < self.length for token in self.held)
        tokens, self.held = self.held[:count], self.held[count:]
        return Piece(self.index, shown, tokens, ("stop" if stopped else "length") if finished else None)


class Generation:
    """The texts of one request, as they grow."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._events: asyncio.Queue[Piece | ApiError | None] = asyncio.Queue()
        self.jobs: list[Job] = []
        self._unfinished = 0

    def add(self, text: GrowingText, measured: Measured | None) -> None:
        """One more text, before the first step."""
        self.jobs.append(Job(len(self.jobs), text, self, measured))
        self._unfinished += 1

    async def pieces(self) -> AsyncIterator[Piece]:
        """What is new, until all texts are finished or the request is cancelled. Raises ApiError."""
        while self._unfinished and (event := await self._events.get()) is not None:
            if isinstance(event, ApiError):
                raise event
            self._unfinished -= event.finish is not None
            yield event

    def deliver(self, piece: Piece) -> None:
        """Hand on what a step added."""
        self._events.put_nowait(piece)

    def fail(self, error: ApiError) -> None:
        """End all texts of the request."""
        self._events.put_nowait(error)
        self._engine.release(self.jobs)

    def cancel(self) -> None:
        """Free the places of the texts: nobody reads them any more."""
        self._events.put_nowait(None)
        self._engine.release(self.jobs)


class Engine:
    """Up to `size` texts in the batch, up to `queue` that wait for a place."""

    def __init__(self, model: Transformer, size: int, queue: int) -> None:
        self._model, self.size, self.queue = model, size, queue
        self._batch = compute.run(TextBatch, model, size, model.config.n_ctx)
        self._waiting: deque[Job] = deque()
        self._running: dict[GrowingText, Job] = {}  # in the batch
        self._released: set[Job] = set()  # to leave the batch before the next step
        self._work = asyncio.Event()
        self._stopping = False

    @property
    def texts(self) -> int:
        """How many texts are in the batch or wait."""
        return len(self._running) + len(self._waiting)

    def start(self, generation: Generation) -> None:
        """Queue the texts of a request. Raises ApiError if there is no room for all of them."""
        jobs = generation.jobs
        if self._stopping:
            raise stopping()
        if len(jobs) > self.size + self.queue:
            raise ApiError(400, f"{len(jobs)} texts at once are too many: at most {self.size + self.queue}", "prompt")
        if self.texts + len(jobs) > self.size + self.queue:
            message = f"{self.texts} texts are being generated or wait, which is all there is room for: try again later"
            raise ApiError(429, message, code="queue_full", headers={"Retry-After": "1"})
        for job in jobs:
            if job.text.finished:  # of no tokens
                generation.deliver(job.piece("", None))
            else:
                self._waiting.append(job)
        self._work.set()

    def release(self, jobs: Sequence[Job]) -> None:
        """Let these texts go, wherever they are."""
        gone = set(jobs)
        self._waiting = deque(job for job in self._waiting if job not in gone)
        self._released |= gone & set(self._running.values())

    def stop(self) -> None:
        """Take no more texts; end those that are being generated."""
        self._stopping = True
        for request in {job.request for job in (*self._waiting, *self._running.values())}:
            request.fail(stopping())

    async def run(self) -> None:
        """Grow texts for as long as the server runs."""
        while True:
            await self._work.wait()
            try:
                await self._advance()
            except Exception as error:  # such as too little memory; the server goes on, and its owner sees the error
                LOG.exception("A step failed")
                await self._start_again(error)

    async def _advance(self) -> None:
        """One step of all texts in the batch, or note that there is none."""
        self._let_in_and_out()
        if not self._running:
            self._work.clear()
            return
        grown, broken = await asyncio.wrap_future(compute.submit(self._step))
        for text, piece in grown:
            job = self._running[text] if piece.finish is None else self._end(text)
            job.request.deliver(piece)
        for text in broken:
            self._end(text).request.fail(ApiError(500, str(NonFiniteLogitsError()), code="non_finite_logits"))

    def _let_in_and_out(self) -> None:
        for job in tuple(self._released):
            self._batch.remove(self._end(job.text).text)
        while self._waiting and len(self._running) < self.size:
            job = self._waiting.popleft()
            self._batch.add(job.text)
            self._running[job.text] = job

    def _step(self) -> tuple[list[tuple[GrowingText, Piece]], list[GrowingText]]:
        grown, broken = self._batch.step()
        return [(step.text, self._piece(step)) for step in grown], broken

    def _piece(self, step: Grown) -> Piece:
        job = self._running[step.text]
        logprob = None if job.measured is None else job.measured.describe(step.token, step.logits)
        return job.piece(step.shown, logprob)

    def _end(self, text: GrowingText) -> Job:
        job = self._running.pop(text)
        self._released.discard(job)
        return job

    async def _start_again(self, error: Exception) -> None:
        """After a step that failed, such as for want of memory: its texts are lost, the server goes on."""
        requests = {job.request for job in self._running.values()}
        self._running.clear()
        for request in requests:
            request.fail(ApiError(500, f"The model could not continue the text: {error}", code="step_failed"))
        self._released.clear()
        batch = compute.submit(TextBatch, self._model, self.size, self._model.config.n_ctx)
        self._batch = await asyncio.wrap_future(batch)
