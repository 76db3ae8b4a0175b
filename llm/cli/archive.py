"""`uv run llm export` and `uv run llm import`: a run as one zip file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm.cli.flags import Command, ParsedFlags, flag, require_flag
from llm.cli.shared_flags import DEFAULT_CHECKPOINTS_DIR, checkpoints_dir_flag, required_run
from llm.cli.terminal import command_line, visible
from llm.runtime.regular_files import require_replaceable


def export_run(flags: ParsedFlags) -> int:
    """Write a run to a zip file, which appears only once it is complete."""
    path = required_run(flags, "the run to export")
    from llm.interop.archive import write_archive
    from llm.runs.folder import RunFolder
    from llm.runtime.files import write_file

    folder = RunFolder(path)
    output = Path(flags.get("output") or f"{folder.id}.zip")
    require_replaceable(output, "--output")
    snapshots, text = flags.get("snapshots", False), flags.get("text", False)
    write_file(output, lambda file: write_archive(folder, file, snapshots=snapshots, text=text))
    size = f"{output.stat().st_size / 1e6:,.1f} MB"
    print(visible(f"Written: {output}, {size}. Elsewhere this opens it:\n  {command_line('import', file=str(output))}"))
    return 0


def import_run(flags: ParsedFlags) -> int:
    """Unpack a run."""
    file = require_flag(flags, "file", "the zip file that `llm export` made")
    from llm.interop.archive import read_archive

    folder = read_archive(Path(file), flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR))
    infer = command_line("infer", checkpoint=str(folder.path))
    print(visible(f"Run {folder.id} is in {folder.path}. Write with it:\n  {infer}"))
    return 0


def export_flags() -> dict[str, Any]:
    """The flags of export."""
    return {
        "run": flag(str, "Run to export, a folder or a run id; the flag's name may be left out."),
        "output": flag(str, "File to write.", "the run's id and .zip, here"),
        "snapshots": flag(bool, "With the models of earlier steps, and the newest step's training state.", False),
        "text": flag(bool, "With the training text, which pages that compare with it need.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


def import_flags() -> dict[str, Any]:
    """The flags of import."""
    return {
        "file": flag(str, "Zip file made by `llm export`; the flag's name may be left out."),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


EXPORT = Command("Write a run to one zip file that works elsewhere.", export_flags, export_run, subject="run")
IMPORT = Command("Unpack a run that `llm export` wrote.", import_flags, import_run, subject="file")
