"""Servers of this machine that keep a download waiting, although each wait for a byte is short."""

import contextlib
import itertools
import socket
import threading

import pytest
from test_download import FILE, HENS

from llm.data import public_texts
from llm.data.download import DownloadError, download

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# what is sent first, and then again and again: a byte at a time, or as fast as it goes
WITHOUT_END = {
    "status line": (b"HTTP/1.1 200 ", b"O", 0.02),
    "one header": (OK + b"X-Long: ", b"x", 0.02),
    "100 Continue, slowly": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    "100 Continue, fast": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0),
    "headers of 100 Continue": (b"", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n", 0.02),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: ", b"/a", 0.02),
    "size of a chunk": (CHUNKED, b"0", 0.02),
    "trailers": (CHUNKED + b"5\r\nNotes\r\n0\r\n", b"X: y\r\n", 0.02),
}


@pytest.fixture
def endless(monkeypatch):
    """Starts a server that answers so; whether it still sends is its `sending`."""
    ended = threading.Event()
    with contextlib.ExitStack() as servers:

        def start(first, again, pause):
            listener = servers.enter_context(socket.create_server(("127.0.0.1", 0)))
            hung_up = threading.Event()

            def answer():
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(2**16)
                    connection.sendall(first)
                    while not ended.wait(pause):
                        connection.sendall(again)
                hung_up.set()

            threading.Thread(target=answer, daemon=True).start()
            monkeypatch.setattr(public_texts, "SOURCE", f"http://127.0.0.1:{listener.getsockname()[1]}")
            return hung_up

        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield start
        ended.set()


@pytest.mark.parametrize("what", WITHOUT_END)
def test_what_is_sent_without_end_is_hung_up_on(endless, tmp_path, what):
    hung_up = endless(*WITHOUT_END[what])
    with pytest.raises(DownloadError, match=f"cannot be reached|broke after 5 of {len(FILE):,} bytes"):
        list(itertools.islice(download(HENS, tmp_path, timeout=0.3), 100))
    assert hung_up.wait(10), "the connection is still open"
    assert not (tmp_path / "hens.txt").exists()
