"""The command line: `uv run llm train | infer | runs | tokenize | world`.

Each command checks what it was given before it imports torch, so that help and most mistakes cost no time. What cannot
work ends in one sentence on standard error and exit code 2; a training that diverged, or found no memory, in 1; Ctrl-C
in 130 and SIGTERM in 143, with a snapshot if a training was under way; a reader that went away (`… | head`) in 141.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from llm import tokenizers
from llm.cli.flags import (
    CHECKPOINTS,
    TEXT,
    Command,
    Given,
    UsageError,
    fields_of,
    flag,
    flags,
    needed,
    parse,
    refuse_beside,
    run_folder,
)
from llm.cli.terminal import complain, console, runs_table, visible
from llm.cli.train import train
from llm.config import Device, Implementation, ModelConfig, SamplingConfig, TrainingConfig, describe
from llm.presets import DESCRIPTIONS, SIZE_DESCRIPTIONS
from llm.runtime.files import write_bytes
from llm.tokenizers import Tokenizer, build_tokenizer, load_tokenizer
from llm.world.stories import DEFAULT_SEED, DEFAULT_SIZE, generate

ABOUT = "Train a language model on a text, and have it write."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, from the process's arguments if None are given; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")  # one that is not UTF-8 still shows what it can
    try:
        code = parse(COMMANDS, ABOUT, words)()
        sys.stdout.flush()
        return code
    except SystemExit as ending:  # help was printed
        return int(ending.code or 0)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # what is still buffered goes nowhere, or Python would complain when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UsageError as error:
        command = f"{words[0]} " if words and words[0] in COMMANDS else ""
        return complain(f"{error}. See `uv run llm {command}--help`", 2)
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), 2)
    except ValueError as error:
        return complain(str(error), 2)
    except (MemoryError, RuntimeError) as error:  # torch's own out-of-memory errors are RuntimeErrors
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return complain("There is not enough memory for this: choose a smaller model, n_ctx or batch_size", 1)


def _infer(given: Given) -> int:
    path = run_folder(needed(given, "checkpoint", "which run's model is to write"))
    sampling = SamplingConfig(**fields_of(SamplingConfig, given))

    from llm.checkpoints import load_run
    from llm.runtime import compute
    from llm.runtime.device import choose_device
    from llm.sampling import stream

    device = choose_device(given.get("device", "auto"))
    run = compute.run(load_run, path, given.get("step"), "fused", device)
    prompt = given.get("prompt", "")
    tokens = compute.iterate(stream(run.model, run.tokenizer, prompt, sampling))
    # a terminal would obey control characters that a model wrote; a file gets the text as it is
    shown: Callable[[str], str] = visible if sys.stdout.isatty() else str
    _write(shown(prompt))
    for token in tokens:
        _write(shown(token.text))
    _write("\n")
    return 0


def _runs(given: Given) -> int:
    from llm.checkpoints import list_runs

    folder = given.get("checkpoints_dir", CHECKPOINTS)
    runs = list_runs(folder)
    if given.get("json"):
        for run in runs:
            print(json.dumps(dataclasses.asdict(run), default=_as_json, ensure_ascii=False))
    elif runs:
        console().print(runs_table(runs))
    else:
        print(f"There are no runs in {folder} yet: `uv run llm train` trains the first one.")
    return 0


def _tokenize(given: Given) -> int:
    text = needed(given, "text", "the text to take apart, or - for standard input")
    tokenizer = _tokenizer(given)
    if text == "-":
        try:
            text = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"Standard input is not UTF-8 text: byte {error.start} does not belong") from None

    tokens = tokenizer.encode(text)
    print(f"{len(tokens):,} tokens for {len(text):,} characters ({tokenizer.kind}, d_vocab={tokenizer.d_vocab:,})")
    for token in tokens:
        print(f"{token:>7}  {visible(json.dumps(tokenizer.token_text(token), ensure_ascii=False))}")
    return 0


def _tokenizer(given: Given) -> Tokenizer:
    """A run's, or one learned now."""
    if "checkpoint" in given:
        refuse_beside(given, "checkpoint", "a run has its own tokenizer", allowed=["text"])
        return load_tokenizer(run_folder(given["checkpoint"]))
    from llm.data import read_text

    return build_tokenizer(
        given.get("tokenizer", tokenizers.DEFAULT_TOKENIZER), read_text(given.get("data", TEXT)), given.get("d_vocab")
    )


