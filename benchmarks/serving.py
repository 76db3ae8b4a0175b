"""`llm serve` with 32 clients at once beside the same requests one after the other, over HTTP on this machine.

The model has random weights of the small llama's shape, in float32. Seconds are those of the requests alone, without
the server's start.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial

import uvicorn
from openai import AsyncOpenAI

from benchmarks.generation import NEW_IN_BATCH, PROMPTS, TEMPERATURE, model
from benchmarks.models import tokenizer
from benchmarks.rows import Row
from llm.serving.app import Server

TOKEN = "of-the-benchmark"  # noqa: S105


async def ask(client: AsyncOpenAI, number: int) -> None:
    await client.completions.create(
        model="small", prompt=PROMPTS[number], max_tokens=NEW_IN_BATCH["small"], temperature=TEMPERATURE, seed=number
    )


async def ask_all(url: str, together: bool) -> float:
    async with AsyncOpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
        await ask(client, 0)  # the connection
        started = time.perf_counter()
        if together:
            await asyncio.gather(*(ask(client, number) for number in range(len(PROMPTS))))
        else:
            for number in range(len(PROMPTS)):
                await ask(client, number)
        return time.perf_counter() - started


def seconds(together: bool) -> float:
    server = Server("small", model("small"), tokenizer())
    running = uvicorn.Server(uvicorn.Config(server.app(TOKEN), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        return asyncio.run(ask_all(f"http://127.0.0.1:{port}/v1", together))
    finally:
        running.should_exit = True
        thread.join()


ROWS: dict[str, Callable[[], Row]] = {
    "served-small": lambda: Row(partial(seconds, True), partial(seconds, False), "32 clients one by one", 4.0),
}
