"""`llm serve` as a user starts and ends it."""

import json
import signal
import socket
import urllib.request

import pytest
from command_line import copied, in_a_process, said_by


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--no-token", "--host", "0.0.0.0"], "--no-token is for this machine only"),
        (["--no-token", "--token", "x" * 20], "--no-token cannot be combined with --token"),
        (["--token", "short"], "--token must have at least 12 characters"),
        (["--token", "狐" * 20], "--token must have at least 12 characters"),
        (["--batch", "0"], "--batch must be from 1 to 1,024, got 0"),
        (["--port", "99999"], "--port must be from 0 to 65,535, got 99999"),
    ],
)
def test_what_would_not_be_safe_or_possible_is_refused(capsys, words, sentence):
    assert sentence in said_by(capsys, ["serve", "no-run", *words], 2)


def test_a_port_in_use_is_a_sentence(capsys, trained):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "in use" in said_by(capsys, ["serve", str(copied(trained)), "--port", str(port)], 2)


def test_it_prints_its_address_and_token_answers_and_ends_quietly_at_ctrl_c(trained):
    process = in_a_process("serve", str(copied(trained)), "--port", "0")
    about, token = process.stdout.readline(), process.stdout.readline().removeprefix("Token: ").strip()
    url = about.split()[-4]
    request = urllib.request.Request(f"{url}/models", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["data"][0]["id"] == trained.name
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "")
