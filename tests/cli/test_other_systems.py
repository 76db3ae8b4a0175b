"""The command line where the system lacks what Linux has: each thing is taken away in a process of its own."""

import json
import os
import subprocess
import sys

from llm.checkpoints import list_runs

FOXES = "".join(f"the old fox saw {count} small birds.\n" for count in range(60))
TINY = ["--d-model", "8", "--n-layers", "1", "--n-heads", "1", "--n-ctx", "16", "--steps", "2", "--batch-size", "2"]
TRAIN = ["train", "--data", "foxes.txt", "--tokenizer", "char", *TINY, "--device", "cpu"]

# As on Windows: modules and functions that are missing, folders that cannot be opened, files that are synced only while
# open for writing, and a signal 0 that would end the process.
WINDOWS = """
import os, signal, sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("sysconf", "sysconf_names", "fork", "killpg", "getuid", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK"):
    vars(os).pop(name, None)
for name in ("SIGPIPE", "SIGHUP", "SIGKILL", "SIGXCPU", "SIGQUIT", "SIGUSR1"):
    vars(signal).pop(name, None)
open_file, sync = os.open, os.fsync
def open_no_folder(path, flags, *more, **options):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return open_file(path, flags, *more, **options)
def sync_written(descriptor):
    os.write(descriptor, b"")  # fails if the file is open for reading only
    sync(descriptor)
def kill(pid, number):
    raise SystemExit("os.kill was called")
os.open, os.fsync, os.kill = open_no_folder, sync_written, kill
"""
COMMANDS = """
import json, sys
from llm.cli import main
sys.exit(max(main(words) for words in json.loads(sys.argv[1])))
"""


def ran(tmp_path, *commands: list[str], first: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Run these commands one after the other in a process, after the code `first`."""
    (tmp_path / "foxes.txt").write_text(FOXES)
    return subprocess.run(
        [sys.executable, "-c", first + COMMANDS, json.dumps(commands)], capture_output=True, text=True, timeout=120,
        check=False, cwd=tmp_path, env=os.environ | environment,
    )  # fmt: skip


def test_a_run_is_trained_resumed_listed_and_used_without_what_only_unix_has(tmp_path):
    trained = ran(tmp_path, TRAIN, first=WINDOWS)
    assert (trained.returncode, trained.stderr) == (0, "")
    (run,) = list_runs(tmp_path / "checkpoints")
    assert run.state == "finished"
    used = ["infer", "--checkpoint", run.id, "--max-new-tokens", "3"]
    again = ran(tmp_path, ["train", "--resume", run.id], ["runs"], used, first=WINDOWS)
    assert (again.returncode, again.stderr) == (0, "")
    assert run.id in again.stdout


def test_compiling_without_a_compiler_is_refused_before_a_folder_is_made(tmp_path):
    nothing = {"PATH": str(tmp_path), "CXX": "", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    refused = ran(tmp_path, [*TRAIN, "--compile"], **nothing)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert refused.stderr.startswith("llm: compile=True is not possible on this machine") and "g++" in refused.stderr
    assert refused.stderr.count("\n") == 1 and not (tmp_path / "checkpoints").exists()
