"""Answers in OpenAI's form."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from llm.serving.engine import Generation, Piece
from llm.serving.errors import ApiError
from llm.serving.logprobs import TokenLogprob
from llm.serving.parsing import CompletionRequest

OWNER = "llm-from-scratch"


def model_card(model: str, created: int) -> dict[str, Any]:
    """What /v1/models says of a model."""
    return {"id": model, "object": "model", "created": created, "owned_by": OWNER}


class Echo(NamedTuple):
    """A prompt that its continuation begins with, if that was asked for; else empty."""

    text: str
    tokens: Sequence[TokenLogprob]


class Answer:
    """The answer to one request: whole, or as a stream of events."""

    def __init__(self, model: str, wanted: CompletionRequest, generation: Generation, echoes: Sequence[Echo]) -> None:
        """Before the first step. `echoes`: what precedes each text."""
        self.wanted, self.generation, self.echoes = wanted, generation, echoes
        self.prompt_tokens = sum(len(job.text.tokens) for job in generation.jobs[:: wanted.n])
        self._same = {
            "id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time()),
            "model": model,
        }  # fmt: skip

    async def whole(self) -> dict[str, Any]:
        """The answer once all texts are finished. Raises ApiError."""
        texts, tokens = [echo.text for echo in self.echoes], [list(echo.tokens) for echo in self.echoes]
        finish: list[str | None] = [None] * len(texts)
        async for piece in self.generation.pieces():
            texts[piece.index] += piece.text
            tokens[piece.index] += self._shifted(piece)
            finish[piece.index] = piece.finish
        choices = [self._choice(index, text, tokens[index], finish[index]) for index, text in enumerate(texts)]
        return {**self._same, "choices": choices, "usage": self._usage()}

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events, each with what is new of one text; an error is one too."""
        try:
            for index, echo in enumerate(self.echoes):
                if echo.text:
                    yield _event(self._same | {"choices": [self._choice(index, echo.text, echo.tokens, None)]})
            async for piece in self.generation.pieces():
                if piece.text or piece.tokens or piece.finish:
                    choice = self._choice(piece.index, piece.text, self._shifted(piece), piece.finish)
                    yield _event(self._same | {"choices": [choice]})
            if self.wanted.include_usage:
                yield _event(self._same | {"choices": [], "usage": self._usage()})
            yield "data: [DONE]\n\n"
        except ApiError as error:
            yield _event(error.as_json())
        finally:
            self.generation.cancel()

    def _shifted(self, piece: Piece) -> list[TokenLogprob]:
        shift = len(self.echoes[piece.index].text)
        return [token._replace(offset=token.offset + shift) for token in piece.tokens]

    def _choice(self, index: int, text: str, tokens: Sequence[TokenLogprob], finish: str | None) -> dict[str, Any]:
        lists = {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [token.top for token in tokens],
            "text_offset": [token.offset for token in tokens],
        }
        logprobs = None if self.wanted.logprobs is None else lists
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def _usage(self) -> dict[str, int]:
        texts = [job.text for job in self.generation.jobs]
        new = sum(text.config.max_new_tokens - text.remaining for text in texts)
        return {
            "prompt_tokens": self.prompt_tokens, "completion_tokens": new, "total_tokens": self.prompt_tokens + new,
        }  # fmt: skip


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, allow_nan=False)}\n\n"