def _world(given: Given) -> int:
    output = Path(given["output"]) if "output" in given else None
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise ValueError(f"output={str(output)!r} is not possible: it must be a file in a folder that exists")
    text = generate(given.get("seed", DEFAULT_SEED), given.get("size", DEFAULT_SIZE))
    if output is None:
        _write(text)
    else:
        write_bytes(output, text.encode())
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _choice(about: str, choices: dict[str, str], default: str) -> Any:
    explained = " ".join(f"{name}: {meaning}" for name, meaning in choices.items())
    return flag(str, f"{about} {explained}", default, list(choices))


_TOKENIZER = _choice(
    "How the text becomes numbers.",
    {kind: entry.help for kind, entry in tokenizers.REGISTRY.items()},
    tokenizers.DEFAULT_TOKENIZER,
)
_CHECKPOINTS_DIR = flag(str, "Folder that holds the runs.", CHECKPOINTS)
_D_VOCAB = flag(
    int,
    f"{describe(ModelConfig)['d_vocab'].help} Only with {' and '.join(tokenizers.with_a_size())}.",
    str(tokenizers.DEFAULT_D_VOCAB),
)

COMMANDS = {
    "train": Command(
        "Train a model on a text, in a run folder of its own. Any part of the preset can be changed.",
        {
            "data": flag(str, "Text to learn from: a UTF-8 file.", TEXT),
            "architecture": _choice("Preset of the components.", DESCRIPTIONS, "gpt"),
            "size": _choice("Preset of widths and depth.", SIZE_DESCRIPTIONS, "small"),
            "tokenizer": _TOKENIZER,
            "implementation": flag(str, "Form of each layer's arithmetic.", "fused", get_args(Implementation)),
            "checkpoints_dir": _CHECKPOINTS_DIR,
            "resume": flag(str, "Go on with this run, a folder or an id, from its newest snapshot.", "a new run"),
            "d_vocab": _D_VOCAB,
            **flags(ModelConfig, default="the preset's", leave_out=["d_vocab"]),
            **flags(TrainingConfig),
        },
        train,
    ),
    "infer": Command(
        "Have a trained model write. Only the text goes to standard output.",
        {
            "checkpoint": flag(str, "Run whose model writes: a folder or an id."),
            "step": flag(int, "Snapshot to take.", "the final weights, else the best, else the newest"),
            "prompt": flag(str, "Beginning of the text.", ""),
            "device": flag(str, describe(TrainingConfig)["device"].help, "auto", get_args(Device)),
            **flags(SamplingConfig),
        },
        _infer,
    ),
    "runs": Command(
        "List the runs, newest first.",
        {
            "checkpoints_dir": _CHECKPOINTS_DIR,
            "json": flag(bool, "One JSON object a line, for scripts.", False),
        },
        _runs,
    ),
    "tokenize": Command(
        "Show the tokens of a text, with a run's tokenizer or one learned now.",
        {
            "text": flag(str, "Text to take apart; - reads standard input."),
            "checkpoint": flag(str, "Run whose tokenizer is used: a folder or an id.", "one is learned from --data"),
            "tokenizer": _TOKENIZER,
            "data": flag(str, "Text to learn the tokenizer from: a UTF-8 file.", TEXT),
            "d_vocab": _D_VOCAB,
        },
        _tokenize,
    ),
    "world": Command(
        "Write the story world's text: the same seed, the same stories.",
        {
            "seed": flag(int, "Start of every random choice.", DEFAULT_SEED),
            "size": flag(int, "Most bytes to write.", DEFAULT_SIZE),
            "output": flag(str, "File to write.", "standard output"),
        },
        _world,
    ),
}  # fmt: skip
