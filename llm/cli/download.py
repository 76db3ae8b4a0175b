"""`uv run llm download`: list public-domain texts, and download them."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm.cli.flags import Command, ParsedFlags, flag, reject_combination
from llm.data.public_texts import FOLDER, PUBLIC_TEXTS, public_text

if TYPE_CHECKING:
    from llm.data.public_texts import PublicText


def download(flags: ParsedFlags) -> int:
    """Download the named texts; without a name, list all."""
    folder = Path(flags.get("texts_dir", FOLDER))
    if flags.get("list"):
        reject_combination(flags, "list", "it downloads nothing", allowed=["json", "texts_dir"])
    texts = [public_text(name) for name in flags.get("names", ())]
    for text in texts or PUBLIC_TEXTS.values():
        path = _with_progress(text, folder) if texts else text.stored(folder)
        if flags.get("json"):
            about = dataclasses.asdict(text) | {"url": text.url, "why": text.why}
            print(json.dumps(about | {"file": str(path) if path.is_file() else None}, ensure_ascii=False))
        elif texts:
            print(f"{path}: {text.title} by {text.author}. Train on it: uv run llm train --data {path}")
        else:
            here = " · downloaded" if path.is_file() else ""
            print(f"{text.name:<20} {text.title}, {text.author}, {text.size:,} bytes{here}\n{'':<20} {text.why}\n"
                  f"{'':<20} {text.url}")  # fmt: skip
    return 0


def _with_progress(text: PublicText, folder: Path) -> Path:
    from rich.progress import Progress

    from llm.data.download import download

    steps = download(text, folder)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(text.title, total=text.size)
        while True:
            try:
                bar.update(task, completed=next(steps))
            except StopIteration as end:
                return Path(end.value)


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "names": flag(tuple[str, ...], "Texts to download; the flag's name may be left out.", "list them"),
        "list": flag(bool, "List the texts: name, title, author, size, why they are free, and where from.", False),
        "texts_dir": flag(str, "Folder to store them in.", FOLDER),
        "json": flag(bool, "Print one JSON object per text, for scripts.", False),
    }


COMMAND = Command(
    "Download public-domain texts to train on. What was interrupted goes on; each file is checked.",
    command_flags,
    download,
    subject="names",
)
