"""notes.json of a run folder: the name that a person gave the run, a note and tags."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from llm.runs.errors import read_json_object
from llm.runtime.files import write_json
from llm.runtime.regular_files import is_regular

MAX_NAME, MAX_NOTE, MAX_TAG = 80, 4000, 30  # characters
MAX_TAGS = 20
IMPORTED_TAG = "imported"  # of a run beside the one whose copy it can be
JOINERS = "\u200c\u200d"  # invisible, but parts of words and of emoji


@dataclass(frozen=True)
class RunNotes:
    """What a person wrote about a run. Name and tags are one line each; characters that nobody sees are left out."""

    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Clean the texts. Raises ValueError for one that is too long."""
        tags = tuple(dict.fromkeys(filter(None, map(one_line, self.tags))))
        for field, value in (("name", one_line(self.name)), ("note", _visible_lines(self.note)), ("tags", tags)):
            object.__setattr__(self, field, value)
        for field, length, most in (
            ("name", len(self.name), MAX_NAME),
            ("note", len(self.note), MAX_NOTE),
            ("each tag", max(map(len, self.tags), default=0), MAX_TAG),
        ):
            if length > most:
                raise ValueError(f"{field} must have at most {most:,} characters, got {length:,}")
        if len(self.tags) > MAX_TAGS:
            raise ValueError(f"tags must be at most {MAX_TAGS}, got {len(self.tags)}")


def write_notes(path: Path, notes: RunNotes) -> None:
    """Replace a notes.json."""
    write_json(path, dataclasses.asdict(notes))


def read_notes(path: Path) -> RunNotes:
    """The content of a notes.json; of one that is damaged what can be read, of a text that is too long its beginning.

    It never hides its run, so it raises nothing.
    """
    try:
        raw = read_json_object(path) if is_regular(path) else {}
    except (OSError, ValueError):
        raw = {}
    name, note, tags = raw.get("name"), raw.get("note"), raw.get("tags")
    listed = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return RunNotes(
        name=one_line(name)[:MAX_NAME] if isinstance(name, str) else "",
        note=_visible_lines(note)[:MAX_NOTE] if isinstance(note, str) else "",
        tags=tuple(one_line(tag)[:MAX_TAG] for tag in listed[:MAX_TAGS]),
    )


def one_line(text: str) -> str:
    """The text on one line, without characters that nobody sees or that reorder their neighbours."""
    return " ".join(_visible(text).split())


def _visible_lines(text: str) -> str:
    return "\n".join(_visible(line).rstrip() for line in text.splitlines()).strip("\n")


def _visible(line: str) -> str:
    return "".join(sign if sign.isprintable() or sign in JOINERS else " " for sign in line)
