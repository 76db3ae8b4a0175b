"""Download a public-domain text: checked, resumed after a break, and never half there.

What arrives is appended to `NAME.part`. After a break the server is asked for the rest (an HTTP range). Only a file
with the size and the SHA-256 of the registry becomes `NAME.txt`.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from llm.data.bounded_connection import BoundedAdapter, Deadline
from llm.data.public_texts import PublicText, body
from llm.runtime.files import write_bytes
from llm.runtime.lock import LockHeldError, ProcessLock
from llm.runtime.regular_files import is_regular, open_regular, read_regular, remove

BLOCK = 2**14  # bytes
TIMEOUT = 20.0  # seconds in which the server must have sent all headers, and then must send more
SLOWEST = 1_000  # bytes per second: after `TIMEOUT`, a slower server is left
MAX_REDIRECTS = 5


class _OneAnswer(requests.Session):
    """Reads nothing of an answer that leads elsewhere: requests would, up to any size, even if it need not follow."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(deadline))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class DownloadError(ValueError):
    """A text could not be downloaded; what has arrived is kept unless it was wrong."""


def download(text: PublicText, folder: Path, timeout: float = TIMEOUT) -> Generator[int, None, Path]:
    """Download a text into a folder, unless it is there; returns its file. Yields how many bytes have arrived.

    Raises:
        DownloadError: the server cannot be reached, breaks off, leads elsewhere, or has another file than it should.
        OSError: the disk is full, for example.
    """
    target = text.stored(folder)
    if is_regular(target):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    try:
        lock = ProcessLock(target.with_suffix(".lock"))
    except LockHeldError:
        raise DownloadError(f"{text.title} is being downloaded already: wait until that has ended") from None
    try:
        if not is_regular(part) or part.stat().st_size > text.size:
            remove(part)
        with open_regular(part, "a+b") as file:
            yield from _receive(text, file, timeout)
            os.fsync(file.fileno())
        content = read_regular(part)
        found = hashlib.sha256(content).hexdigest()
        if found != text.sha256:
            remove(part)
            raise DownloadError(
                f"What {text.url} sent is not {text.title}: its SHA-256 is {found}, and should be {text.sha256}. "
                "It was deleted; try again later"
            )
        write_bytes(target, body(content, text.url).encode())
        remove(part)
        return target
    finally:
        lock.release()


def _receive(text: PublicText, file: BinaryIO, timeout: float) -> Generator[int, None, None]:
    """Append to the file what it lacks."""
    begun = done = os.fstat(file.fileno()).st_size
    host = urlsplit(text.url).hostname
    deadline = Deadline(timeout)
    try:
        while done < text.size:
            with _answer(text.url, done, deadline) as response:
                deadline.start()
                start, began = done, time.monotonic()
                status = response.status_code
                if done and (status == 416 or (status == 206 and not _continues(response, done))):
                    begun = done = _empty(file)  # the server's file is another one: all of it is asked for
                    continue
                if status == 200:  # all of it, also from a server without ranges
                    begun = done = _empty(file)
                elif status != 206 or not done:
                    raise DownloadError(f"{text.url} cannot be downloaded: the server answers {status}")
                length = response.headers.get("Content-Length", "")
                if length.isdigit() and (size := done + int(length[:20])) != text.size:
                    raise _wrong_size(text, size)
                # as it arrives, and as it is: what is sent packed would be unpacked to any size
                while block := response.raw.read1(BLOCK, decode_content=False):
                    done += len(block)
                    if done > text.size:
                        _empty(file)
                        raise _wrong_size(text, done)
                    file.write(block)
                    yield done
                    deadline.start()
                    if (seconds := time.monotonic() - began) > timeout and done - start < SLOWEST * seconds:
                        raise requests.ConnectionError("the server is too slow")
                if done < text.size:
                    raise requests.ConnectionError("the server ended early")
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        file.flush()
        if done == begun:
            reason = f"{host} cannot be reached ({type(error).__name__}): connect to the internet and try again"
            raise DownloadError(f"{reason}. Texts that are here already need no connection") from None
        raise DownloadError(
            f"The connection to {host} broke after {done:,} of {text.size:,} bytes: try again, it goes on from there"
        ) from None


def _answer(url: str, start: int, deadline: Deadline) -> requests.Response:
    """The server's answer; where it leads elsewhere, that of the same server only."""
    first = urlsplit(url)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    for _ in range(MAX_REDIRECTS + 1):
        response = _OneAnswer(deadline).get(url, headers=headers, stream=True, timeout=deadline.seconds)
        if not response.is_redirect:
            return response
        response.close()
        try:
            url = urljoin(url, response.headers["location"])
            there = urlsplit(url)
        except ValueError:
            raise DownloadError(f"{first.hostname} leads to an address that is none: not followed") from None
        if there[:2] != first[:2]:
            raise DownloadError(f"{first.hostname} leads to {there.hostname}, which is another server: not followed")
    raise DownloadError(f"{first.hostname} leads in circles: not followed further")


def _continues(response: requests.Response, start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _empty(file: BinaryIO) -> int:
    file.truncate(0)
    return 0


def _wrong_size(text: PublicText, size: int) -> DownloadError:
    return DownloadError(
        f"What {text.url} sends is not {text.title}: it has {size:,} bytes, and should have {text.size:,}"
    )
