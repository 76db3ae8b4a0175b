"""Public-domain texts are downloaded from a server of this machine: whole, broken off, wrong, or not at all."""

import contextlib
import hashlib
import http.server
import itertools
import re
import threading
import time
from dataclasses import dataclass, field, replace

import pytest

from llm.cli import main
from llm.data import public_texts
from llm.data.download import DownloadError, download
from llm.data.public_texts import PUBLIC_TEXTS, PublicText, body

BOOK = "".join(f"The hen sat on gate {number}.\n" for number in range(9000))
FILE = (
    "\ufeffNotes.\n*** START OF THIS PROJECT GUTENBERG EBOOK HENS ***\n\nProduced by A. Hen and\nothers\n\n"
    f"{BOOK}\nEnd of the Project Gutenberg EBook of Hens,\nby A. Hen\n\n"
    "*** END OF THIS PROJECT GUTENBERG EBOOK HENS ***\nLicense"
).encode()
HENS = PublicText("hens", "Hens", "A. Hen", 1900, 1901, len(FILE), hashlib.sha256(FILE).hexdigest(), "hens.txt")


@dataclass
class Behaviour:
    """What the server does, and which ranges it was asked for."""

    content: bytes = FILE
    breaks_after: list[int] = field(default_factory=list)  # bytes of each answer
    ranges: bool = True
    status: int = 200
    location: str = ""
    length: bool = True
    more: int = 0  # blocks after a redirect
    slow: bool = False
    sent: int = 0  # of these blocks
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch):
    behaviour = Behaviour()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            behaviour.asked.append(self.headers["Range"])
            if behaviour.location and self.path == "/hens.txt":
                self.send_response(302)
                self.send_header("Location", behaviour.location)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(behaviour.more):
                        self.wfile.write(b"x" * 2**14)
                        behaviour.sent += 1
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if self.headers["Range"] else 0
            start = start if behaviour.ranges else 0
            self.send_response(206 if start and behaviour.status == 200 else behaviour.status)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(behaviour.content) - 1}/{len(behaviour.content)}"
                )
            if behaviour.length:
                self.send_header("Content-Length", str(len(behaviour.content) - start))
            self.end_headers()
            sent = behaviour.content[start:]
            with contextlib.suppress(OSError):
                if behaviour.slow:
                    for byte in sent[:60]:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.05)
                    return
                self.wfile.write(sent[: behaviour.breaks_after.pop(0)] if behaviour.breaks_after else sent)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(public_texts, "SOURCE", f"http://127.0.0.1:{running.server_port}")
    yield behaviour
    running.shutdown()
    running.server_close()
    thread.join()


def fetch(folder, text=HENS):
    """Download to the end; the file and what was yielded."""
    steps, seen = download(text, folder), []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return end.value, seen


send_header = http.server.BaseHTTPRequestHandler.send_header


def long_lengths(handler, name, value):
    send_header(handler, name, "9" * 5000 if name == "Content-Length" else value)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_text_is_downloaded_whole_and_only_once(server, tmp_path):
    path, seen = fetch(tmp_path / "texts")
    assert path.read_text() == BOOK and seen == sorted(seen) and seen[-1] == len(FILE) and len(seen) > 2
    assert names(path.parent) == ["hens.txt"]
    assert fetch(path.parent) == (path, []) and len(server.asked) == 1


def test_after_a_break_it_goes_on_where_it_broke(server, tmp_path):
    server.breaks_after = [100_000, 50_000]
    for reached in (100_000, 150_000):
        with pytest.raises(DownloadError, match=f"broke after {reached:,} of {len(FILE):,} bytes: try again"):
            fetch(tmp_path)
        assert names(tmp_path) == ["hens.part"]
    path, _ = fetch(tmp_path)
    assert path.read_text() == BOOK and names(tmp_path) == ["hens.txt"]
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_download_that_was_left_goes_on(server, tmp_path):
    steps = download(HENS, tmp_path)
    taken = list(itertools.islice(steps, 2))[-1]
    with pytest.raises(DownloadError, match="is being downloaded already"):
        next(download(HENS, tmp_path))
    steps.close()
    assert names(tmp_path) == ["hens.part"]
    assert fetch(tmp_path)[0].read_text() == BOOK and server.asked[-1] == f"bytes={taken}-"


def test_a_server_without_ranges_sends_it_again(server, tmp_path):
    server.breaks_after, server.ranges = [100_000], False
    with pytest.raises(DownloadError, match="broke after"):
        fetch(tmp_path)
    assert fetch(tmp_path)[0].read_text() == BOOK


