"""`uv run llm serve`: a model behind OpenAI's interface."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from types import FrameType
from typing import TYPE_CHECKING, Any, get_args

from llm.cli.flags import Command, ParsedFlags, UsageError, flag
from llm.cli.shared_flags import checkpoints_dir_flag, required_run
from llm.cli.terminal import visible, write
from llm.config import Device, TrainingConfig, describe
from llm.runtime.hosts import is_loopback

if TYPE_CHECKING:
    from llm.serving.app import Server

TOKEN = "LLM_TOKEN"  # noqa: S105 (the environment variable)
MIN_TOKEN = 12  # characters: nothing else limits how many tokens someone can try
GRACE = 5.0  # seconds after Ctrl-C in which texts may still be finished


def serve(flags: ParsedFlags) -> int:
    """Answer requests until Ctrl-C."""
    path = required_run(flags, "the run whose model continues texts")
    host, token = flags.get("host", "127.0.0.1"), _token(flags)
    if token is None and not is_loopback(host):
        raise UsageError(f"--no-token is for this machine only: with --host {host} others reach the server")
    size, queue, port = flags.get("batch", 32), flags.get("queue", 64), flags.get("port", 8000)
    for name, number, least, most in (("batch", size, 1, 1024), ("queue", queue, 0, 2**16), ("port", port, 0, 65535)):
        if not least <= number <= most:
            raise UsageError(f"--{name} must be from {least} to {most:,}, got {number}")

    from llm.checkpoints import load_run
    from llm.runtime import compute
    from llm.runtime.device import choose_device
    from llm.serving.app import Server

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        run = compute.run(load_run, path, flags.get("step"), "fused", choose_device(flags.get("device", "auto")))
        server = Server(run.folder.id, run.model, run.tokenizer, size, queue)
        shown_host = f"[{host}]" if ":" in host else host
        lines = [
            f"{server.name}, step {run.step:,}: http://{shown_host}:{listening.getsockname()[1]}/v1 (Ctrl-C ends it)",
            f"Token: {token}" if token is not None and "token" not in flags and TOKEN not in os.environ else "",
        ]
        write(visible("\n".join(filter(None, lines))) + "\n")
        _answer(server, listening, token, host, flags.get("allowed_hosts", ()))
    return 0


def _answer(server: Server, listening: socket.socket, token: str | None, host: str, allowed: tuple[str, ...]) -> None:
    """Answer until a signal comes, then finish the texts that are being generated, for a few seconds."""
    import uvicorn

    class Graceful(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            asyncio.get_running_loop().call_later(GRACE, server.engine.stop)
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        server.app(token, host, allowed), log_level="warning", access_log=False, http="h11",
        timeout_graceful_shutdown=round(2 * GRACE), server_header=False,
    )  # fmt: skip
    Graceful(config).run(sockets=[listening])


def _token(flags: ParsedFlags) -> str | None:
    """What a client must send; None: nothing. Raises UsageError."""
    if flags.get("no_token"):
        if "token" in flags:
            raise UsageError("--no-token cannot be combined with --token")
        return None
    token: str = flags.get("token") or os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    if len(token) < MIN_TOKEN or not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError(f"--token must have at least {MIN_TOKEN} characters, letters, digits and signs of ASCII")
    return token


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run whose model to serve, a folder or a run id; the flag's name may be left out."),
        "step": flag(int, "Step of the snapshot to use.", "the final weights, else the best, else the newest"),
        "host": flag(str, "Address to listen at. 0.0.0.0: every address of this machine.", "127.0.0.1"),
        "port": flag(int, "Port to listen at. 0: any free one.", 8000),
        "token": flag(
            str, "What clients must send as their API key.", f"the variable {TOKEN}, else a new one, printed"
        ),
        "no_token": flag(
            bool, "Ask clients for no token. Only while nobody but this machine reaches the server.", False
        ),
        "allowed_hosts": flag(tuple[str, ...], "Names, beside --host, under which clients reach the server.", ()),
        "batch": flag(int, "Texts that are generated together.", 32),
        "queue": flag(int, "Texts that wait for a place; beyond, requests are answered with status 429.", 64),
        "device": flag(str, describe(TrainingConfig)["device"].help, "auto", get_args(Device)),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Serve a trained model to programs that speak OpenAI's interface: /v1/models and /v1/completions.",
    command_flags,
    serve,
    subject="run",
)
