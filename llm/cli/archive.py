"""`uv run llm export` and `uv run llm import`: a run as one zip file and back, and models from and for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llm.cli.flags import Command, ParsedFlags, UsageError, flag, reject_combination, require_flag
from llm.cli.shared_flags import DEFAULT_CHECKPOINTS_DIR, checkpoints_dir_flag, choice, required_run
from llm.cli.terminal import command_line, visible
from llm.interop.formats import FORMATS
from llm.runtime.regular_files import require_replaceable

ARCHIVE = "zip"
DEFAULT_MODELS_DIR = "models"


def export_run(flags: ParsedFlags) -> int:
    """Write a run to a zip file, or its weights in another format; either appears only once it is complete."""
    path = required_run(flags, "the run to export")
    if flags.get("format", ARCHIVE) != ARCHIVE:
        return _export_weights(path, flags)
    if "step" in flags:
        raise UsageError("--step cannot be combined with --format zip: a zip file holds the whole run")
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


def _export_weights(path: Path, flags: ParsedFlags) -> int:
    allowed = ["run", "format", "output", "step", "checkpoints_dir"]
    reject_combination(flags, "format", "it takes the weights of one step", allowed)
    from llm.checkpoints import load_run
    from llm.runtime import compute

    target = FORMATS[flags["format"]]
    run = compute.run(load_run, path, flags.get("step"))
    output = Path(flags.get("output") or f"{run.folder.id}{target.ending}")
    print(visible(f"Written: {output}, {target.write(run, output)}"))
    return 0


def import_run(flags: ParsedFlags) -> int:
    """Unpack a run, or make one from a model of Hugging Face."""
    given = require_flag(flags, "file", "the zip file that `llm export` made, or the folder or name of a model")
    from llm.interop.hub import download_model, is_hub_name
    from llm.interop.importing import import_run as imported

    source = Path(given)
    name = source.resolve().name if source.is_dir() else source.stem
    if not source.exists() and source.suffix != ".zip" and is_hub_name(given):
        source, name = download_model(given, Path(flags.get("models_dir", DEFAULT_MODELS_DIR))), given
    folder = imported(source, flags.get("checkpoints_dir", DEFAULT_CHECKPOINTS_DIR), name)
    infer = command_line("infer", checkpoint=str(folder.path))
    print(visible(f"Run {folder.id} is in {folder.path}. Write with it:\n  {infer}"))
    return 0


def export_flags() -> dict[str, Any]:
    """The flags of export."""
    formats = {
        ARCHIVE: "the whole run in one file, for LLM from Scratch elsewhere, with a script that needs only torch."
    }
    formats |= {name: f"{entry.help}." for name, entry in FORMATS.items()}
    return {
        "run": flag(str, "Run to export, a folder or a run id; the flag's name may be left out."),
        "format": choice("What to write.", formats, ARCHIVE),
        "output": flag(str, "File or folder to write.", "the run's id and the format's ending, here"),
        "step": flag(int, "Step of the weights, with a format other than zip.", "the final weights, else the best"),
        "snapshots": flag(bool, "With the models of earlier steps, and the newest step's training state.", False),
        "text": flag(bool, "With the training text, which pages that compare with it need.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


def import_flags() -> dict[str, Any]:
    """The flags of import."""
    about = (
        "Zip file made by `llm export`; or a model from Hugging Face: its folder, a zip file of it, or its name on the "
        "hub, such as EleutherAI/pythia-70m. The flag's name may be left out."
    )
    return {
        "file": flag(str, about),
        "models_dir": flag(str, "Folder for downloaded models.", DEFAULT_MODELS_DIR),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


EXPORT = Command(
    "Write a run for use elsewhere: as one zip file, or for other tools.", export_flags, export_run, subject="run"
)
IMPORT = Command(
    "Open a run that `llm export` wrote, or a model from Hugging Face.", import_flags, import_run, subject="file"
)
