"""A run as one zip file that works elsewhere, and back.

    20260131120000/
      config.json, tokenizer.json, metrics.jsonl, final_model.safetensors …   the run folder's files, as they are
      step_000100/ …   its snapshots, and text.txt, if they were asked for: training goes on from these
      model.py         the model alone, which needs no more than torch and safetensors
      README.md        how to use it there

Whoever opens an archive need not trust it: every entry must be one of these names, nothing is written outside the new
run folder, no more is unpacked than was declared, and the run appears only once it could be opened.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from llm.checkpoints import load_run
from llm.interop.standalone import standalone_script
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import FILES, RunFolder
from llm.runs.ids import FIRST_ID, RUN_ID, claim_folder, moment_of
from llm.runs.notes import IMPORTED_TAG, MAX_TAGS
from llm.runs.snapshots import SNAPSHOT, SNAPSHOT_FILES
from llm.runs.status import LOCK
from llm.runtime import compute
from llm.runtime.files import remove_if_possible, write_folder
from llm.runtime.regular_files import is_regular, open_regular
from llm.runtime.zip_files import UNREADABLE, growth, has_long_list, is_unusual
from llm.tokenizers import IMPORTED
from llm.tokenizers import REGISTRY as TOKENIZERS

SCRIPT, README, TEXT = "model.py", "README.md", "text.txt"
CARRIED = FILES - {LOCK, TEXT}
STORED = {".safetensors", ".pt"}  # compressing weights takes long and hardly makes them smaller

ABOUT = """\
# Run {id}

A language model, trained with LLM from Scratch.

Write with it; this needs Python with torch and safetensors:

    python model.py . "Once upon a time" --tokens 100

Look inside it: put the zip file beside LLM from Scratch and call

    uv run llm import {id}.zip

{training}
"""
COMPLETE = "Its snapshots and its text are in it, so that training can go on there."
PARTIAL = "Training cannot go on from it: that needs its newest snapshot and its text, which were left out."


class ArchiveError(ValueError):
    """A file is not the archive of a run, or one that cannot be opened safely."""


def write_archive(folder: RunFolder, target: Path | BinaryIO, *, snapshots: bool = False, text: bool = False) -> None:
    """Write a run to a zip file: all that is needed to use it, and what is needed to train on only if asked for.

    Raises:
        DamagedCheckpointError: a file of the run is damaged.
        FileNotFoundError: the run has no best or final weights yet.
        ValueError: its text is asked for, and is not in the folder but in a token cache beside the runs.
    """
    config = folder.config()
    kind = config.about(str, "tokenizer", "kind")
    if kind is None or kind not in {*TOKENIZERS, *IMPORTED}:
        raise DamagedCheckpointError(folder.path / "config.json", "it does not name the tokenizer")
    if not (folder.has("final") or folder.has("best")):
        raise FileNotFoundError(f"Run {folder.id} has no weights to export yet: it has not been evaluated once")
    if text and not is_regular(folder.path / TEXT):
        raise ValueError(f"The text of run {folder.id} is not in its folder: export it without the text")
    names = sorted(name for name in CARRIED | ({TEXT} if text else set()) if is_regular(folder.path / name))
    if snapshots:
        steps = [folder.weights_file(step).parent for step in folder.snapshots()]
        names += [f"{step.name}/{name}" for step in steps for name in SNAPSHOT_FILES if is_regular(step / name)]
    about = ABOUT.format(id=folder.id, training=COMPLETE if snapshots and text else PARTIAL)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{folder.id}/{README}", about)
        archive.writestr(f"{folder.id}/{SCRIPT}", standalone_script(config.model, "torch", kind))
        for name in names:
            _add(archive, folder, name)


def _add(archive: zipfile.ZipFile, folder: RunFolder, name: str) -> None:
    entry = zipfile.ZipInfo(f"{folder.id}/{name}", datetime.now().timetuple()[:6])
    entry.compress_type = zipfile.ZIP_STORED if Path(name).suffix in STORED else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with open_regular(folder.path / name) as file:
        entry.file_size = os.fstat(file.fileno()).st_size  # decides whether the entry needs 64-bit sizes
        with archive.open(entry, "w") as packed:
            shutil.copyfileobj(file, packed)


def read_archive(source: Path | BinaryIO, checkpoints_dir: Path | str) -> RunFolder:
    """Unpack a run into a new folder of `checkpoints_dir`, named as the run was, or after the next free second.

    In the second case the run is tagged `IMPORTED_TAG`, and keeps in config.json the id that says when it began.

    Raises:
        ArchiveError: it is not the archive of a run, or its run cannot be opened. Nothing is left of it then.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return read_archive(file, checkpoints_dir)
    Path(checkpoints_dir).mkdir(parents=True, exist_ok=True)
    try:
        if has_long_list(source):
            raise ArchiveError("it lists more entries than a run has files")
        with zipfile.ZipFile(source) as archive:
            run_id, entries = _checked(archive, checkpoints_dir)
            path = claim_folder(Path(checkpoints_dir), moment_of(run_id) or datetime.now())
            try:
                write_folder(path, lambda folder: _unpack(archive, entries, folder, run_id, path.name))
            except BaseException:
                remove_if_possible(path)
                raise
            return RunFolder(path)
    except ArchiveError:
        raise
    except UNREADABLE as error:
        raise ArchiveError(f"this is not a readable zip file ({error})") from None


