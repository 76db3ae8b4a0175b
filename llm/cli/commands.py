"""The commands, one module each, and what their failures become: a sentence and an exit code.

Each command checks its flags before it imports torch, so that help and most mistakes cost no time. What cannot work
ends in one sentence on standard error and exit code 2; training that diverged or ran out of memory, and a run that does
not come out the same again, in 1; a signal in 128 and its number (Ctrl-C: 130), with a snapshot if training was under
way; a closed output pipe (`… | head`) in 141.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from llm.cli import (
    archive,
    branch,
    compare,
    curve,
    doctor,
    download,
    evaluate,
    fill,
    infer,
    log,
    presets,
    reproduce,
    runs,
    serve,
    sweep,
    text,
    tokenize,
    train,
    world,
)
from llm.cli.flags import UsageError, parse
from llm.cli.terminal import print_error
from llm.runtime.files import error_text

CLOSED_PIPE = 128 + 13  # SIGPIPE, which Windows does not have
ABOUT = "Train language models on a text, and generate text with them."

COMMANDS = {
    "train": train.COMMAND,
    "branch": branch.COMMAND,
    "sweep": sweep.COMMAND,
    "infer": infer.COMMAND,
    "fill": fill.COMMAND,
    "runs": runs.COMMAND,
    "compare": compare.COMMAND,
    "curve": curve.COMMAND,
    "presets": presets.COMMAND,
    "doctor": doctor.COMMAND,
    "log": log.COMMAND,
    "export": archive.EXPORT,
    "import": archive.IMPORT,
    "evaluate": evaluate.COMMAND,
    "serve": serve.COMMAND,
    "reproduce": reproduce.COMMAND,
    "text": text.COMMAND,
    "download": download.COMMAND,
    "tokenize": tokenize.COMMAND,
    "world": world.COMMAND,
}


def run(words: Sequence[str]) -> int:
    """Run the command of these words; returns the exit code. Raises KeyboardInterrupt."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")  # an output that is not UTF-8 still shows what it can
    try:
        code = parse(COMMANDS, ABOUT, words)()
        sys.stdout.flush()
        return code
    except SystemExit as ending:  # help was printed
        return int(ending.code or 0)
    except BrokenPipeError:
        # discard what is still buffered, or Python would report the error again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except UsageError as error:
        command = f"{words[0]} " if words and words[0] in COMMANDS else ""
        return print_error(f"{error}. See `uv run llm {command}--help`", 2)
    except (OSError, ValueError) as error:
        return print_error(error_text(error), 2)
    except (MemoryError, RuntimeError) as error:  # torch's own out-of-memory errors are RuntimeErrors
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return print_error("There is not enough memory: choose a smaller model, n_ctx or batch_size", 1)
