"""Large texts on the command line: tokenised with a progress bar, before a run is created."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

if TYPE_CHECKING:
    from llm.data.split import Split
    from llm.data.token_cache import TokenCache


def make_token_cache(
    paths: Sequence[Path], kind: str, d_vocab: int | None, checkpoints_dir: Path, split: Split
) -> TokenCache:
    """The token cache of these files, beside the runs. Raises as `llm.data.tokenise.token_cache`."""
    from llm.data.token_cache import FOLDER
    from llm.data.tokenise import token_cache

    steps = token_cache.steps(paths, kind, d_vocab, checkpoints_dir / FOLDER, split=split)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("Reading", total=None)
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                cache: TokenCache = end.value
                return cache
            bar.update(task, description=progress.stage, completed=progress.done, total=progress.total)


def remake_token_cache(run: Path) -> None:
    """Make the token cache of a run again if its folder is gone.

    Raises ValueError if a file is gone too, or has changed: then the cache would be another one.
    """
    from llm.data.token_cache import FOLDER
    from llm.runs.corpus import recorded_split
    from llm.runs.folder import RunFolder

    folder = RunFolder(run)
    config = folder.config()
    name, files = config.about(str, "text", "cache", "folder"), config.about(list, "text", "files")
    kind = config.about(str, "tokenizer", "kind")
    if name is None or not files or kind is None or (run.parent / FOLDER / name).exists():
        return
    paths = [Path(str(file)) for file in files]
    lost = f"The token cache of run {folder.id} is gone, and it cannot be made again:"
    if missing := [path for path in paths if not path.is_file()]:
        raise ValueError(f"{lost} there is no file {missing[0]}. Put it back, or start a new run")
    made = make_token_cache(
        paths, kind, config.about(int, "tokenizer", "d_vocab_requested"), run.parent, recorded_split(config)
    )
    if made.path.name != name:
        raise ValueError(f"{lost} {', '.join(map(str, paths))[:300]} changed since. Start a new run")
