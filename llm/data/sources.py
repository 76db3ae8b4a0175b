"""Sources: the files of a large text, read once to learn their hash, their characters and where its parts are.

What was found is kept, for the size and modification time that a file has: it is read again only if they change, or if
its first or its last piece has another hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from llm.data.files.text_file import collection_name
from llm.data.pieces import PIECE_BYTES, Piece, piece_ends, read_bytes, read_text
from llm.data.split import DEFAULT_SPLIT, PARTS, PartName, Split, cut_after_line_break, parts_of
from llm.data.text import require_characters, require_file
from llm.data.workers import answers
from llm.runtime.files import write_json
from llm.runtime.regular_files import read_regular

SAMPLE_CHARACTERS = 10_000_000  # that a tokenizer learns from: the beginnings of `SAMPLE_PIECES` of the training part
SAMPLE_PIECES = 10  # evenly spaced


class Progress(NamedTuple):
    """How far the work has come."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class ScannedPiece:
    """A piece of a file, its hash and its number of characters."""

    start: int
    end: int
    sha256: str
    characters: int


@dataclass(frozen=True)
class SourceFile:
    """One file of a text: one document."""

    path: str  # absolute
    size: int
    modified_ns: int
    pieces: tuple[ScannedPiece, ...]
    alphabet: str


class PartPiece(NamedTuple):
    """A piece to be tokenised for one part of the text."""

    part: PartName
    piece: Piece
    sha256: str  # of the bytes that it is taken from
    ends_document: bool


