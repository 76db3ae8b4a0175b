"""OpenAI's interface, asked by OpenAI's client: each text as it is alone, a sentence for what is not possible."""

import asyncio
import contextlib
import importlib
import json
import threading
import time

import pytest
import torch
import uvicorn
from sampling_models import CONFIG, TOKENIZER, randomised

from llm.config import SamplingConfig
from llm.reading import BatchReader
from llm.sampling import generate
from llm.serving import app as serving
from llm.serving.app import Server

NAME = "a-model"
TOKEN = "a-token-of-tests"
NAN = "z"  # a prompt
SETTINGS = [
    {},
    {"temperature": 0},
    {"top_p": 0.5, "temperature": 1.5},
    {"stop": ["fo", "T", "e"]},
    {"extra_body": {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.4}},
]


@contextlib.contextmanager
def served(model, **options):
    """The server of this model, and its address."""
    server = Server(NAME, model, TOKENIZER, **options)
    running = uvicorn.Server(uvicorn.Config(server.app(TOKEN), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield server, f"http://127.0.0.1:{port}/v1"
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def model():
    return randomised(CONFIG)


@pytest.fixture(scope="module")
def both(model):
    with served(model, size=8, queue=30) as server_and_url:
        yield server_and_url


@pytest.fixture(scope="module")
def openai():
    """OpenAI's client, imported where a test of this file runs: each process collects it, and that takes seconds."""
    return importlib.import_module("openai")


@pytest.fixture(scope="module")
def client(openai, both):
    return openai.OpenAI(base_url=both[1], api_key=TOKEN, max_retries=0)


def wanted(**settings):
    return {"model": NAME, "prompt": "a fox", "max_tokens": 20, "seed": 3} | settings


def alone(model, prompt, seed=3, max_tokens=20, temperature=1.0, extra_body=None, stop=(), **settings):
    """The new text that `generate` gives."""
    config = SamplingConfig(
        max_new_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        stop=tuple(stop),
        **settings,
        **(extra_body or {}),
    )
    return generate(model, TOKENIZER, prompt, config)[len(prompt) :]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_text_is_the_one_that_generate_gives_whole_and_in_a_stream(model, client, settings):
    answer = client.completions.create(**wanted(**settings))
    assert answer.choices[0].text == alone(model, "a fox", **settings)
    assert answer.choices[0].finish_reason == ("stop" if len(answer.choices[0].text) < 20 else "length")
    stream = client.completions.create(**wanted(**settings), stream=True, stream_options={"include_usage": True})
    *parts, last = stream
    assert "".join(part.choices[0].text for part in parts) == answer.choices[0].text
    assert [part.choices[0].finish_reason for part in parts if part.choices[0].finish_reason] == [
        answer.choices[0].finish_reason
    ]
    assert last.usage == answer.usage and answer.usage.prompt_tokens == 5


def test_each_prompt_has_n_texts_with_seeds_that_follow_each_other(model, client):
    prompts = ["a fox", TOKENIZER.encode("over it")]
    for prompt, texts in ((["a fox", "over it"], 2), ([prompts[1]], 3)):
        answer = client.completions.create(**wanted(prompt=prompt, n=texts, echo=True))
        read = [one if isinstance(one, str) else TOKENIZER.decode(one) for one in prompt for _ in range(texts)]
        assert [choice.text for choice in answer.choices] == [
            one + alone(model, one, seed=3 + index) for index, one in enumerate(read)
        ]


def test_logprobs_are_the_models_own_and_echo_has_those_of_the_prompt(model, client):
    answer = client.completions.create(**wanted(max_tokens=3, logprobs=2, echo=True)).choices[0]
    tokens = TOKENIZER.encode(answer.text)
    with torch.no_grad():
        expected = model(torch.tensor([tokens]))[0].log_softmax(dim=-1)
    found = answer.logprobs
    assert found.tokens == list(answer.text) and found.text_offset == list(range(8))
    assert found.token_logprobs[0] is None
    own = [expected[pos, token].item() for pos, token in enumerate(tokens[1:])]
    assert found.token_logprobs[1:] == pytest.approx(own, abs=1e-9)
    for pos, top in enumerate(found.top_logprobs[1:]):
        likeliest = {TOKENIZER.decode([token]) for token in expected[pos].topk(2).indices.tolist()}
        assert set(top) == likeliest | {answer.text[pos + 1]}
    # a stream has the same lists in parts, and no token of a stop string
    stop = alone(model, "a fox")[5:7]
    settings = wanted(logprobs=0, stop=stop)
    whole = client.completions.create(**settings).choices[0]
    parts = [part.choices[0] for part in client.completions.create(**settings, stream=True)]
    assert [token for part in parts for token in part.logprobs.tokens] == whole.logprobs.tokens == list(whole.text)


def clients(openai, model, url, count):
    """`count` clients at once, each with another request, and what each gets alone; every fifth leaves early."""
    requests = [
        wanted(
            prompt="the quick red fox"[: 1 + number % 17],
            seed=number,
            max_tokens=10 + number // 2,
            **SETTINGS[number % 5],
        )
        for number in range(count)
    ]

    async def ask(client, number):
        stream = await client.completions.create(**requests[number], stream=True)
        if number % 5 == 4:
            return await stream.close()
        return "".join([part.choices[0].text async for part in stream])

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(count)))

    expected = [alone(model, **{name: value for name, value in one.items() if name != "model"}) for one in requests]
    return asyncio.run(ask_all()), expected


