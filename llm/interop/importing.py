"""Whatever can be imported as a run: a run's own zip file, and a model from Hugging Face as a folder or a zip file."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from llm.interop.archive import ArchiveError, read_archive
from llm.interop.huggingface_import import import_huggingface
from llm.interop.tensor_files import INDEX, SHARD
from llm.runs.folder import RunFolder
from llm.runs.ids import RUN_ID
from llm.runtime.zip_files import UNREADABLE, growth, has_long_list, is_unusual

READ = {"config.json", "tokenizer.json", "tokenizer.model", INDEX}  # and the weights; all else in a zip file is left


def import_run(source: Path | BinaryIO, checkpoints_dir: Path | str, name: str = "") -> RunFolder:
    """A new run from a folder or a zip file. `name` is what an imported model is called.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: it cannot be imported, with the reason. Nothing is left of it then.
    """
    if isinstance(source, Path):
        if source.is_dir():
            return import_huggingface(source, checkpoints_dir, name)
        if source.exists() and not source.is_file():
            raise ValueError(f"{source} is not a file: give a zip file, or the folder or name of a model")
        with source.open("rb") as file:
            return import_run(file, checkpoints_dir, name)
    if has_long_list(source):
        raise ArchiveError("it lists more entries than a run or a model has files")
    try:
        with zipfile.ZipFile(source) as archive:
            if any(RUN_ID.fullmatch(entry.filename.partition("/")[0]) for entry in archive.infolist()[:1]):
                source.seek(0)
                return read_archive(source, checkpoints_dir)
            return _from_zip(archive, checkpoints_dir, name)
    except UNREADABLE as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"this is not a readable zip file ({error})") from None


def _from_zip(archive: zipfile.ZipFile, checkpoints_dir: Path | str, name: str) -> RunFolder:
    """A model's files out of a zip file, where they lie in one folder or in none."""
    entries = {}
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename)
        if path.name not in READ and not SHARD.fullmatch(path.name):
            continue
        if path.name in entries:
            raise ArchiveError(f"it holds {path.name} twice: a zip file with one model is expected")
        if is_unusual(entry):
            raise ArchiveError("it is encrypted or packed in an unusual way: pack it again, without a password")
        entries[path.name] = entry
    if "config.json" not in entries:
        raise ArchiveError("it holds neither a run nor a model from Hugging Face: there is no config.json in it")
    packed, unpacked, too_much = growth(archive, entries.values())
    if too_much:
        raise ArchiveError(f"its {packed:,} bytes would become {unpacked:,}, which no model does")
    Path(checkpoints_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="import-") as folder:
        if unpacked > (free := shutil.disk_usage(folder).free):
            raise ArchiveError(f"it needs {unpacked:,} bytes, and {folder} has room for {free:,}")
        for file, entry in entries.items():
            with archive.open(entry) as content, (Path(folder) / file).open("xb") as target:
                shutil.copyfileobj(content, target)
        try:
            return import_huggingface(Path(folder), checkpoints_dir, name or "imported model")
        except (ValueError, FileNotFoundError) as error:
            raise ArchiveError(str(error).replace(f"{folder}/", "").replace(folder, "the zip file")) from None