def _checked(archive: zipfile.ZipFile, checkpoints_dir: Path | str) -> tuple[str, dict[str, zipfile.ZipInfo]]:
    """The id of the archive's run, and the entries of its files by their names in the run folder."""
    run_id, entries = "", dict[str, zipfile.ZipInfo]()
    for entry in archive.infolist():
        run, _, name = entry.filename.partition("/")
        is_known = _is_of_a_run(name) if name else entry.is_dir()
        if run != (run_id or run) or not RUN_ID.fullmatch(run) or not is_known or name in entries:
            raise ArchiveError(f"it holds {entry.filename!r:.80}, which does not belong to one run")
        if is_unusual(entry):
            raise ArchiveError("it is encrypted or packed in an unusual way: pack it again, without a password")
        run_id = run
        if not entry.is_dir():
            entries[name] = entry
    if "config.json" not in entries:
        raise ArchiveError("it holds no run: a run's config.json is not in it")
    packed, unpacked, too_much = growth(archive, entries.values())
    if too_much:
        raise ArchiveError(f"its {packed:,} bytes would become {unpacked:,}, which no run does")
    if unpacked > (free := shutil.disk_usage(checkpoints_dir).free):
        raise ArchiveError(f"it needs {unpacked:,} bytes, and {checkpoints_dir} has room for {free:,}")
    return run_id, {name: entry for name, entry in entries.items() if name not in (SCRIPT, README)}


def _is_of_a_run(name: str) -> bool:
    """Whether an entry of this name, within the run's folder, can be one of `write_archive`, or a snapshot's folder."""
    folder, _, file = name.rpartition("/")
    if SNAPSHOT.fullmatch(folder):
        return file in ("", *SNAPSHOT_FILES)
    return name in (TEXT, SCRIPT, README) or name in CARRIED


def _unpack(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], folder: Path, run_id: str, new_id: str
) -> None:
    for name, entry in entries.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with archive.open(entry) as packed, path.open("xb") as file:  # reads no more than the declared size
            shutil.copyfileobj(packed, file)
    try:
        compute.run(load_run, folder)  # config, tokenizer and weights are sound, and fit together
    except (ValueError, FileNotFoundError) as error:
        reason = str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), "the archive")
        raise ArchiveError(f"its run cannot be opened: {reason}") from None
    if new_id != run_id:
        _mark_as_copy(RunFolder(folder), run_id)


def _mark_as_copy(folder: RunFolder, run_id: str) -> None:
    """Tag a run whose id was taken, and keep the id that says when it began."""
    raw = folder.config().raw
    folder.write_config({FIRST_ID: run_id} | raw)  # of an earlier copy it is there
    notes = folder.notes()
    if len(notes.tags) < MAX_TAGS:
        folder.write_notes(replace(notes, tags=(*notes.tags, IMPORTED_TAG)))
