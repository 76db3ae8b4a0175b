"""From the body of a request to what it asks for. What this server does not have is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from llm.config import SamplingConfig, shown
from llm.runtime.text import normalize_text
from llm.serving.errors import ApiError

MAX_TOKENS = 2**16  # of one text: it keeps its place in the batch until then
MAX_LOGPROBS = 20
MAX_STOPS = 16
MAX_SEED = 2**53
MAX_TEXTS = 128  # of one request: prompts times n
SAMPLING = {"temperature": 1.0, "top_p": None, "seed": None, "top_k": None, "min_p": None, "repetition_penalty": 1.0}
OTHERS = ("model", "prompt", "max_tokens", "n", "stop", "stream", "stream_options", "echo", "logprobs")
# what OpenAI's interface has and this server has not, with the values that change nothing
WITHOUT_EFFECT: dict[str, object] = {
    "best_of": 1, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "suffix": "",
}  # fmt: skip


@dataclass(frozen=True)
class CompletionRequest:
    """What a request to /v1/completions asks for."""

    prompts: list[str | list[int]]  # texts, or tokens
    n: int  # texts of each prompt
    sampling: SamplingConfig  # text number i has the seed `seed + i`
    echo: bool  # whether a text begins with its prompt
    logprobs: int | None  # likely tokens beside each one of a text
    stream: bool
    include_usage: bool  # in a stream


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises ApiError for anything else, and for what JSON does not have, such as NaN."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        raise ApiError(400, f"The body must be UTF-8, but byte {error.start} is not") from None
    except RecursionError:
        raise ApiError(400, "The body must be JSON that is not nested so deeply") from None
    except ValueError as error:  # JSONDecodeError, and a number of more digits than Python converts
        raise ApiError(400, f"The body must be a JSON object: {error}") from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object")
    return value


def parse_completion(body: Mapping[str, Any], model: str, d_vocab: int) -> CompletionRequest:
    """Check every parameter. Raises ApiError that names the first one that is not possible."""
    given = {name: value for name, value in body.items() if value is not None}  # null: the default
    _check_names(given)
    require_model(given, model)
    prompts = _prompts(given.get("prompt", ""), d_vocab)
    n = _integer(given, "n", 1, 1, MAX_TEXTS)
    if len(prompts) * n > MAX_TEXTS:
        raise _refusal("prompt", f"prompts times n must be at most {MAX_TEXTS}, got {len(prompts):,} times {n}")
    stream, options = _boolean(given, "stream"), given.get("stream_options", {})
    if not isinstance(options, dict) or options.keys() - {"include_usage"} or (options and not stream):
        raise _refusal(
            "stream_options", "stream_options must be an object with include_usage, in a request with stream"
        )
    logprobs = _integer(given, "logprobs", 0, 0, MAX_LOGPROBS) if given.get("logprobs", False) is not False else None
    include_usage = _boolean(options, "include_usage")
    return CompletionRequest(prompts, n, _sampling(given), _boolean(given, "echo"), logprobs, stream, include_usage)


def require_model(given: Mapping[str, Any], model: str) -> None:
    """Raise ApiError unless the request names this model."""
    if not isinstance(given.get("model"), str):
        raise _refusal("model", f"model must be the name of this server's model, {model!r}")
    if given["model"] != model:
        message = f"This server has one model, {model!r}, got {shown(given['model'])}"
        raise ApiError(404, message, "model", "model_not_found")


def _check_names(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in SAMPLING or name in OTHERS:
            continue
        if name not in WITHOUT_EFFECT:
            raise _refusal(
                shown(name)[1:-1], f"{shown(name)} is not a parameter that this server knows", "unknown_parameter"
            )
        neutral = WITHOUT_EFFECT[name]
        if isinstance(value, bool) or value != neutral:
            about = f"{name} is not available here: leave it out, or at {json.dumps(neutral)}"
            raise _refusal(name, about, "unsupported_parameter")


def _sampling(given: Mapping[str, Any]) -> SamplingConfig:
    stop = given.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(isinstance(one, str) and one for one in stops):
        raise _refusal("stop", f"stop must be a text, or up to {MAX_STOPS} texts, of at least one character each")
    max_tokens = _integer(given, "max_tokens", 16, 0, MAX_TOKENS)
    _integer(given, "seed", 0, 0, MAX_SEED)
    chosen = {name: given.get(name, default) for name, default in SAMPLING.items()}
    try:
        return SamplingConfig(max_new_tokens=max_tokens, stop=tuple(stops), **chosen)
    except ValueError as error:
        raise _refusal(str(error).partition(" ")[0], str(error)) from None


def _prompts(prompt: object, d_vocab: int) -> list[str | list[int]]:
    """One text, several, one list of tokens, or several."""
    if isinstance(prompt, str):
        return [normalize_text(prompt)]
    if isinstance(prompt, list) and prompt:
        if all(isinstance(part, str) for part in prompt):
            return [normalize_text(part) for part in prompt]
        several = prompt if all(isinstance(part, list) for part in prompt) else [prompt]
        if all(_is_token(token, d_vocab) for part in several for token in part):
            return several
    about = f"prompt must be a text or a list of tokens, integers from 0 to {d_vocab - 1}, or a list of either"
    raise _refusal("prompt", about)


def _is_token(value: object, d_vocab: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < d_vocab


def _integer(given: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _refusal(name, f"{name} must be an integer from {least} to {most:,}, got {shown(value)}")
    return value


def _boolean(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise _refusal(name, f"{name} must be true or false, got {shown(value)}")
    return value


def _refusal(name: str, message: str, code: str | None = None) -> ApiError:
    return ApiError(400, message, name, code)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return result
