"""The command line where the system lacks what Linux has: each thing is taken away in a separate process."""

import json
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
from llm.checkpoints import list_runs
from llm.cli import main
for words in json.loads(sys.argv[1]):
    code = main([list_runs()[0].id if word == "RUN" else word for word in words])
    if code:
        sys.exit(code)
"""


def test_a_run_is_trained_resumed_listed_and_used_without_what_only_unix_has(tmp_path):
    (tmp_path / "foxes.txt").write_text(FOXES)
    used = ["infer", "--checkpoint", "RUN", "--max-new-tokens", "3"]
    commands = [TRAIN, ["train", "--resume", "RUN"], ["runs"], used]
    ended = subprocess.run(
        [sys.executable, "-c", WINDOWS + COMMANDS, json.dumps(commands)], capture_output=True, text=True, timeout=120,
        check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    (run,) = list_runs(tmp_path / "checkpoints")
    assert run.state == "finished" and run.id in ended.stdout