def test_another_file_is_refused_and_leaves_nothing(server, tmp_path):
    server.content = FILE.replace(b"gate 77", b"hill 77")
    with pytest.raises(DownloadError, match=f"its SHA-256 is [0-9a-f]+, and should be {HENS.sha256}"):
        fetch(tmp_path)
    assert names(tmp_path) == []
    server.content = FILE
    assert fetch(tmp_path)[0].read_text() == BOOK


@pytest.mark.parametrize("length", [True, False])
def test_a_file_of_another_size_is_refused_and_leaves_no_text(server, tmp_path, length):
    server.content, server.length = FILE + b"more", length
    with pytest.raises(DownloadError, match=f"bytes, and should have {len(FILE):,}"):
        fetch(tmp_path)
    server.content, server.length = FILE, True
    assert fetch(tmp_path)[0].read_text() == BOOK


def test_what_is_left_of_another_file_is_not_mixed_in(server, tmp_path):
    (tmp_path / "hens.part").write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch(tmp_path)
    assert fetch(tmp_path)[0].read_text() == BOOK
    assert fetch(tmp_path / "longer")[0].read_text() == BOOK


def test_only_redirects_within_the_server_are_followed(server, tmp_path):
    server.location = "/moved.txt"
    assert fetch(tmp_path / "a")[0].read_text() == BOOK
    for elsewhere in ("http://localhost:1/hens.txt", "https://127.0.0.1/hens.txt", "file:///etc/passwd"):
        server.location = elsewhere
        with pytest.raises(DownloadError, match="another server: not followed"):
            fetch(tmp_path / "b")
    for no_address in ("http://[::1", "http://\xff/"):
        server.location = no_address
        with pytest.raises(DownloadError, match="not followed"):
            fetch(tmp_path / "b")
    server.location = "/hens.txt"
    with pytest.raises(DownloadError, match="leads in circles"):
        fetch(tmp_path / "b")
    assert not (tmp_path / "b" / "hens.txt").exists()


def test_nothing_is_read_after_a_redirect(server, tmp_path):
    server.location, server.more = "/moved.txt", 4000
    assert fetch(tmp_path)[0].read_text() == BOOK
    assert server.sent < 1000  # what the connection holds


def test_a_server_that_hardly_sends_anything_is_left(server, tmp_path):
    server.slow = True
    with pytest.raises(DownloadError, match=r"broke after \d+ of"):
        for _ in download(HENS, tmp_path, timeout=0.2):
            pass
    assert 0 < (tmp_path / "hens.part").stat().st_size < 60


def test_a_length_of_thousands_of_digits_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "send_header", long_lengths)
    with pytest.raises(DownloadError, match=f"bytes, and should have {len(FILE):,}"):
        fetch(tmp_path)


def test_an_error_of_the_server_is_a_sentence(server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match="cannot be downloaded: the server answers 404"):
        fetch(tmp_path)
    (tmp_path / "hens.part").write_bytes(FILE[:10])
    server.status = 416
    with pytest.raises(DownloadError, match="the server answers 416"):
        fetch(tmp_path)


def test_offline_is_a_sentence_and_listing_needs_no_connection(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(public_texts, "SOURCE", "http://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    assert main(["download", "alice"]) == 2
    sentence = capsys.readouterr().err
    assert "127.0.0.1 cannot be reached" in sentence and sentence.count("\n") == 1 and "Traceback" not in sentence
    assert main(["download", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in PUBLIC_TEXTS) and "first published in 1865" in listed
    assert main(["download", "bible"]) == 2
    assert "There is no text bible to download: choose one of alice" in capsys.readouterr().err


def test_the_command_downloads_and_says_how_to_train(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PUBLIC_TEXTS, "hens", HENS)
    monkeypatch.chdir(tmp_path)
    assert main(["download", "hens"]) == 0
    assert capsys.readouterr().out.endswith("Train on it: uv run llm train --data texts/hens.txt\n")
    assert (tmp_path / "texts" / "hens.txt").read_text() == BOOK


@pytest.mark.parametrize("name", PUBLIC_TEXTS)
def test_every_entry_says_what_it_must(name):
    text = PUBLIC_TEXTS[name]
    assert re.fullmatch("[0-9a-f]{64}", text.sha256) and text.size > 100_000 and text.name == name
    assert re.fullmatch(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/[\w./-]+", text.url)
    assert (
        text.died < 1931 and text.year < 1900
    )  # no country protects longer than 100 years after death, or 95 in print


def test_a_text_without_notes_is_taken_whole():
    assert body(b"The hen.\n", "hens.txt") == "The hen.\n"
    assert body(FILE, replace(HENS).name) == BOOK