def test_32_clients_at_once_get_the_texts_that_each_gets_alone(openai, model, both):
    found, expected = clients(openai, model, both[1], 32)
    assert [text or expected[number] for number, text in enumerate(found)] == expected
    assert [number for number, text in enumerate(found) if text is None] == list(range(4, 32, 5))


@pytest.mark.soak
def test_clients_come_and_go_for_minutes(openai, model, both):
    for _ in range(60):
        found, expected = clients(openai, model, both[1], 32)
        assert [text or expected[number] for number, text in enumerate(found)] == expected
    assert becomes(lambda: both[0].engine.texts == 0)


def becomes(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


def test_a_full_queue_refuses_and_a_client_that_leaves_frees_its_places(openai, model, both, client):
    server = both[0]
    assert becomes(lambda: server.engine.texts == 0)
    long = client.completions.create(**wanted(max_tokens=60_000, n=38), stream=True)
    next(iter(long))
    with pytest.raises(openai.RateLimitError, match="38 texts are being generated or wait") as refused:
        client.completions.create(**wanted())
    assert refused.value.code == "queue_full" and refused.value.response.headers["retry-after"] == "1"
    with pytest.raises(openai.BadRequestError, match="39 texts at once are too many: at most 38"):
        client.completions.create(**wanted(n=39))
    long.close()
    with pytest.raises(openai.APITimeoutError):  # leaves before its answer begins
        client.with_options(timeout=0.3).completions.create(**wanted(max_tokens=60_000))
    assert becomes(lambda: server.engine.texts == 0)
    assert client.completions.create(**wanted()).choices[0].text == alone(model, "a fox")


def test_a_text_whose_logits_are_nan_fails_alone(openai, model, both, client, monkeypatch):
    read = BatchReader._read

    def broken(reader, rows, windows):
        logits = read(reader, rows, windows)
        for number, row in enumerate(rows):
            if windows[number] == TOKENIZER.encode(NAN):
                logits[number] = torch.nan
                for layer in reader.step.layers:
                    layer.values[row] = torch.nan
        return logits

    monkeypatch.setattr(BatchReader, "_read", broken)
    beside = client.completions.create(**wanted(max_tokens=300, stop=["zz"]), stream=True)
    first = next(iter(beside))
    for _ in range(3):
        with pytest.raises(openai.InternalServerError, match="logits contain NaN"):
            client.completions.create(**wanted(prompt=NAN))
        # the next text in its row finds nothing of it
        assert client.completions.create(**wanted(prompt="a")).choices[0].text == alone(model, "a")
    with pytest.raises(openai.APIError, match="logits contain NaN"):
        list(client.completions.create(**wanted(prompt=NAN), stream=True))
    rest = "".join(part.choices[0].text for part in beside)
    assert first.choices[0].text + rest == alone(model, "a fox", max_tokens=300, stop=["zz"])


def test_models_are_listed_and_chat_says_what_to_use(openai, client):
    assert [model.id for model in client.models.list()] == [NAME]
    assert client.models.retrieve(NAME).owned_by == "llm-from-scratch"
    with pytest.raises(openai.NotFoundError, match="one model"):
        client.models.retrieve("gpt")
    with pytest.raises(openai.BadRequestError, match=r"is a completion model: .* `prompt` to /v1/completions"):
        client.chat.completions.create(model=NAME, messages=[{"role": "user", "content": "hi"}])


REFUSED = [
    ("max_tokens", -1), ("max_tokens", 10**400), ("max_tokens", 2.5), ("max_tokens", True), ("n", 0), ("n", 10**9),
    ("temperature", -1), ("temperature", "hot"), ("temperature", 1e308 * 10), ("top_p", 0), ("top_p", [1]),
    ("top_k", 0), ("seed", -1), ("seed", 2**63), ("stop", [""]), ("stop", 5), ("stop", ["x"] * 99), ("logprobs", 99),
    ("logprobs", True), ("echo", 1), ("stream", "yes"), ("stream_options", {"include_usage": True}),
    ("prompt", []), ("prompt", {}), ("prompt", [1, "a"]), ("prompt", [99]), ("prompt", [-1]), ("prompt", [True]),
    ("prompt", "狐"), ("prompt", "\ud800"), ("prompt", ["a"] * 200), ("presence_penalty", 1), ("logit_bias", {"5": 1}),
    ("best_of", 3), ("best_of", True), ("suffix", "end"), ("user", "me"), ("tools", []), ("model", 5), ("x" * 999, 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda value: repr(value)[:20])
def test_what_is_not_possible_is_refused_by_its_name(client, name, value):
    status, error = sent(client, json.dumps(wanted(**{name: value})).encode())
    assert (status, error["type"]) == (400, "invalid_request_error")
    infinite = isinstance(value, float) and value > 1e308
    assert error["param"] == (None if infinite else name if len(name) < 99 else error["param"])
    assert name[:30] in error["message"] or infinite
    assert len(error["message"]) < 400


def sent(client, body, method="POST", path="/completions", **headers):
    """The status and the error with which a request of these bytes is answered."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"} | headers
    answer = client._client.request(method, f"{str(client.base_url)[:-1]}{path}", content=body, headers=headers)
    return answer.status_code, answer.json()["error"]


BODIES = [
    (b"", 400), (b"[]", 400), (b'"text"', 400), (b'{"model": NaN}', 400), (b"\xff{}", 400), (b'{"n": 1, "n": 2}', 400),
    (b"[" * 100_000, 400), (b'{"a":' * 100_000, 400), (b'{"n": ' + b"9" * 5000 + b"}", 400), (b" " * (2**20 + 1), 413),
    (b'{"model": "\0"}', 400), ('{"model": "x"}'.encode("utf-16"), 400),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), BODIES, ids=lambda value: repr(value)[:20])
def test_an_odd_body_gets_one_sentence(client, body, status):
    for path in ("/completions", "/chat/completions"):
        found, error = sent(client, body, path=path)
        assert found == status and error["message"].startswith("The body must") and "\n" not in error["message"]


def test_only_programs_that_name_the_server_and_have_its_token_get_answers(client, monkeypatch):
    for header, value, status, code in [
        ("Authorization", "Bearer wrong", 401, "invalid_api_key"),
        ("Authorization", "Bearer \xe9", 401, "invalid_api_key"),
        ("Host", "evil.example:80", 421, "unknown_host"),
        ("Origin", "http://evil.example", 403, "other_origin"),
        ("Content-Type", "text/plain", 415, None),
    ]:
        found, error = sent(client, b"{}", **{header: value.encode("latin-1")})
        assert (found, error["code"]) == (status, code)
    assert sent(client, b"", method="GET")[0] == 405
    assert sent(client, b"{}", path="/nothing")[0] == 404
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.1)

    def slow():
        yield b"{"
        time.sleep(0.4)
        yield b"}"

    assert sent(client, slow())[0] == 408
