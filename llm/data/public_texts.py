"""Public-domain texts that can be downloaded, each by a name, with the size and the hash that its file must have.

The addresses name a commit, so that what they lead to does not change. Books are as Project Gutenberg published them;
its notes before and after the book are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from llm.data.text import decode_text

FOLDER = "texts"  # beside the folder of runs
SOURCE = "https://raw.githubusercontent.com"
_BEGINS = re.compile(r"\*\*\* ?START OF TH(?:IS|E) PROJECT GUTENBERG EBOOK[^*\n]*\*\*\*\n")
_ENDS = re.compile(r"\*\*\* ?END OF TH(?:IS|E) PROJECT GUTENBERG EBOOK")
_CREDITS = re.compile(
    r"\A\s*Produced by .*\n(?:.+\n)*|^End of (?:the )?Project Gutenberg.*\n(?:.+\n)*\s*\Z", re.MULTILINE
)


@dataclass(frozen=True)
class PublicText:
    """A text in the public domain."""

    name: str
    title: str
    author: str
    year: int  # of its first publication
    died: int  # when the author did
    size: int  # of the file, in bytes
    sha256: str  # of the file
    path: str  # at `SOURCE`

    @property
    def url(self) -> str:
        """Where it is downloaded from."""
        return f"{SOURCE}/{self.path}"

    @property
    def why(self) -> str:
        """Why it is in the public domain."""
        return f"first published in {self.year}, its author died in {self.died}"

    def stored(self, folder: Path) -> Path:
        """Where its text is, once it has been downloaded."""
        return folder / f"{self.name}.txt"


PUBLIC_TEXTS = {
    text.name: text
    for text in (
        PublicText(
            "alice", "Alice's Adventures in Wonderland", "Lewis Carroll", 1865, 1898, 173_595,
            "49a0b2726606e1290ac03a63978fa1dd1bd38a8d805704d98265f393533ea094",
            "GITenberg/Alice-s-Adventures-in-Wonderland_11/7f18748e114b994d5d9454d5793581bc0b9cf9d7/11-0.txt",
        ),
        PublicText(
            "frankenstein", "Frankenstein", "Mary Shelley", 1818, 1851, 450_783,
            "c29a4f56dd91aa894a3f17d5f96b356ccb499e3e2c5a27964de911845e39efab",
            "GITenberg/Frankenstein_84/c98a483bd1f34e7366126b81bcedd1a6faee636e/84-0.txt",
        ),
        PublicText(
            "moby-dick", "Moby Dick", "Herman Melville", 1851, 1891, 1_276_201,
            "baf9b04fcf6e0008f30eaaa6697277751448c1070b20175e0082f28cbb161fd3",
            "GITenberg/Moby-Dick--Or-The-Whale_2701/bdf1948e6cd00963730971e5624e764a35f238c3/2701-0.txt",
        ),
        PublicText(
            "pride-and-prejudice", "Pride and Prejudice", "Jane Austen", 1813, 1817, 724_725,
            "48e0522844402a86a3ea98f0947ba85ea54838db3c59022299298ed968a5a163",
            "GITenberg/Pride-and-Prejudice_1342/81db45c9c48c592f0b77f01fc59e677ad0a5634e/1342-0.txt",
        ),
        PublicText(
            "shakespeare", "Plays, a selection", "William Shakespeare", 1623, 1616, 1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            "karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
        ),
        PublicText(
            "sherlock-holmes", "The Adventures of Sherlock Holmes", "Arthur Conan Doyle", 1892, 1930, 594_941,
            "2a0ce5568625a304f54fbb6bfdeeadf527a1437254b5f0e06b5a9e233d4784a2",
            "GITenberg/The-Adventures-of-Sherlock-Holmes_1661/7e5dd2703fbf503c004063e96ab7c61262375e5f/1661.txt",
        ),
    )
}  # fmt: skip


def public_text(name: str) -> PublicText:
    """The text of this name. Raises ValueError if there is none."""
    if name not in PUBLIC_TEXTS:
        raise ValueError(f"There is no text {name:.60} to download: choose one of {', '.join(PUBLIC_TEXTS)}")
    return PUBLIC_TEXTS[name]


def body(content: bytes, name: str) -> str:
    """The text in a downloaded file, without Project Gutenberg's notes before and after it."""
    text = decode_text(content, name)
    begins, ends = _BEGINS.search(text), _ENDS.search(text)
    book = text[begins.end() if begins else 0 : ends.start() if ends else None]
    return _CREDITS.sub("", book).strip() + "\n"
