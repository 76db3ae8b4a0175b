"""The routes of OpenAI's interface that this server has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from llm.batching import GrowingText, first_tokens
from llm.model import Transformer
from llm.runtime import compute
from llm.sampling import with_seed
from llm.serving.answers import Answer, Echo, model_card
from llm.serving.engine import Engine, Generation
from llm.serving.errors import ApiError
from llm.serving.guard import Guard
from llm.serving.logprobs import Measured, prompt_logprobs
from llm.serving.parsing import CompletionRequest, parse_completion, parse_json, require_model
from llm.tokenizers import Tokenizer

MAX_BODY = 2**20  # bytes
BODY_SECONDS = 10.0  # in which a body must arrive


class Server:
    """A model, and the engine that continues texts with it."""

    def __init__(self, name: str, model: Transformer, tokenizer: Tokenizer, size: int = 32, queue: int = 64) -> None:
        """`name`: the model's for clients, `size`: texts in a batch, `queue`: texts that wait for a place."""
        self.name, self.model, self.tokenizer, self.created = name, model, tokenizer, int(time.time())
        self.engine = Engine(model, size, queue)

    def app(self, token: str | None, host: str = "127.0.0.1", allowed_hosts: Sequence[str] = ()) -> Starlette:
        """The ASGI application."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            growing = asyncio.create_task(self.engine.run())
            yield
            growing.cancel()

        routes = [
            Route("/v1/models", self.models),
            Route("/v1/models/{model:path}", self.one_model),
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {ApiError: _refused, HTTPException: _not_found, ClientDisconnect: _gone}
        guard = Middleware(Guard, token, host, allowed_hosts)
        return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers, lifespan=lifespan)

    async def models(self, _: Request) -> Response:
        """The one model that there is."""
        return JSONResponse({"object": "list", "data": [model_card(self.name, self.created)]})

    async def one_model(self, request: Request) -> Response:
        """The model of this name."""
        require_model(request.path_params, self.name)
        return JSONResponse(model_card(self.name, self.created))

    async def chat(self, request: Request) -> Response:
        """Refuse: no model of this project has learned turns of a conversation yet."""
        require_model(parse_json(await _body(request)), self.name)
        message = (
            f"{self.name} is a completion model: it continues texts and has learned no turns of a conversation. Send "
            "the text to continue as `prompt` to /v1/completions"
        )
        raise ApiError(400, message, "messages", "not_a_chat_model")

    async def completions(self, request: Request) -> Response:
        """Continue one or several texts."""
        wanted = parse_completion(parse_json(await _body(request)), self.name, self.tokenizer.d_vocab)
        try:
            texts, echoes = await asyncio.wrap_future(compute.submit(self._prepare, wanted))
        except ValueError as error:  # a character that the tokenizer does not know
            raise ApiError(400, f"prompt: {error}", "prompt") from None
        generation = Generation(self.engine)
        for text in texts:
            measured = None if wanted.logprobs is None else Measured(self.tokenizer, wanted.logprobs)
            generation.add(text, measured)
        answer = Answer(self.name, wanted, generation, echoes)
        self.engine.start(generation)
        watch = asyncio.create_task(_cancel_when_gone(request, generation))
        if wanted.stream:
            return StreamingResponse(_watched(answer.events(), watch), media_type="text/event-stream")
        try:
            return JSONResponse(await answer.whole())
        finally:
            watch.cancel()

    def _prepare(self, wanted: CompletionRequest) -> tuple[list[GrowingText], list[Echo]]:
        """The texts to grow, and what precedes each. Raises ValueError."""
        tokenizer, sampling = self.tokenizer, with_seed(wanted.sampling)
        assert sampling.seed is not None
        texts: list[GrowingText] = []
        echoes: list[Echo] = []
        for prompt in wanted.prompts:
            tokens = prompt if prompt and isinstance(prompt, list) else first_tokens(tokenizer, str(prompt or ""))
            echo = self._echo(prompt, tokens, wanted) if wanted.echo else Echo("", ())
            for _ in range(wanted.n):
                texts.append(GrowingText(tokenizer, tokens, replace(sampling, seed=sampling.seed + len(texts))))
                echoes.append(echo)
        return texts, echoes

    def _echo(self, prompt: str | list[int], tokens: list[int], wanted: CompletionRequest) -> Echo:
        text = prompt if isinstance(prompt, str) else self.tokenizer.decode(prompt)
        if wanted.logprobs is None or not prompt:
            return Echo(text, ())
        n_ctx = self.model.config.n_ctx
        if len(tokens) > n_ctx:
            about = f"echo with logprobs needs prompts of at most {n_ctx} tokens, got {len(tokens):,}"
            raise ApiError(400, about, "echo")
        return Echo(text, prompt_logprobs(self.model, self.tokenizer, tokens, wanted.logprobs))


async def _body(request: Request) -> bytes:
    """The body of a request, if it is JSON, short, and arrives in time. Raises ApiError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a page of another site cannot send this without asking first
        raise ApiError(415, "The body must be JSON, with the header Content-Type: application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise ApiError(413, f"The body must have at most {MAX_BODY:,} bytes", code="too_large")
    except TimeoutError:
        raise ApiError(408, f"The body must arrive within {BODY_SECONDS:g} seconds", code="too_slow") from None
    return bytes(body)


async def _cancel_when_gone(request: Request, generation: Generation) -> None:
    """Free the request's places in the batch when its client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    generation.cancel()


async def _watched(events: AsyncIterator[str], watch: asyncio.Task[None]) -> AsyncIterator[str]:
    try:
        async for event in events:
            yield event
    finally:
        watch.cancel()


async def _refused(_: Request, error: ApiError) -> Response:
    return JSONResponse(error.as_json(), error.status, error.headers)


async def _not_found(request: Request, error: HTTPException) -> Response:
    """No such address, or not with this method."""
    message = f"{request.method} {request.url.path} is not available here: {error.detail}"
    return await _refused(request, ApiError(error.status_code, message, headers=error.headers))


async def _gone(_: Request, __: ClientDisconnect) -> Response:
    return Response(status_code=400)  # which nobody reads