@dataclass(frozen=True)
class Source:
    """The files of a text, in order, and how it is split."""

    files: tuple[SourceFile, ...]
    split: Split = DEFAULT_SPLIT

    @property
    def sha256(self) -> str:
        """A hash of the content of all files, and of where one ends and the next begins."""
        return hashlib.sha256(
            json.dumps([[piece.sha256 for piece in file.pieces] for file in self.files]).encode()
        ).hexdigest()

    @property
    def characters(self) -> int:
        """How many characters all files have."""
        return sum(piece.characters for file in self.files for piece in file.pieces)

    @property
    def alphabet(self) -> str:
        """The characters that occur, each once."""
        return "".join(sorted(set().union(*(file.alphabet for file in self.files))))

    @property
    def name(self) -> str:
        """The name of the first file, and how many follow."""
        return collection_name([Path(file.path).name for file in self.files])

    def parts(self) -> list[PartPiece]:
        """The pieces of each part: those of the files, and the two that the parts' ends cut in two."""
        if self.split.split_by != "characters":
            return self._by_file()
        ends = [*map(self._end, self.split.ends), self.characters]
        pieces = []
        for begin, file, scanned in self._positions():
            for part, first, last in zip(PARTS, [0, *ends[:-1]], ends, strict=True):
                low, high = max(first - begin, 0), min(last - begin, scanned.characters)
                if low < high:
                    piece = Piece(file.path, scanned.start, scanned.end, low, high)
                    ends_document = high == scanned.characters and scanned.end == file.size
                    pieces.append(PartPiece(part, piece, scanned.sha256, ends_document))
        return pieces

    def _by_file(self) -> list[PartPiece]:
        """The same with whole files: those for training first."""
        sizes = [sum(piece.characters for piece in file.pieces) for file in self.files]
        hashes = [json.dumps([piece.sha256 for piece in file.pieces]) for file in self.files]
        chosen = list(zip(self.files, parts_of(sizes, hashes, self.split), strict=True))
        return [
            PartPiece(name, Piece(file.path, scanned.start, scanned.end, 0, scanned.characters), scanned.sha256,
                      scanned.end == file.size)
            for name in PARTS for file, part in chosen if part == name for scanned in file.pieces
        ]  # fmt: skip

    def sample(self) -> str:
        """What a tokenizer learns from: excerpts of the training part."""
        train = [piece for part, piece, _, _ in self.parts() if part == PARTS[0]]
        count = min(SAMPLE_PIECES, len(train))
        chosen = [train[number * len(train) // count] for number in range(count)]
        return "".join(read_text(piece)[: SAMPLE_CHARACTERS // count] for piece in chosen)

    def _positions(self) -> Iterator[tuple[int, SourceFile, ScannedPiece]]:
        """Every piece, with the number of characters before it."""
        begin = 0
        for file in self.files:
            for scanned in file.pieces:
                yield begin, file, scanned
                begin += scanned.characters

    def _end(self, fraction: float) -> int:
        """Where the part ends that ends at this fraction of the characters: as in `split_text`."""
        if fraction == 1:
            return self.characters
        cut = int(self.characters * fraction)
        lowest = cut - self.characters // 100
        for begin, file, scanned in reversed(list(self._positions())):
            if begin < cut and begin + scanned.characters > lowest:
                text = read_text(Piece(file.path, scanned.start, scanned.end))
                found = cut_after_line_break(text, max(lowest - begin, 0), min(cut - begin, len(text)))
                if found is not None:
                    return begin + found
        return cut


def scan_source(
    paths: Sequence[Path], kept: Path, piece_bytes: int = PIECE_BYTES, split: Split = DEFAULT_SPLIT
) -> Generator[Progress, None, Source]:
    """Read all files that were not read before; what is found is kept in the folder `kept`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a folder, an empty file, or one that is not UTF-8.
    """
    sizes = [_size(path) for path in paths]
    files, done = [], 0
    for path, size in zip(paths, sizes, strict=True):
        path = path.resolve()
        record = kept / f"{hashlib.sha256(os.fsencode(path) + b'%d' % piece_bytes).hexdigest()[:16]}.json"
        file = _kept(record, path)
        if file is None:
            steps = _scan(path, piece_bytes)
            while True:
                try:
                    yield Progress("Reading", done + next(steps), sum(sizes))
                except StopIteration as end:
                    file = end.value
                    break
            kept.mkdir(parents=True, exist_ok=True)
            write_json(record, asdict(file))
        files.append(file)
        done += size
    source = Source(tuple(files), split)
    require_characters(source.alphabet, source.name)
    return source


def _scan(path: Path, piece_bytes: int) -> Generator[int, None, SourceFile]:
    """Yields the number of bytes that have been read."""
    before = path.stat()
    ends = piece_ends(path, piece_bytes)
    ranges = list(zip([0, *ends[:-1]], ends, strict=True))
    pieces, alphabet = [], set()
    tasks = [{"piece": Piece(str(path), *where)} for where in ranges]
    for (start, end), answer in zip(ranges, answers(tasks), strict=True):
        pieces.append(ScannedPiece(start, end, answer.about["sha256"], answer.about["characters"]))
        alphabet |= set(answer.about["alphabet"])
        yield end
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ValueError(f"{path} was changed while it was read: start again")
    return SourceFile(str(path), after.st_size, after.st_mtime_ns, tuple(pieces), "".join(sorted(alphabet)))


def _kept(record: Path, path: Path) -> SourceFile | None:
    """What was found in this file earlier, if it has not changed since."""
    try:
        found: dict[str, Any] = json.loads(read_regular(record))
        file = SourceFile(**{**found, "pieces": tuple(ScannedPiece(**piece) for piece in found["pieces"])})
        now = path.stat()
        if (file.path, file.size, file.modified_ns) != (str(path), now.st_size, now.st_mtime_ns):
            return None
        ends = (file.pieces[0], file.pieces[-1])
        same = all(_sha256(Piece(file.path, piece.start, piece.end)) == piece.sha256 for piece in ends)
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    return file if same else None


def _sha256(piece: Piece) -> str:
    return hashlib.sha256(read_bytes(piece)).hexdigest()


def _size(path: Path) -> int:
    require_file(path)
    size = path.stat().st_size
    if not size:
        require_characters("", str(path))
    return size
